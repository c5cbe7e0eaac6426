"""Where an adapter lives: it works in the loop and the process that it was started in."""

import asyncio
import os

from headrace.errors import NotRunning
from headrace.library.listener import current_loop


class Home:
    """The loop that runs now, in this process."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()

    def check(self) -> None:
        """See that this is where the caller is.

        Raises:
            NotRunning: it is elsewhere.
        """
        if os.getpid() != self._pid:
            raise NotRunning(
                "The adapter was started in another process, before a fork: make one in each.",
                code="forked",
            )
        if current_loop() is not self._loop:
            raise NotRunning(
                "The adapter lives in another event loop, where it was started: make one in each, "
                "or use a SyncAdapter.",
                code="wrong_loop",
            )
