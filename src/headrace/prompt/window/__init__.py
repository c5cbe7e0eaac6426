"""Conversations made to fit a model's context window."""
