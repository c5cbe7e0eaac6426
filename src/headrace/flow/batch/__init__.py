"""Batching: what waits for company, how much of it goes together, and when."""
