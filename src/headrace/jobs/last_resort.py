"""An end that comes, even where something never returns: a thread that asks a frozen database."""

import os
import threading
from collections.abc import Callable
from typing import Final

from headrace.store.voice import Say

END_S: Final = 45.0
"""Beyond the time that jobs have, the end of a worker takes no longer than this."""
_STATUS: Final = 1


class LastResort:
    """Ends the process where its orderly end takes too long. What it did goes on elsewhere.

    Args:
        limit_s: how long it may take, in seconds.
        say: told before the process ends.
        leave: ends it.

    Attributes:
        limit_s: see above.
    """

    def __init__(self, limit_s: float, say: Say, leave: Callable[[int], object] = os._exit) -> None:
        self.limit_s = limit_s
        self._say = say
        self._leave = leave

    def begin(self) -> None:
        """The end has begun."""
        timer = threading.Timer(self.limit_s, self._end)
        timer.daemon = True
        timer.start()

    def _end(self) -> None:
        detail = f"its end took more than {self.limit_s:g} s; its jobs go on elsewhere"
        self._say("error", "jobs_worker_cut_off", detail=detail)
        self._leave(_STATUS)
