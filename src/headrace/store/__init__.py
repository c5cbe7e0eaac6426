"""What outlives a process: answers, purges and leases in SQLite or PostgreSQL.

The only room that knows a database. `headrace.store.open.open_store` is its door; what goes in and
out are the row structs of `headrace.store.rows` and the faults of `headrace.store.faults`.
"""
