"""What runs tell, and what they do not: pure functions of figures and seeded generators."""
