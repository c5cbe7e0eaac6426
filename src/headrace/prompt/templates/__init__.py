"""Prompts as files, in a language that can do nothing but write text."""
