"""What is stored: found, kept, foreseen, and given where all else fails."""
