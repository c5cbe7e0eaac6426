"""Chance by a seed, for those who ask what runs tell."""

import numpy as np


def chance(seed: int) -> np.random.Generator:
    """A generator; the same seed gives the same answers."""
    return np.random.default_rng(seed)
