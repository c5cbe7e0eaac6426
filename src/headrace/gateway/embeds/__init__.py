"""Embeddings of many callers in one call."""
