"""How the demo looks."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from headrace.cli.demo_books import Books, Source
from headrace.cli.demo_phases import OPENAI_MODELS, Phase, Tally

_WIDTH_MAX = 100
_WIDTH_NARROW = 90
_NUMBER_WIDTH = 4
_BAR_WIDTH = 16


def heading(console: Console) -> None:
    """What is about to be seen."""
    console.print()
    console.print("[bold cyan]Headrace[/] between a client and a simulated provider")
    for line in (
        "The provider takes 20 ms to think and 5 ms a token. 'Upstream calls' is what it",
        "has counted itself; 'first' and 'gap' are the pieces of streams.",
    ):
        console.print(f"[dim]{line}[/]", highlight=False)
    console.print()


def phases_table(phases: Sequence[Phase], tallies: Sequence[Tally], width: int) -> Table:
    """The workload: what is done, what runs, what is to come.

    Args:
        phases: all of it.
        tallies: of the phases that have begun.
        width: columns of the terminal.
    """
    # Dividers are one column already, and 80 columns have no room for more.
    padding = (0, 1, 0, 0) if width > _WIDTH_NARROW else (0, 0)
    table = Table(
        box=box.SIMPLE_HEAD, padding=padding, show_edge=False, pad_edge=False, header_style="dim"
    )
    table.add_column("", width=1)
    table.add_column("\nphase", min_width=24, no_wrap=True)
    for title in (
        *("\ncalls", "upstream\ncalls", "from\nmemory", "\njoined"),
        *("p50\nms", "p95\nms", "first\nms", "gap\nms"),
    ):
        table.add_column(title, justify="right", no_wrap=True, min_width=_NUMBER_WIDTH)
    for at, phase in enumerate(phases):
        if at < len(tallies):
            table.add_row(*_cells(tallies[at]))
        else:
            table.add_row("", Text(phase.name, style="dim"))
    return table


def _cells(tally: Tally) -> list[RenderableType]:
    is_bad = next(tally.problems(), None) is not None
    is_done = tally.upstream is not None
    mark, style = ("x", "bold red") if is_bad else ("+", "green") if is_done else (">", "yellow")
    return [
        Text(mark, style=style),
        Text(tally.phase.name, style="" if is_done else "bold"),
        f"{tally.calls}",
        Text("" if tally.upstream is None else f"{tally.upstream}", style="bold cyan"),
        f"{tally.hits or '-'}",
        f"{tally.joined or '-'}",
        _ms(tally.latency_s(0.5)),
        _ms(tally.latency_s(0.95)),
        _ms(tally.first_s),
        _ms(tally.gap_s),
    ]


def _ms(seconds: float | None) -> str:
    """Seconds as milliseconds with three digits that mean something."""
    if seconds is None:
        return "-"
    ms = seconds * 1000
    return f"{ms:.{0 if ms >= 100 else 1 if ms >= 10 else 2}f}"


def saved(console: Console, books: Books, prices_date: str, *, is_agreed: bool) -> None:
    """What was saved, and who says so."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("")
    for title in ("without", "with", "saved"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    for row in books.rows:
        part = row.net / row.whole if row.whole else 0.0
        table.add_row(
            row.name,
            row.spell(row.whole),
            Text(row.spell(row.spent), style="bold"),
            Text(f"{part:.1%}", style="bold green"),
            ProgressBar(total=1, completed=part, width=_BAR_WIDTH, complete_style="green"),
        )
    verdict = (
        "The gateway's /metrics, the provider and the client agree on this.\n"
        f"List prices of {prices_date}; waiting is the sum over all calls."
        if is_agreed
        else "These are the gateway's own numbers, and they are in doubt: see below."
    )
    panel = Panel(
        Group(table, Text(), _sources_table(books), Text(), Text(verdict, style="dim")),
        title="[bold]What Headrace saved[/]",
        border_style="green" if is_agreed else "red",
        padding=(1, 2),
        expand=False,
    )
    console.print()
    console.print(panel)


def _sources_table(books: Books) -> Table:
    """What was saved by whom, less what the cache has spent on its own account."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("saved", no_wrap=True)
    for title in ("calls", "tokens", "seconds", "dollars"):
        table.add_column(title, justify="right", no_wrap=True)
    for source in books.sources:
        table.add_row(source.name, *_amounts(source))
    calls, dollars = books.calls, books.dollars
    sign = "-" if calls.own else ""
    own_calls, own_usd = calls.spell(calls.own), dollars.spell(dollars.own)
    table.add_row("less the cache's own calls", sign + own_calls, "", "", sign + own_usd)
    waited_s = books.waiting.net / 1000
    net = Source("net", calls.net, books.tokens.net, waited_s, dollars.net)
    table.add_row(net.name, *_amounts(net), style="bold green")
    return table


def _amounts(source: Source) -> tuple[str, ...]:
    return (
        f"{source.calls:,.0f}",
        f"{source.tokens:,.0f}",
        f"{source.seconds:,.1f}",
        f"${source.usd:,.4f}",
    )


def stages(console: Console, overruns: Mapping[str, int]) -> None:
    """Whether every stage kept within the time that is declared for it."""
    told = ", ".join(f"{stage} {times}" for stage, times in overruns.items())
    line = f"took longer for so many requests: {told}" if told else "all were kept"
    style = "yellow" if told else "green"
    console.print(f"Stage budgets (server-timing says each): [{style}]{line}[/]", highlight=False)


def complaints(console: Console, problems: Sequence[str]) -> None:
    """What did not behave."""
    console.print("\n[bold red]Not as it should be:[/]")
    for problem in problems:
        console.print(f"  {problem}", markup=False, highlight=False)


def next_steps(console: Console, url: str) -> None:
    """How to go on; the lines to copy stand for themselves, unwrapped."""
    body = (
        f'{{"model": "{OPENAI_MODELS[0]}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    )
    lines = (
        "",
        f"[bold]It stays up at[/] [bold cyan]{url}/v1[/]",
        "",
        "Send this twice; the second time it says [cyan]x-headrace-cache: l1[/]",
        f"  curl -i {url}/v1/chat/completions -d '{body}'",
        "",
        "From Python with the SDK you use already; any key and any model will do",
        f'  OpenAI(base_url="{url}/v1", api_key="demo")',
        f'  Anthropic(base_url="{url}", api_key="demo")',
        "",
        f"Numbers: {url}/metrics",
        f"State:   {url}/admin/status",
        "",
        "[dim]The answers are made up. For real ones: OPENAI_API_KEY=... headrace serve[/]",
        "[bold]Ctrl-C ends it.[/]",
    )
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def make_console() -> Console:
    """Standard output; on a wide terminal no wider than is easy to read."""
    console = Console()
    console.width = min(console.width, _WIDTH_MAX)
    return console
