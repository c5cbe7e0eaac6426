"""Progress on the terminal: what is being measured, and how much is left."""

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)


class Steps:
    """Sections of a run, each a bar of its own.

    Args:
        progress: the live display.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._title = ""

    def start(self, title: str, total: int) -> None:
        """Begin a section of `total` steps."""
        self._title = title
        self._task = self._progress.add_task(title, total=total)

    def done(self, detail: str) -> None:
        """One step of the section is done."""
        if self._task is not None:
            self._progress.update(self._task, advance=1, description=f"{self._title}: {detail}")


@contextlib.contextmanager
def shown(console: Console) -> Iterator[Steps]:
    """Show progress for the length of a `with` block."""
    columns = (
        TextColumn("{task.description:<44}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        yield Steps(progress)
