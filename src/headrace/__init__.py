"""Headrace: the performance layer between applications and their language models."""

__version__ = "0.1.0"
