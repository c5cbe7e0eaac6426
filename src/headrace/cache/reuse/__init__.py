"""Will it be used again before it expires? Learned while it goes on, and held against baselines."""
