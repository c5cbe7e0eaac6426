"""Reads from standbys of a PostgreSQL primary that never show less than their session has written.

`roster` decides who is asked and who is left out, and knows no database; `sessions` remembers how
far each session has written; `reads` asks.
"""
