"""Plans of phases: read, run and judged."""
