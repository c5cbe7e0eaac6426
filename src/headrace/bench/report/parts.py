"""The parts of a report, the same for the page and for its summary: tables as text. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from headrace.bench.exhibit.results import Duel, Promise, Row, Showcase
from headrace.bench.impact import Impact, Worth
from headrace.bench.report.told import (
    DASH,
    centre,
    dollars,
    effect,
    interval,
    number,
    runs,
    share,
    smallest,
)

NONE_ALONE: Final = "No part was measured alone; the notes say why."
# `python -m benchmarks.verdicts.validate`.
_EQUAL_CALLED_DIFFERENT: Final = "4.7 % (3.6 to 6.2)"
_CARDS: Final = ("mean_ms", "goodput_per_s", "variance_s2", "usd_per_1000")
_ALONE: Final = ("mean_ms", "usd_per_1000", "goodput_per_s", "variance_s2", "cpu_us")


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of texts; the first cell of a row names it.

    Attributes:
        title: above it.
        about: below the title.
        heads: of its columns.
        rows: of it.
        verdict: which column is one of the words that are painted; none if below 0.
    """

    title: str
    about: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    verdict: int = -1


def lead(found: Showcase) -> str:
    """What was done, in two sentences."""
    pairs = max((max(len(row.a), len(row.b)) for row in found.main.rows), default=0)
    pace = "at its own pace" if found.speed == 1 else f"{found.speed:g} times as fast as real"
    return (
        f"The same requests through the same gateway, with {found.main.a} and with {found.main.b}, "
        f"in {pairs} pairs of trials in random order, each in a fresh process. The model is "
        f"simulated, {pace}: what is compared holds, times are to be multiplied by "
        f"{found.speed:g}. {improvement(found)}"
    )


def improvement(found: Showcase) -> str:
    """The average of the measures that have a ratio, in a sentence."""
    if found.average_improvement is None:
        return "Too few trials went well for an average."
    value, where = found.average_improvement
    return (
        f"Over {len(found.main.averaged)} of {len(found.main.rows)} measures, those with a ratio "
        f"in every pair, it is {number(value)} times better on average ({number(where.low)} to "
        f"{number(where.high)})."
    )


def cards(found: Showcase) -> list[Row]:
    """The measures that stand above all."""
    return [row for name in _CARDS if (row := found.main.row(name)) is not None]


def verdicts(duel: Duel, title: str, about: str) -> Table:
    """Measure by measure."""
    return Table(
        title=title,
        about=about,
        heads=(
            *("measure", "verdict", "change", "95 % interval", duel.a, duel.b),
            *("seen from", "pairs"),
        ),
        rows=tuple(
            (
                *(row.measure.label, row.answer.verdict, effect(row), interval(row)),
                *(centre(row, "a"), centre(row, "b"), smallest(row), runs(row)),
            )
            for row in duel.rows
        ),
        verdict=1,
    )


def glossary(duel: Duel) -> tuple[tuple[str, str], ...]:
    """What each measure is, by its label: whose latency it is, and whose it is not."""
    return tuple((row.measure.label, row.measure.about) for row in duel.rows)


def reasons(duel: Duel) -> tuple[str, ...]:
    """Why measures carry no verdict, each reason once."""
    because: dict[str, list[str]] = {}
    for row in duel.rows:
        if row.answer.verdict in {"inconclusive", "insufficient"}:
            because.setdefault(row.answer.because, []).append(row.measure.label)
    return tuple(f"{'; '.join(labels)}: {why}" for why, labels in because.items())


def promises(found: Sequence[Promise]) -> Table:
    """What was promised, and what came of it."""
    return Table(
        title="What was promised",
        about="Kept: the whole interval keeps it. Missed: none of it does. Open: the trials leave "
        "it so, or are too few for a verdict.",
        heads=("promise", "came out", "measured", "95 % interval", "pairs", "of"),
        rows=tuple(_promise(each) for each in found),
        verdict=1,
    )


def _promise(each: Promise) -> tuple[str, ...]:
    if each.improvement is None or each.interval is None:
        return each.text, each.ending, DASH, DASH, "0", f"{each.b} / {each.a}"
    where = f"{share(each.interval.low)} to {share(each.interval.high)}"
    return (
        *(each.text, each.ending, share(each.improvement), where, str(each.runs)),
        f"{each.measure}: {each.b} / {each.a}",
    )


def alone(duels: Sequence[Duel]) -> Table:
    """Each optimisation against its baseline, one line each for what it is there for."""
    return Table(
        title="Each alone",
        about="Everything else is off.",
        heads=("optimisation", "verdict", "measure", "change", "95 % interval", "pairs", "what"),
        rows=tuple(
            (
                *(duel.b, row.answer.verdict, row.measure.label, effect(row), interval(row)),
                *(runs(row), f"{duel.about}; against {duel.a}"),
            )
            for duel in duels
            for row in duel.rows
            if row.measure.name in _ALONE
        ),
        verdict=1,
    )


def control(duel: Duel | None) -> str:
    """What chance alone was called, in a sentence."""
    if duel is None:
        return (
            "The same settings twice were not measured, for want of time. In simulated comparisons "
            f"these verdicts called {_EQUAL_CALLED_DIFFERENT} of equal arms different without a "
            "margin, and none with one of 2 % (docs/verdicts.md)."
        )
    asked = [row for row in duel.rows if row.answer.verdict != "insufficient"]
    called = [row.measure.label for row in asked if row.answer.verdict in {"better", "worse"}]
    if not asked:
        return "The same settings twice, in the same series: no measure carries a verdict."
    told = f"{len(called)} of {len(asked)} measures were called different"
    which = f" ({', '.join(called)})" if called else ""
    return f"The same settings twice, in the same series: {told}{which}. What differs is chance."


def business(found: Impact, arms: tuple[str, str]) -> Table:
    """What it is worth, in dollars and instances."""
    rows = (
        ("1,000 good requests", found.a.usd_per_1000, found.b.usd_per_1000, dollars),
        ("a month", found.a.usd_a_month, found.b.usd_a_month, dollars),
        ("model instances at the peak", found.a.instances, found.b.instances, number),
    )
    terms = found.terms
    return Table(
        title="What it is worth",
        about=(
            f"A month is {terms.users:,} users with {terms.requests_per_user_day:g} requests a day "
            f"on {terms.days} days, and the busiest second has {terms.peak:g} times the mean of a "
            f"day: assumptions. Costs are what the trials' calls cost by list prices of "
            f"{terms.prices_date}; a good request kept its limits, and a month is reckoned by all "
            f"that were answered. An instance is as large as the simulated model, and keeps the "
            f"limits for as many requests a second as at the best of the loads that were tried; so "
            f"many do at the peak. Saved: {_worth(found.saved_share, share)} of the cost, "
            f"{_worth(found.saved_a_month, dollars)} a month. Intervals: 95 %, by draws of "
            f"{found.pairs} pairs of trials."
        ),
        heads=("", *arms),
        rows=tuple((name, _worth(a, show), _worth(b, show)) for name, a, b, show in rows),
    )


def _worth(each: Worth, show: Callable[[float], str]) -> str:
    low, high = show(each.interval.low), show(each.interval.high)
    return f"{show(each.value)} ({low} to {high})"
