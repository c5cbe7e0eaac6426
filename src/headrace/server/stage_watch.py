"""Stages that took longer than is declared for them: counted, and logged now and then."""

from collections.abc import Iterable, Sequence
from typing import Final

from headrace.observe.access_log import AccessLine
from headrace.observe.event_log import EventLog
from headrace.observe.metrics import Metrics
from headrace.observe.stage_budgets import StageBudgets
from headrace.settings.stages import StageSettings

_OK: Final = 200

Noted = tuple[AccessLine, Sequence[str], Sequence[float]]


class StageWatch:
    """Looks at requests that are over. Belongs to one event loop.

    Args:
        budgets: what is declared.
        metrics: where overruns are counted.
        events: where they are logged, as often as it says the same.
    """

    def __init__(self, budgets: StageBudgets, metrics: Metrics, events: EventLog) -> None:
        self.budgets = budgets
        self._overruns = metrics.stage_overruns
        self._events = events

    def look_at(self, noted: Iterable[Noted]) -> None:
        """Count and log what took too long of some requests."""
        least_ms = self.budgets.least_ms
        # Of those that were done sooner no stage can have taken longer: a hit pays a comparison.
        slow = [each for each in noted if each[0].duration_ms > least_ms]
        for line, stages, times_ms in slow:
            start_ms = line.ttfb_ms if line.stream and line.status == _OK else None
            for overrun in self.budgets.overruns(stages, times_ms, start_ms):
                self._overruns.add(self._overruns.at(overrun.stage))
                self._events.say(
                    "warning",
                    "stage_over_budget",
                    about=overrun.stage,
                    request_id=line.request_id,
                    took_ms=round(overrun.took_ms, 3),
                    limit_ms=overrun.limit_ms,
                )


def make_stage_watch(
    settings: StageSettings, metrics: Metrics, events: EventLog
) -> StageWatch | None:
    """Whoever looks at stages; None where nothing is declared."""
    limits_ms = settings.by_stage()
    return StageWatch(StageBudgets(limits_ms), metrics, events) if limits_ms else None
