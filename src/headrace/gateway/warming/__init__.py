"""Prompts that are asked ahead of callers."""
