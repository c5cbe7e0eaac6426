"""A dashboard of Grafana as data, and as the JSON that it imports."""

from collections.abc import Iterator, Mapping
from string import ascii_uppercase
from typing import Any, Final, Literal

import msgspec

Unit = Literal["reqps", "percentunit", "s", "short", "bytes", "currencyUSD", "cores", "ops"]
_SOURCE: Final[Mapping[str, str]] = {"type": "prometheus", "uid": "${datasource}"}
_CHOSEN: Final = 'job=~"$job",instance=~"$instance"'
_COLUMNS: Final = 24


class Query(msgspec.Struct, frozen=True):
    """One query of a panel.

    Attributes:
        expr: PromQL; `@` between braces stands for the job and the instances that are chosen.
        legend: Grafana's template of a series' name.
    """

    expr: str
    legend: str


class Panel(msgspec.Struct, frozen=True):
    """A picture of some series.

    Attributes:
        title: a few words.
        description: what it tells, and when to worry.
        unit: Grafana's id; `cores` is not one, and shown as a plain number.
        queries: at least one.
        kind: a line over time, or the last value.
        width: of 24 columns.
    """

    title: str
    description: str
    unit: Unit
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 8


class Section(msgspec.Struct, frozen=True):
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def dashboard_json(sections: tuple[Section, ...]) -> str:
    """What Grafana imports.

    Args:
        sections: from the top.
    """
    told = {
        "uid": "headrace",
        "title": "Headrace",
        "description": "Written by `headrace observe export`.",
        "tags": ["headrace"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "",
        "graphTooltip": 1,
        "templating": {"list": list(_variables())},
        "annotations": {"list": []},
        "panels": list(_laid_out(sections)),
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def chosen(expr: str) -> str:
    """`expr` with the job and the instances that are chosen in the place of `@`."""
    return expr.replace("{@", "{" + _CHOSEN)


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    asked = {
        "job": "label_values(headrace_workers, job)",
        "instance": 'label_values(headrace_workers{job=~"$job"}, instance)',
    }
    for name, query in asked.items():
        yield {
            "name": name,
            "label": name,
            "type": "query",
            "datasource": _SOURCE,
            "definition": query,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "includeAll": True,
            "multi": True,
            "current": {"text": "All", "value": "$__all"},
        }


def _laid_out(sections: tuple[Section, ...]) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for section in sections:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": section.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": top},
        }
        top, left, height = top + 1, 0, 0
        for panel in section.panels:
            if left + panel.width > _COLUMNS:
                top, left, height = top + height, 0, 0
            tall = 4 if panel.kind == "stat" else 8
            number += 1
            place = {"h": tall, "w": panel.width, "x": left, "y": top}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            left, height = left + panel.width, max(height, tall)
        top += height


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "fieldConfig": {
            "defaults": {"unit": "short" if panel.unit == "cores" else panel.unit, "min": 0},
            "overrides": [],
        },
        "options": _options(panel),
        "targets": [
            {
                "refId": letter,
                "datasource": _SOURCE,
                "expr": chosen(query.expr),
                "legendFormat": query.legend,
            }
            for letter, query in zip(ascii_uppercase, panel.queries, strict=False)
        ],
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
