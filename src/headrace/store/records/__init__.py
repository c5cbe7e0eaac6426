"""What must survive: keys, usage, conversations, batches; in SQLite or PostgreSQL.

Queries stand by name in `sql/`, tables as numbered steps in `migrations/`. `records.open` is the
door, `Records` what rooms are handed.
"""
