"""How a study of policies looks."""

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from headrace.cache.simulation.estimate import Estimate
from headrace.cache.simulation.study import BASELINE, BOUND, UNBOUNDED, Row, Run, Study
from headrace.cache.simulation.study import Table as Numbers

_WIDTH_MAX: Final = 100
_BAR_WIDTH: Final = 16


def make_console() -> Console:
    """Standard output; on a wide terminal no wider than is easy to read."""
    console = Console()
    console.width = min(console.width, _WIDTH_MAX)
    return console


def show(study: Study, console: Console) -> None:
    """Print what was replayed, a table for each capacity and what the words mean."""
    console.print()
    for line in heading(study.runs):
        console.print(line, highlight=False, markup=False)
    for numbers in study.tables:
        console.print()
        console.print(policy_table(numbers, study.runs))
    console.print()
    for line in notes(study):
        console.print(line, style="dim", highlight=False, markup=False)


def heading(runs: Sequence[Run]) -> list[str]:
    """What was replayed."""
    first = runs[0].shape
    told = (
        f"{first.requests:,} requests for {first.keys:,} keys; "
        f"all answers take {spell_bytes(first.footprint_bytes)}, all calls cost "
        f"{spell_usd(first.spend_usd)}"
    )
    if len(runs) == 1:
        return [first.name, told]
    return [f"{first.name} to {runs[-1].shape.name.rpartition(' ')[2]}", f"{told} (the first)"]


def policy_table(numbers: Numbers, runs: Sequence[Run]) -> Table:
    """All policies at one capacity."""
    sizes = [run.capacities_bytes[numbers.capacity] for run in runs]
    part = " of all answers" if numbers.capacity.endswith("%") else ""
    table = Table(
        title=f"Capacity {numbers.capacity}{part} ({spell_bytes(sizes[0])})",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
        header_style="dim",
    )
    table.add_column("\npolicy", no_wrap=True)
    for title in ("hits\n%", "bytes\n%", "dollars\nsaved %", "above LRU\npoints"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("\ndollars saved", width=_BAR_WIDTH)
    best = max(row.saved_usd_share.mean for row in numbers.rows if is_policy(row))
    most = max(row.saved_usd_share.mean for row in numbers.rows)
    for row in numbers.rows:
        table.add_row(*_cells(row, best, most), style="" if is_policy(row) else "dim")
    return table


def is_policy(row: Row) -> bool:
    """Whether a row is of a policy, not of a bound."""
    return row.policy not in {BOUND, UNBOUNDED}


def _cells(row: Row, best: float, most: float) -> list[str | Text | ProgressBar]:
    saved = row.saved_usd_share
    is_best = is_policy(row) and saved.mean == best
    is_told = row.above_lru is not None and row.policy != BASELINE and is_policy(row)
    return [
        Text(row.policy, style="bold" if is_best else ""),
        spell(row.hit_rate),
        spell(row.byte_hit_rate),
        Text(spell(saved), style="bold green" if is_best else ""),
        spell(row.above_lru, sign="+") if row.above_lru is not None and is_told else "",
        ProgressBar(
            total=most or 1.0, completed=saved.mean, width=_BAR_WIDTH, complete_style="green"
        ),
    ]


def notes(study: Study) -> list[str]:
    """What the numbers are and are not."""
    shape, count = study.runs[0].shape, len(study.runs)
    exact = " Its hits are exact: Belady's MIN." if shape.is_uniform else ""
    lines = [
        f"±: 95 % interval over {count} seeds (Student's t). 'above LRU' is paired, seed by seed."
        if count > 1
        else "One trace, so no intervals.",
        "bound: no policy saves more at this capacity, not even one that knows the future; an "
        f"upper bound (PFOO's relaxation), each column by itself.{exact}",
        "all repeats: what a cache saves that has room for everything. Nothing expires here.",
    ]
    if not shape.spend_usd:
        lines.append("No call costs anything here, so dollars tell nothing.")
    if any(run.shape.is_cut for run in study.runs):
        lines.append(f"Only the first {shape.requests:,} requests were read (--limit).")
    return lines


def spell(figure: Estimate, sign: str = "") -> str:
    """A share in hundredths with its interval."""
    text = f"{figure.mean * 100:{sign}.1f}"
    return text if figure.margin is None else f"{text} ±{figure.margin * 100:.1f}"


def spell_bytes(count: int) -> str:
    """Bytes with three digits that mean something."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def spell_usd(amount: float) -> str:
    """Dollars, with cents where they matter."""
    return f"${amount:,.0f}" if amount >= 100 else f"${amount:.3g}"
