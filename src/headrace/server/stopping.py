"""When a worker ends: signals tell it to, or nobody is left who could."""

import asyncio
import os
import signal
from collections.abc import Callable
from math import inf
from typing import Final

from headrace.clock import Clock

# A stop that is sent to a whole group comes to a worker twice: once by way of its supervisor.
STOP_REPEAT_S: Final = 2.0


class Stopping:
    """Knows whether a worker is to stop. Belongs to one event loop.

    Args:
        clock: the time.
        supervisor_pid: who restarts and stops the worker; `None` where nobody does.
    """

    def __init__(self, clock: Clock, supervisor_pid: int | None) -> None:
        self._clock = clock
        self._supervisor_pid = supervisor_pid
        self._told = asyncio.Event()
        self._deaf_until_s = -inf

    def listen(self, loop: asyncio.AbstractEventLoop, reload: Callable[[], None]) -> None:
        """Heed signals from now on: SIGTERM and SIGINT stop the worker, SIGHUP calls `reload`."""
        loop.add_signal_handler(signal.SIGTERM, self._tell)
        is_alone = self._supervisor_pid is None
        loop.add_signal_handler(signal.SIGINT, self._tell if is_alone else _leave_to_supervisor)
        loop.add_signal_handler(signal.SIGHUP, reload)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the supervisor starts workers with some

    @property
    def is_due(self) -> bool:
        """Whether the worker is to stop."""
        return self._told.is_set()

    async def wait(self) -> None:
        """Return when the worker is to stop."""
        await self._told.wait()

    def heed_another(self) -> None:
        """What came counts as heard; a further one is due in its own right."""
        self._told.clear()

    def look_for_supervisor(self) -> None:
        """Stop where the supervisor is gone: nobody would restart or stop this worker any more."""
        if self._supervisor_pid is not None and os.getppid() != self._supervisor_pid:
            self._told.set()

    def _tell(self) -> None:
        now_s = self._clock.monotonic_s()
        if self._supervisor_pid is None or now_s >= self._deaf_until_s:
            self._deaf_until_s = now_s + STOP_REPEAT_S
            self._told.set()


def _leave_to_supervisor() -> None:
    """It has got the same signal, and says when to stop."""
