"""What a text wants: rules of words and patterns, and a linear model over hashed n-grams. Pure."""
