"""A study of policies as a web page: one file that needs no network."""

from pathlib import Path
from typing import Any, Final

from headrace.cache.simulation.estimate import Estimate
from headrace.cache.simulation.study import BOUND, UNBOUNDED, Row, Study, Table
from headrace.errors import HeadraceError

_PANELS: Final = (
    ("Dollars saved", "saved_usd_share"),
    ("Hit rate", "hit_rate"),
    ("Byte hit rate", "byte_hit_rate"),
)
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

    figure = make_subplots(
        rows=len(_PANELS),
        cols=1,
        subplot_titles=[title for title, _ in _PANELS],
        vertical_spacing=0.08,
    )
    for row, (_, field) in enumerate(_PANELS, start=1):
        for number, table in enumerate(study.tables):
            colour = _COLOURS[number % len(_COLOURS)]
            figure.add_trace(_bars(table, field, colour, is_named=row == 1), row=row, col=1)
    shape = study.runs[0].shape
    figure.update_yaxes(title_text="% of all", rangemode="tozero", ticksuffix=" %")
    figure.update_layout(
        title=f"What eviction policies save: {shape.name}, {shape.requests:,} requests"
        + (f", {len(study.runs)} seeds, 95 % intervals" if len(study.runs) > 1 else ""),
        barmode="group",
        template="plotly_white",
        height=350 * len(_PANELS),
        legend_title="capacity",
    )
    # The script goes into the file: nothing is fetched when it is opened.
    path.write_text(figure.to_html(include_plotlyjs=True), "utf-8")


def _bars(table: Table, field: str, colour: str, *, is_named: bool) -> Any:
    from plotly.graph_objects import Bar

    figures: list[Estimate] = [getattr(row, field) for row in table.rows]
    return Bar(
        name=table.capacity,
        legendgroup=table.capacity,
        showlegend=is_named,
        x=[_name(row) for row in table.rows],
        y=[figure.mean * 100 for figure in figures],
        error_y={"type": "data", "array": [(figure.margin or 0.0) * 100 for figure in figures]},
        marker={
            "color": colour,
            "opacity": [0.35 if row.policy in {BOUND, UNBOUNDED} else 1.0 for row in table.rows],
        },
        hovertemplate="%{x}: %{y:.2f} % ± %{error_y.array:.2f}",
    )


def _name(row: Row) -> str:
    return "bound (offline)" if row.policy == BOUND else row.policy
