"""Batches of requests (OpenAI's Batch API), and the files that callers keep here."""
