"""What ends a long command early."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heed_stop(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    """Have Ctrl-C, SIGTERM and the end of the terminal stop a command.

    SIGHUP stays ignored where it was: whoever started it by `nohup` wants it to go on.

    Args:
        loop: where the command runs.
        stop: called for each signal.
    """
    for number in _STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop)
