"""A thread that notices purges of other processes, and calls the loop for each news."""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from headrace.store.database import Database, Link, wait_readable
from headrace.store.faults import StoreFault
from headrace.store.purges import latest_seq
from headrace.store.voice import post

# PostgreSQL gives hints, and is asked without one only in case it got lost.
POLL_S: Final[Mapping[str, float]] = {"sqlite": 0.25, "postgresql": 5.0}
_RETRY_S: Final = 1.0


class PurgeWatch:
    """Tells the number of the last purge, once at first and then whenever it has changed.

    Args:
        database: where purges are.
        tell: called on the loop with the number; None when the store cannot be asked any more,
            once, until it can.
        poll_s: seconds between two looks where nothing gives a hint.
    """

    def __init__(
        self, database: Database, tell: Callable[[int | None], None], poll_s: float
    ) -> None:
        self._link = Link(database, writes=False, retries=False)
        self._database = database
        self._tell = tell
        self._poll_s = poll_s
        self._loop = asyncio.get_running_loop()
        self._stop_fd, self._stopper_fd = os.pipe()
        self._told: int | None = -1
        self._is_stopped = False
        threading.Thread(target=self._watch, name="headrace-store-watch", daemon=True).start()

    def again(self) -> None:
        """Tell the number again at the next look, changed or not: for who could not act on it."""
        self._told = -1

    def close(self) -> None:
        """End the thread; nothing is told any more."""
        if not self._is_stopped:
            self._is_stopped = True
            os.close(self._stopper_fd)

    def _watch(self) -> None:
        try:
            while not self._is_stopped:
                try:
                    self._follow()
                except StoreFault:
                    self._news(None)
                    wait_readable((self._stop_fd,), _RETRY_S)
        finally:
            self._link.close()
            os.close(self._stop_fd)

    def _follow(self) -> None:
        """Look after every hint, for as long as the connection lasts."""
        # Listening begins before the first look, so that nothing is missed between the two.
        self._await_hint(0.0)
        while not self._is_stopped:
            self._news(self._link.run(latest_seq))
            self._await_hint(self._poll_s)

    def _await_hint(self, timeout_s: float) -> None:
        wait = partial(self._database.await_hint, stop_fd=self._stop_fd, timeout_s=timeout_s)
        self._link.run(wait)

    def _news(self, seq: int | None) -> None:
        if seq != self._told:
            self._told = seq
            post(self._loop, partial(self._pass_on, seq))

    def _pass_on(self, seq: int | None) -> None:
        if not self._is_stopped:
            self._tell(seq)
