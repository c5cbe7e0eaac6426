"""A study of policies as a web page: one file that needs no network."""

from html import escape
from pathlib import Path
from typing import Any, Final

from headrace.cache.simulation.estimate import Estimate
from headrace.cache.simulation.study import BASELINE, BOUND, UNBOUNDED, Row, Study, Table
from headrace.cli.cache_view import heading
from headrace.errors import HeadraceError

# What is shown, the field, and what it is measured in.
_PANELS: Final = (
    ("Dollars saved", "saved_usd_share", "% of all spend"),
    ("Dollars saved above LRU, seed by seed", "above_lru", "points"),
    ("Hit rate", "hit_rate", "% of requests"),
    ("Byte hit rate", "byte_hit_rate", "% of bytes"),
)
_PANEL_PIXELS: Final = 320
_COLOURS: Final = ("#1b6ca8", "#e08e0b", "#5a8f29", "#8e44ad", "#c0392b", "#16a085")


def require() -> None:
    """Make sure that charts can be drawn.

    Raises:
        HeadraceError: the package is not installed.
    """
    try:
        import plotly  # noqa: F401
    except ImportError:
        raise HeadraceError(
            "--plot draws with plotly, which is not installed: pip install 'headrace[charts]'"
        ) from None


def write(study: Study, path: Path) -> None:
    """Draw `study` into the file at `path`.

    Raises:
        OSError: it cannot be written.
    """
    from plotly.subplots import make_subplots

    panels = [panel for panel in _PANELS if any(_shown(table, panel[1]) for table in study.tables)]
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        subplot_titles=[title for title, _, _ in panels],
        vertical_spacing=0.07,
    )
    for row, (_, field, unit) in enumerate(panels, start=1):
        for number, table in enumerate(study.tables):
            colour = _COLOURS[number % len(_COLOURS)]
            figure.add_trace(_bars(table, field, colour, is_named=row == 1), row=row, col=1)
        figure.update_yaxes(title_text=unit, rangemode="tozero", row=row, col=1)
    title = "What eviction policies save"
    figure.update_layout(
        title={"text": f"{title}<br><sup>{_told(study)}</sup>", "x": 0.02, "xanchor": "left"},
        margin={"t": 110},
        barmode="group",
        template="plotly_white",
        height=_PANEL_PIXELS * len(panels) + 110,
        legend_title="capacity",
    )
    # The script goes into the file: nothing is fetched when it is opened.
    page = figure.to_html(include_plotlyjs=True)
    path.write_text(page.replace("<head>", f"<head><title>{title}</title>", 1), "utf-8")


def _told(study: Study) -> str:
    """What was replayed, in a line of HTML."""
    seeds = f"; {len(study.runs)} seeds, 95 % intervals" if len(study.runs) > 1 else ""
    return escape(": ".join(heading(study.runs)) + seeds)


def _shown(table: Table, field: str) -> list[tuple[Row, Estimate]]:
    """The rows that have something to show; LRU is not above itself."""
    is_difference = field == "above_lru"
    return [
        (row, getattr(row, field))
        for row in table.rows
        if getattr(row, field) is not None and not (is_difference and row.policy == BASELINE)
    ]


def _bars(table: Table, field: str, colour: str, *, is_named: bool) -> Any:
    from plotly.graph_objects import Bar

    rows = [row for row, _ in _shown(table, field)]
    figures = [figure for _, figure in _shown(table, field)]
    has_margins = any(figure.margin is not None for figure in figures)
    margins = [(figure.margin or 0.0) * 100 for figure in figures]
    return Bar(
        name=table.capacity,
        legendgroup=table.capacity,
        showlegend=is_named,
        x=[_name(row) for row in rows],
        y=[figure.mean * 100 for figure in figures],
        error_y={"type": "data", "array": margins, "visible": has_margins},
        marker={
            "color": colour,
            "opacity": [0.35 if row.policy in {BOUND, UNBOUNDED} else 1.0 for row in rows],
        },
        hovertemplate="%{x}: %{y:.2f}" + (" ± %{error_y.array:.2f}" if has_margins else ""),
    )


def _name(row: Row) -> str:
    return "bound (offline)" if row.policy == BOUND else row.policy
