"""Whether an answer is worth the room that others would have to leave."""

from collections.abc import Callable
from typing import Final

_SMOOTHING: Final = 0.02


class AdmissionGate:
    """Lets in what is expected to save more per byte than what leaves for it.

    The price of room is the running mean of what those that left for want of room were still
    expected to save per byte. A share of the refused is let in all the same, so that the price
    goes on being found out.

    Args:
        uniform: draws from [0, 1).
        margin: how much of the price has to be reached.
        probe_share: share of the refused that is let in.
    """

    __slots__ = ("_margin", "_price", "_probe_share", "_uniform", "refused")

    def __init__(
        self, *, uniform: Callable[[], float], margin: float = 1.0, probe_share: float = 0.05
    ) -> None:
        self._uniform = uniform
        self._margin = margin
        self._probe_share = probe_share
        self._price = 0.0
        self.refused = 0

    @property
    def price(self) -> float:
        """Worth per byte that room costs now."""
        return self._price

    def admits(self, chance: float, worth: float, size: int) -> bool:
        """Whether to take an answer in; ask only where something has to leave for it.

        Args:
            chance: that it is used before it expires.
            worth: what that use saves, dollars or seconds, but always the same.
            size: bytes.
        """
        if chance * worth >= self._margin * self._price * size:
            return True
        if self._uniform() < self._probe_share:
            return True
        self.refused += 1
        return False

    def left(self, chance: float, worth: float, size: int) -> None:
        """An answer left for want of room; the arguments are of this moment."""
        self._price += _SMOOTHING * (chance * worth / max(size, 1) - self._price)
