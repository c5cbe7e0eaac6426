"""The ledger: a row for each call, on its way from the journal to the tables, and read there."""
