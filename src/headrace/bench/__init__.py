"""Measured from outside: load, phases and statistics. Knows the gateway by its HTTP alone."""
