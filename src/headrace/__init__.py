"""Headrace: the performance layer between applications and their language models."""

__all__ = ("__version__",)

__version__ = "0.1.0"
