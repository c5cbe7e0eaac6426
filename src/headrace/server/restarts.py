"""How long to wait before what has ended is started again. Pure."""

from typing import Final

RESTART_PAUSE_S_MIN: Final = 0.1
RESTART_PAUSE_S_MAX: Final = 5.0
# A process that ran this long was sound; its successor starts without a pause.
SOUND_AFTER_S: Final = 10.0


class Restarts:
    """Pauses that double while processes end soon after their start."""

    __slots__ = ("_next_pause_s",)

    def __init__(self) -> None:
        self._next_pause_s = RESTART_PAUSE_S_MIN

    def pause_s(self, ran_s: float) -> float:
        """The pause after a process that ran this long, in seconds."""
        if ran_s >= SOUND_AFTER_S:
            self._next_pause_s = RESTART_PAUSE_S_MIN
            return 0.0
        pause_s = self._next_pause_s
        self._next_pause_s = min(pause_s * 2, RESTART_PAUSE_S_MAX)
        return pause_s
