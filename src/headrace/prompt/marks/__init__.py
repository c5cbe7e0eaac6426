"""Marks that let a provider keep the beginning of a prompt for the next call. Pure."""
