"""A row for each call, written before its last byte is."""
