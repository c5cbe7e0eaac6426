"""What `headrace batch` shows: progress, and how it ended."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_FAULTS_TOLD_MAX: Final = 10


class Bar:
    """How far a batch is, on a terminal. A context manager."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("validating", total=None)

    def show(self, told: dict[str, Any]) -> None:
        """Show how a batch is."""
        counts = told["request_counts"]
        failed = f", {counts['failed']} failed" if counts["failed"] else ""
        self._progress.update(
            self._task,
            description=told["status"] + failed,
            total=counts["total"] or None,
            completed=counts["completed"] + counts["failed"],
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()


def summary(told: dict[str, Any]) -> Iterator[str]:
    """How a batch ended, line by line."""
    counts, usage = told["request_counts"], told["usage"]
    yield (
        f"{told['id']}: {told['status']}, {counts['completed']} of {counts['total']} answered, "
        f"{counts['failed']} failed; {usage['input_tokens']} tokens in, "
        f"{usage['output_tokens']} out"
    )
    faults = (told["errors"] or {"data": []})["data"]
    for fault in faults[:_FAULTS_TOLD_MAX]:
        where = f"line {fault['line']}: " if fault["line"] else ""
        yield f"  {where}{fault['message']}"
    if len(faults) > _FAULTS_TOLD_MAX:
        yield "  and more: see the file of errors"
