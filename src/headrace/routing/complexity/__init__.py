"""How hard a request is: features, a score from weights, and weights from what was seen. Pure."""
