"""What `headrace cache warm` shows: progress, and a summary."""

from collections import Counter
from types import TracebackType
from typing import Final, Self

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from headrace.cli.cache_warm_outcome import Kind, Outcome

_REASONS_TOLD_MAX: Final = 10
_LINES_TOLD_MAX: Final = 8
_ROWS: Final = (
    (Kind.ASKED, "asked, and stored now"),
    (Kind.THERE, "already there"),
    (Kind.ABSENT, "would be asked"),
    (Kind.NOT_STORED, "asked, but not stored"),
    (Kind.FAILED, "failed"),
)


class Summary:
    """Adds up what became of the requests.

    Args:
        total: requests in the file.
        is_probe: whether none was to be asked.
    """

    def __init__(self, total: int, *, is_probe: bool) -> None:
        self.total = total
        self.is_probe = is_probe
        self.counts: Counter[Kind] = Counter()
        self.reasons: dict[str, list[int]] = {}
        self.input_tokens = 0
        self.output_tokens = 0
        self.usd = 0.0
        self.unpriced = 0

    @property
    def done(self) -> int:
        """Requests that something became of."""
        return self.counts.total()

    @property
    def is_good(self) -> bool:
        """Whether nothing went wrong."""
        return not self.reasons

    def add(self, outcome: Outcome) -> None:
        """Count a request."""
        self.counts[outcome.kind] += 1
        if outcome.why:
            self.reasons.setdefault(outcome.why, []).append(outcome.line)
        if outcome.usage is not None:
            self.input_tokens += outcome.usage.input_tokens
            self.output_tokens += outcome.usage.output_tokens
        if outcome.kind in (Kind.ASKED, Kind.NOT_STORED):
            self.usd += outcome.usd or 0.0
            self.unpriced += outcome.usd is None


def show(summary: Summary, console: Console) -> None:
    """Print the summary."""
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for kind, words in _ROWS:
        if summary.counts[kind] or (kind is Kind.ASKED and not summary.is_probe):
            table.add_row(words, f"{summary.counts[kind]:,}")
    if left := summary.total - summary.done:
        table.add_row("not tried", f"{left:,}")
    if not summary.is_probe:
        table.add_row("tokens", f"{summary.input_tokens:,} in, {summary.output_tokens:,} out")
        table.add_row("cost", _cost(summary))
    console.print(table)
    for why, lines in list(summary.reasons.items())[:_REASONS_TOLD_MAX]:
        console.print(f"{_spell_lines(lines)}: {why}", markup=False, highlight=False)
    if (more := len(summary.reasons) - _REASONS_TOLD_MAX) > 0:
        console.print(f"and {more} more reasons", markup=False, highlight=False)


class Bar:
    """A progress bar on standard error, where that is a terminal. A context manager.

    Args:
        summary: what is shown.
        console: where.
    """

    def __init__(self, summary: Summary, console: Console) -> None:
        self._summary = summary
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=summary.total)

    def move(self) -> None:
        """Show what the summary says now."""
        counts = self._summary.counts
        told = [f"{counts[kind]:,} {kind.value}" for kind, _ in _ROWS if counts[kind]]
        if not self._summary.is_probe:
            told.append(f"${self._summary.usd:,.4f}")
        self._progress.update(self._task, completed=self._summary.done, description=", ".join(told))

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


def _cost(summary: Summary) -> str:
    cost = f"${summary.usd:,.6f}"
    return f"{cost}, and {summary.unpriced:,} of unknown price" if summary.unpriced else cost


def _spell_lines(lines: list[int]) -> str:
    shown = ", ".join(map(str, sorted(lines)[:_LINES_TOLD_MAX]))
    more = "" if len(lines) <= _LINES_TOLD_MAX else f" and {len(lines) - _LINES_TOLD_MAX} more"
    return f"line{'s' if len(lines) > 1 else ''} {shown}{more}"
