"""How many tokens a text, messages or a whole request come to."""
