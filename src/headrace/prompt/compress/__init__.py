"""Prompts in fewer tokens, without a change of meaning (`safe`), or with a small one (`lossy`)."""
