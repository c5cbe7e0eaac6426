"""What is exported names nothing that a gateway does not tell."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from tests.support.promql import listed, named

from headrace.observe.export.alertmanager import ALERTMANAGER_YAML
from headrace.observe.export.alerts import alert_groups
from headrace.observe.export.bundle import DASHBOARD, ROUTES, RULES, files
from headrace.observe.export.rule import Alert, Record
from headrace.observe.export.slo_rules import slo_groups
from headrace.observe.exposition import render
from headrace.observe.families import FAMILIES
from headrace.observe.family import Family
from headrace.observe.layout import Layout
from headrace.observe.slo_burns import BURNS
from headrace.settings.slos import USUAL_SLOS, Slo

WRITTEN: Final = files(USUAL_SLOS)
RULE_SET: Final = tuple(
    rule for group in (*slo_groups(USUAL_SLOS), *alert_groups()) for rule in group.rules
)
RECORDED: Final = frozenset(rule.name for rule in RULE_SET if isinstance(rule, Record))
# What Prometheus puts on every series by itself.
SCRAPED: Final = frozenset({"job", "instance"})


def series_of(family: Family) -> Iterator[tuple[str, Mapping[str, tuple[str, ...] | None]]]:
    """Every series of a family, with the values of its labels; `None` where any may be."""
    values: dict[str, tuple[str, ...] | None] = {
        label.name: None if label.slotted else label.values for label in family.labels
    }
    values |= dict.fromkeys(SCRAPED)
    if family.kind != "histogram":
        yield family.name, values
        return
    yield f"{family.name}_sum", values
    yield f"{family.name}_count", values
    yield f"{family.name}_bucket", values | {"le": (*map(repr, family.buckets), "+Inf")}


SERIES: Final = {
    **{name: labels for family in FAMILIES for name, labels in series_of(family)},
    **{name: {"job": None, "slo": None} for name in RECORDED},
    "up": dict.fromkeys(SCRAPED),  # what Prometheus says of each target
}


def panels() -> list[dict[str, Any]]:
    return [each for each in json.loads(WRITTEN[DASHBOARD])["panels"] if each["type"] != "row"]


def expressions() -> Iterator[str]:
    """Every expression that is exported."""
    yield from (rule.expr for rule in RULE_SET)
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    for variable in json.loads(WRITTEN[DASHBOARD])["templating"]["list"]:
        if variable["type"] == "query":
            yield re.sub(r", \w+\)$", ")", variable["definition"])


def matches(operator: str, wanted: str, values: tuple[str, ...] | None) -> bool:
    """Whether a matcher can match: for a pattern of alternatives, each of them."""
    if values is None or wanted.startswith("$"):
        return True
    if operator.endswith("~"):
        each = wanted.split("|")
        return all(any(re.fullmatch(part, value) for value in values) for part in each)
    return wanted in values


@pytest.mark.parametrize("expr", sorted(set(expressions())))
def test_every_series_and_label_exists(expr: str) -> None:
    found = list(named(expr))
    assert found
    known: set[str] = set()
    for name, matchers in found:
        assert name in SERIES, name
        known |= set(SERIES[name])
        for label, operator, value in matchers:
            assert label in SERIES[name], (name, label)
            assert matches(operator, value, SERIES[name][label]), (name, label, value)
    assert set(listed(expr)) <= known


def page_of(cell: float) -> set[tuple[str, frozenset[str]]]:
    """Every series of the page of a gateway whose every cell holds the same."""
    layout = Layout()
    names = {number: slo.name for number, slo in enumerate(USUAL_SLOS)}
    told = render(layout, [[cell] * layout.size], ("p",), names).decode()
    found = re.findall(r"^(\w+)(?:\{(.*)\})? ", told, re.MULTILINE)
    return {(name, frozenset(re.findall(r'\w+="[^"]*"', labels))) for name, labels in found}


FULL: Final = page_of(1.0)
IDLE: Final = page_of(0.0)


def shown(
    page: set[tuple[str, frozenset[str]]], name: str, matchers: Iterable[tuple[str, str, str]]
) -> bool:
    """Whether a page has a series for what an expression picks, for each alternative by itself."""

    def has(label: str, value: str) -> bool:
        return any(
            re.fullmatch(f'{label}="{value}"', each)
            for series, labels in page
            if series == name
            for each in labels
        )

    wanted = [
        (label, value)
        for label, operator, text in matchers
        if not text.startswith("$") and not operator.startswith("!")
        for value in (text.split("|") if operator.endswith("~") else [re.escape(text)])
    ]
    return any(series == name for series, _ in page) and all(has(*each) for each in wanted)


@pytest.mark.parametrize("expr", sorted(set(expressions())))
def test_the_page_of_a_busy_gateway_tells_it_all(expr: str) -> None:
    for name, matchers in named(expr):
        if name not in RECORDED and name != "up":
            assert shown(FULL, name, matchers), (name, matchers)


FIRST: Final = sorted(
    {each for rule in RULE_SET for each in re.findall(r"unless (\S+)", rule.expr)}
)


@pytest.mark.parametrize("series", FIRST)
def test_what_is_to_be_seen_to_grow_once_is_told_before_it_does(series: str) -> None:
    """A series that is born with its first count has not grown, and an idle gateway tells it."""
    ((name, matchers),) = named(series)
    assert shown(IDLE, name, matchers)


def test_a_page_lacks_what_nobody_tells() -> None:
    assert len(FIRST) == 6
    assert not shown(IDLE, "headrace_requests_total", ())
    assert not shown(FULL, "headrace_requests_total", [("status", "=", "599")])


def test_a_name_that_nobody_tells_is_found() -> None:
    assert [each.name for each in named('rate(headrace_nothing{a="b"}[5m])')] == [
        "headrace_nothing"
    ]
    assert not matches("=", "5m", ("5xx",))


def test_every_panel_has_a_title_a_unit_and_queries() -> None:
    seen = panels()
    assert len(seen) > 20
    for panel in seen:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["expr"]
            assert target["legendFormat"]
            assert "@" not in target["expr"]


def test_panels_neither_overlap_nor_leave_the_page() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(WRITTEN[DASHBOARD])["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_ids_of_panels_differ() -> None:
    ids = [panel["id"] for panel in json.loads(WRITTEN[DASHBOARD])["panels"]]
    assert len(ids) == len(set(ids))


def test_rules_are_the_yaml_that_they_say() -> None:
    read = yaml.safe_load(WRITTEN[RULES])
    told = [rule for group in read["groups"] for rule in group["rules"]]
    assert [rule["expr"] for rule in told] == [rule.expr for rule in RULE_SET]
    for rule, source in zip(told, RULE_SET, strict=True):
        if isinstance(source, Alert):
            assert rule["annotations"]["summary"] == source.summary
            assert rule["labels"]["severity"] in {"page", "ticket"}


def test_every_severity_has_its_route() -> None:
    read = yaml.safe_load(ALERTMANAGER_YAML)
    assert WRITTEN[ROUTES] == ALERTMANAGER_YAML
    routed = {matcher for route in read["route"]["routes"] for matcher in route["matchers"]}
    assert routed == {f'severity="{rule.severity}"' for rule in RULE_SET if isinstance(rule, Alert)}


def limits(slo: Slo) -> list[float]:
    """What the alerts of a service level compare with."""
    rules = slo_groups((slo,))[1].rules
    return [float(re.findall(r" > (\S+)", rule.expr)[-1]) for rule in rules]


def test_burn_rates_follow_the_window() -> None:
    month = Slo(name="a", kind="availability", objective=0.999)
    assert limits(month) == pytest.approx([0.0144, 0.006, 0.001])
    week = Slo(name="a", kind="availability", objective=0.999, window_days=7)
    # Slower than at 1 the budget is not used up at all.
    assert limits(week) == pytest.approx([0.00336, 0.0014, 0.001])


def test_a_burn_that_cannot_be_is_not_looked_for() -> None:
    assert limits(Slo(name="a", kind="availability", objective=0.9)) == pytest.approx([0.6, 0.1])
    assert len(BURNS) == 3


def test_nothing_declared_is_nothing_watched() -> None:
    written = files(())
    assert "headrace_slo_errors" not in written[RULES]
    assert "headrace_slo_errors" not in written[DASHBOARD]


def test_every_alert_is_explained() -> None:
    page = (Path(__file__).parents[3] / "docs" / "monitoring.md").read_text("utf-8")
    explained = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    assert explained == list(
        dict.fromkeys(rule.name for rule in RULE_SET if isinstance(rule, Alert))
    )
