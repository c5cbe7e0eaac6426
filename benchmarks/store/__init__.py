"""What the store costs and gives."""
