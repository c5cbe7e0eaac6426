"""The gate: what a version may cost, as ratios to yardsticks that are measured beside it."""
