"""Rules of Prometheus as data, and as the YAML that it reads."""

import json
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

Severity = Literal["page", "ticket"]


class Record(msgspec.Struct, frozen=True):
    """A series that Prometheus computes of others.

    Attributes:
        name: the new series.
        expr: PromQL.
        labels: to be put on it.
    """

    name: str
    expr: str
    labels: Mapping[str, str] = {}


class Alert(msgspec.Struct, frozen=True):
    """A state of affairs that somebody has to hear of.

    Attributes:
        name: in capitals and small letters.
        expr: PromQL; whatever series it has is wrong.
        for_: for how long it has to be wrong first, as Prometheus writes times.
        severity: `page` wakes somebody, `ticket` waits until morning.
        summary: one line, with Prometheus' templates.
        labels: further ones.
    """

    name: str
    expr: str
    for_: str
    severity: Severity
    summary: str
    labels: Mapping[str, str] = {}


class Group(msgspec.Struct, frozen=True):
    """Rules that are evaluated one after the other.

    Attributes:
        name: unique.
        rules: in order.
    """

    name: str
    rules: tuple[Record | Alert, ...]


def rules_yaml(groups: tuple[Group, ...], runbook: str) -> str:
    """A file of rules.

    Args:
        groups: what stands in it.
        runbook: where alerts are explained; the alert's name in small letters is appended.
    """
    lines = ["# Written by `headrace observe export`.", "groups:"]
    for group in groups:
        lines += [f"  - name: {group.name}", "    rules:"]
        for rule in group.rules:
            lines += _record(rule) if isinstance(rule, Record) else _alert(rule, runbook)
    return "\n".join((*lines, ""))


def _record(rule: Record) -> Iterator[str]:
    yield f"      - record: {rule.name}"
    yield from _expr(rule.expr)
    yield from _mapping("labels", rule.labels)


def _alert(rule: Alert, runbook: str) -> Iterator[str]:
    yield f"      - alert: {rule.name}"
    yield from _expr(rule.expr)
    yield f"        for: {rule.for_}"
    yield from _mapping("labels", {"severity": rule.severity, **rule.labels})
    told = {"summary": rule.summary, "runbook": runbook + rule.name.lower()}
    yield from _mapping("annotations", told)


def _expr(expr: str) -> Iterator[str]:
    yield "        expr: |-"
    for line in expr.splitlines():
        yield f"          {line}"


def _mapping(name: str, values: Mapping[str, str]) -> Iterator[str]:
    if values:
        yield f"        {name}:"
        # A JSON string is a YAML string, whatever stands in it.
        yield from (f"          {key}: {json.dumps(value)}" for key, value in values.items())
