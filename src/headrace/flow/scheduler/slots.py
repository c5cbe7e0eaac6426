"""A fixed number of permits. Pure."""

from collections.abc import Callable


def _nobody() -> None:
    """Hears that a slot is free, where nobody wants to."""


class Slots:
    """Capacity for a fixed number of calls at once.

    Args:
        count: how many.

    Attributes:
        free: how many may be had.
        on_free: called when one is given back.

    Raises:
        ValueError: there would be none.
    """

    __slots__ = ("free", "on_free")

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"concurrency is {count}: it has to be 1 or more")
        self.free = count
        self.on_free: Callable[[], None] = _nobody

    def try_acquire(self) -> "Slot | None":
        """A slot, or `None` where all are taken."""
        if not self.free:
            return None
        self.free -= 1
        return Slot(self)


class Slot:
    """One call's place. However it ends, and however often it is said, it is given back once."""

    __slots__ = ("_slots",)

    def __init__(self, slots: Slots) -> None:
        self._slots: Slots | None = slots

    def ignore(self) -> None:
        """Give it back."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.free += 1
            slots.on_free()

    def success(self, signal_s: float | None = None) -> None:  # noqa: ARG002 - learns nothing
        """Give it back after a call that went well."""
        self.ignore()

    def drop(self, retry_after_s: float | None = None) -> None:  # noqa: ARG002 - learns nothing
        """Give it back after a call that was refused for want of capacity."""
        self.ignore()
