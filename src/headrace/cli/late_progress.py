"""Progress of work that is usually done before anybody wonders."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

SHOWN_AFTER_S: Final = 1.0


class LateProgress:
    """A line that says what is being done, once it has taken a second. A context manager.

    Args:
        console: where it is shown; nothing is where that is no terminal.
        now_s: the time.
    """

    def __init__(self, console: Console, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._since_s = now_s()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("")
        self._is_shown = False
        self._part = ""

    @property
    def is_shown(self) -> bool:
        """Whether it has taken long enough."""
        return self._is_shown

    def begin(self, part: str) -> None:
        """Say which part of the whole is done next."""
        self._part = f"{part}: "

    def tell(self, what: str) -> None:
        """Say what is done next."""
        self._progress.update(self._task, description=self._part + what)
        if not self._is_shown and self._now_s() - self._since_s >= SHOWN_AFTER_S:
            self._is_shown = True
            self._progress.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_shown:
            self._progress.stop()
