"""Answers for questions that mean the same: off by default, and wrong at a stated rate."""
