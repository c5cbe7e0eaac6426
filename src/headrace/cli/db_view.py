"""How reports on databases look."""

from collections.abc import Mapping
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from headrace.store.care.findings import Cell, Finding, Level, Report, Section

# Wide enough for every name: what reads a pipe wants whole lines.
_PIPE_WIDTH: Final = 4096
_STYLES: Final[Mapping[Level, str]] = {
    "ok": "green",
    "hint": "cyan",
    "warning": "yellow",
    "problem": "bold red",
}
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_MINUTE_S: Final = 60
_DAY_S: Final = 86_400


def show(report: Report) -> None:
    """Print a report."""
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(f"[bold]{escape(report.name)}[/] ({report.dialect})")
    for section in report.sections:
        console.print()
        if section.rows:
            console.print(section_table(section))
        if section.note:
            console.print(f"{escape(section.title)}: {escape(section.note)}", style="dim")
    if report.findings:
        console.print()
        console.print(findings_table(report.findings))


def section_table(section: Section) -> Table:
    """A table of facts."""
    table = Table(title=section.title, title_justify="left", box=None, header_style="dim")
    first = section.rows[0]
    for at, column in enumerate(section.columns):
        is_number = isinstance(first[at], int | float) and not isinstance(first[at], bool)
        table.add_column(heading(column), justify="right" if is_number else "left", no_wrap=True)
    for row in section.rows:
        cells = zip(section.columns, row, strict=True)
        table.add_row(*(escape(shown(column, cell)) for column, cell in cells))
    return table


def findings_table(findings: tuple[Finding, ...]) -> Table:
    """What was found, the worst first."""
    table = Table(title="Findings", title_justify="left", box=None, header_style="dim")
    for column in ("", "about", "what", "what to do"):
        table.add_column(column)
    for finding in findings:
        style = _STYLES[finding.level]
        row = (finding.about, finding.what, finding.advice)
        table.add_row(f"[{style}]{finding.level}[/]", *map(escape, row))
    return table


def heading(column: str) -> str:
    """What stands above a column: its name without its unit."""
    for unit in ("_bytes", "_share", "_ms", "_s"):
        column = column.removesuffix(unit)
    return column.replace("_", " ")


def shown(column: str, cell: Cell) -> str:
    """A cell with its unit, as its column says."""
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        return cell
    if column.endswith("_bytes"):
        return size(cell)
    if column.endswith("_share"):
        return f"{cell:.1%}"
    if column == "share":
        return f"{cell:.1f}%"
    if column.endswith("_ms"):
        return f"{cell:,.1f} ms"
    if column.endswith("_s"):
        return duration(cell)
    return f"{cell:,.0f}"


def size(count: float) -> str:
    """A number of bytes for people."""
    unit = 0
    while abs(count) >= 1024 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:,.0f} {_UNITS[unit]}" if not unit else f"{count:,.1f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """A time for people."""
    if seconds >= _DAY_S:
        return f"{seconds / _DAY_S:.1f} d"
    if seconds >= _MINUTE_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds:.1f} s"
