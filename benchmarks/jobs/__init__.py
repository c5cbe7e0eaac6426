"""Benchmarks of work that nobody waits for."""
