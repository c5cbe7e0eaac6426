"""Trials: one run each against a fresh gateway, in blocks in which every arm has its turn."""
