"""Looking after databases from the command line: how they are, what ails them, what helps.

`asking_*` ask one kind of database, `*_advice` say what the answers mean and know no database, and
`report` puts both together.
"""
