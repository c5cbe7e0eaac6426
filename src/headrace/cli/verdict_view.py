"""How verdicts look: a table with one line for each metric, and the reasons below."""

from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from headrace.bench.statistics.question import Comparison, Estimate, Verdict

# Wide enough for every name: what reads a pipe wants whole lines.
_PIPE_WIDTH: Final = 4096
_COLUMNS: Final = ("A", "B", "effect", "interval", "p", "seen from", "runs")
_STYLES: Final[Mapping[Verdict, str]] = {
    "better": "bold green",
    "worse": "bold red",
    "equivalent": "cyan",
    "inconclusive": "yellow",
    "insufficient": "bold yellow",
}


def show(answers: Sequence[Comparison]) -> None:
    """Print verdicts, and why they are what they are."""
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(verdict_table(answers))
    for answer in answers:
        console.print(f"{escape(answer.question.metric)}: {escape(answer.because)}")


def verdict_table(answers: Sequence[Comparison]) -> Table:
    """One line for each metric."""
    table = Table(box=None, header_style="dim")
    table.add_column("metric", no_wrap=True)
    table.add_column("B is", no_wrap=True)
    for name in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for answer in answers:
        style = _STYLES[answer.verdict]
        told = f"[{style}]{answer.verdict}[/]"
        table.add_row(escape(answer.question.metric), told, *_cells(answer))
    return table


def _cells(answer: Comparison) -> tuple[str, ...]:
    found = answer.estimate
    if found is None:
        return ("-",) * len(_COLUMNS)
    return (
        f"{found.centre_a:.5g}",
        f"{found.centre_b:.5g}",
        _effect(found.effect, answer),
        f"{_effect(found.interval.low, answer)} to {_effect(found.interval.high, answer)}",
        f"{found.p_difference:.3g}",
        _seen_from(found, answer),
        f"{found.runs[0]} + {found.runs[1]}",
    )


def _effect(value: float, answer: Comparison) -> str:
    return f"{value - 1.0:+.2%}" if answer.question.scale == "ratio" else f"{value:+.4g}"


def _seen_from(found: Estimate, answer: Comparison) -> str:
    is_ratio = answer.question.scale == "ratio"
    return f"{found.detectable:.2%}" if is_ratio else f"{found.detectable:.4g}"
