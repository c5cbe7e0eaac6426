"""What must not be lost before a database has it: an append-only journal in local files."""
