"""What the worker that decides knows of one reaction: since when it looks, and at what."""

from typing import Final

from headrace.observe.layout import Layout
from headrace.observe.slo_cells import Rows, total
from headrace.observe.slo_council import Shares
from headrace.observe.slo_history import SloHistory, Totals
from headrace.observe.slo_reaction import Looked, ReactionCourse, is_due, shares
from headrace.settings.slos import Reaction, Slo

LEAP: Final = 6
"""After so many times as long as it should have been, nothing is known of the time between."""


class Decision:
    """Decides now and then how much gives way for one service level.

    Args:
        slo: what is declared, with a reaction.
        layout: of a worker's row.
        share: how much does so far.
        now: what is counted now.
        rows: of all workers.
    """

    def __init__(self, slo: Slo, layout: Layout, share: float, now: Totals, rows: Rows) -> None:
        self._course = ReactionCourse(_reaction(slo), slo.start_rate, share)
        calls = layout.place("headrace_slo_calls_total")
        self._low = (calls.at("low"), calls.at("batch"))
        self._normal = (calls.at("normal"),)
        self._since = now
        self._came = self._calls(rows)

    def look(self, slo: Slo, history: SloHistory, now: Totals, rows: Rows) -> Shares | None:
        """How much gives way from now on; `None` where it is not time to decide.

        Args:
            slo: what is declared; its reaction may have changed.
            history: what was counted so far.
            now: what is counted now.
            rows: of all workers.
        """
        reaction = _reaction(slo)
        course, since = self._course, self._since
        course.terms, course.start = reaction, slo.start_rate
        every, waited_s = now.every - since.every, now.at_s - since.at_s
        if waited_s > LEAP * reaction.look_s:
            # The machine slept, or the worker did: what was counted says nothing of now.
            self._since, self._came = now, self._calls(rows)
            return None
        if not is_due(every, waited_s, reaction.look_s):
            return None
        fast, slow = (history.over(s, now) for s in (reaction.fast_s, reaction.slow_s))
        course.look(
            Looked(
                every,
                burn_rate(slo, Totals(since.at_s, now.good - since.good, every)) or 0.0,
                burn_rate(slo, fast) or 0.0,
                burn_rate(slo, slow) or 0.0,
                fast.every - fast.good,
            )
        )
        came = self._calls(rows)
        low, normal = (after - before for after, before in zip(came, self._came, strict=True))
        self._since, self._came = now, came
        return Shares(course.share, *shares(course.share, low, normal))

    def _calls(self, rows: Rows) -> tuple[float, float]:
        return total(rows, self._low), total(rows, self._normal)


def burn_rate(slo: Slo, counted: Totals) -> float | None:
    """In multiples of the rate at which the budget lasts; `None` where nothing was answered."""
    if counted.every <= 0:
        return None
    return (1.0 - counted.good / counted.every) / slo.budget


def _reaction(slo: Slo) -> Reaction:
    assert slo.reaction is not None, "decided without a reaction"  # noqa: S101
    return slo.reaction
