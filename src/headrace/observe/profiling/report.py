"""The report of a profile: one HTML file that needs nothing else, no network and no server."""

from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Final

import msgspec

from headrace.observe.profiling.allocations import Allocations
from headrace.observe.profiling.flame import flame
from headrace.observe.profiling.stacks import FunctionShare, Profile, ShareChange, changes, shares
from headrace.observe.profiling.told import Times

_FUNCTIONS: Final = 40
_MS: Final = 1000.0
_MIB: Final = 1 << 20
_KIB: Final = 1 << 10


class Sheet(msgspec.Struct, frozen=True):
    """A table that somebody else made.

    Attributes:
        title: above it.
        about: what it tells, in a sentence or two.
        heads: of its columns.
        rows: as many cells each.
    """

    title: str
    about: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]


class Report(msgspec.Struct, frozen=True):
    """What is known of a run.

    Attributes:
        profile: the samples.
        facts: names and values that stand at the top, such as the command that made it.
        before: samples of another run, to compare with.
        stages: how long the stages of requests took.
        lag: how late the event loop ran.
        allocations: what was allocated, in a time of its own behind that of the samples.
        load: what was asked meanwhile, by whoever profiles.
    """

    profile: Profile
    facts: dict[str, str]
    before: Profile | None = None
    stages: list[Times] = []
    lag: list[Times] = []
    allocations: Allocations | None = None
    load: Sheet | None = None


def render(report: Report) -> str:
    """The page.

    Args:
        report: what it tells. Whatever stands in it is text, and never markup.
    """
    folder = resources.files("headrace.observe.profiling")
    before = report.before.stacks if report.before is not None else None
    tree = msgspec.json.encode(flame(report.profile.stacks, before)).decode()
    return Template((folder / "page.html").read_text("utf-8")).substitute(
        title=escape(report.profile.title),
        style=(folder / "page.css").read_text("utf-8"),
        script=(folder / "page.js").read_text("utf-8"),
        facts=_facts(report),
        # The only character that could end the element that the data stands in.
        data=tree.replace("<", "\\u003c"),
        compared="true" if before is not None else "false",
        tables="\n".join(_tables(report)),
    )


def _facts(report: Report) -> str:
    profile = report.profile
    facts = {
        **report.facts,
        "samples": f"{profile.samples:,} at work, {profile.rate_hz} a second of each thread, "
        f"in {profile.seconds:g} s",
    }
    if report.before is not None:
        facts["compared with"] = f"{report.before.title}, {report.before.samples:,} samples"
    return "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(told)}</dd>" for name, told in facts.items()
    )


def _tables(report: Report) -> list[str]:
    tables = []
    if report.load is not None:
        told = report.load
        tables.append(_table(told.title, told.about, told.heads, told.rows))
    if report.before is not None:
        found = changes(report.before, report.profile)[:_FUNCTIONS]
        tables.append(
            _table(
                "What changed",
                "Each function's own share of the samples before and now. An interval that leaves "
                "zero out is marked; of forty functions, two do so by chance.",
                ("function", "before", "now", "change, 95 %"),
                [_changed(each) for each in found],
            )
        )
    tables.append(
        _table(
            "Functions",
            "Own: samples in the function itself. Whole: in it or in what it called.",
            ("function", "own", "whole"),
            [_shared(each) for each in shares(report.profile)[:_FUNCTIONS]],
        )
    )
    if report.stages:
        tables.append(_times_table("Stages of requests", "stage", report.stages))
    if report.lag:
        tables.append(_times_table("How late the event loop ran", "timer", report.lag))
    if report.allocations is not None:
        tables.append(_memory(report.allocations))
    return tables


def _shared(each: FunctionShare) -> tuple[str, ...]:
    return each.name, _percent(each.own), _percent(each.whole)


def _changed(each: ShareChange) -> tuple[str, ...]:
    mark = " *" if each.is_clear else ""
    interval = f"{100 * each.low:+.1f} to {100 * each.high:+.1f}"
    change = f"{100 * (each.after - each.before):+.1f} ({interval}){mark}"
    return each.name, _percent(each.before), _percent(each.after), change


def _times_table(title: str, what: str, found: list[Times]) -> str:
    rows = [
        (
            each.name or "all",
            f"{each.count:,}",
            *(f"{_MS * value:,.3f}" for value in (each.mean_s, each.p50_s, each.p99_s)),
        )
        for each in found
    ]
    about = "In milliseconds, from the gateway's own metrics; quantiles within their bucket."
    return _table(title, about, (what, "count", "mean", "p50", "p99"), rows)


def _memory(found: Allocations) -> str:
    about = (
        f"In {found.seconds:g} s behind the samples, process {found.pid} kept "
        f"{found.kept_bytes / _MIB:.1f} MiB of what it allocated meanwhile, and had "
        f"{found.peak_bytes / _MIB:.1f} MiB of it at most."
    )
    rows = [
        (each.place, f"{each.kept_bytes / _KIB:,.1f}", f"{each.blocks:,}") for each in found.top
    ]
    return _table("What is allocated and kept", about, ("line", "KiB", "blocks"), rows)


def _table(title: str, about: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(each)}</td>" for each in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return (
        f"<section><h2>{escape(title)}</h2><p>{escape(about)}</p>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
