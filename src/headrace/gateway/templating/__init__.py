"""Templates in requests: what they stand for, and files that change meanwhile."""
