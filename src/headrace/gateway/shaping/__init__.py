"""What is sent in place of what came: compressed, made to fit, marked for the provider's cache."""
