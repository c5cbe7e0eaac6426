"""Tries of jobs as spans, in the trace of the request that submitted the job."""

from typing import Final

from headrace.jobs.job import Job
from headrace.jobs.outcome import Done, Failed, Later, Outcome
from headrace.observe.telemetry.attributes import known
from headrace.observe.telemetry.traces import Trace

_TAKEN_AWAY: Final = "taken_away"


def tell_try(trace: Trace, job: Job, outcome: Outcome | None, began_s: float) -> None:
    """Make a span of a try that is over, if it is recorded.

    Args:
        trace: where it stands.
        job: as it was claimed.
        outcome: how it ended; `None` where the job is in other hands.
        began_s: when it began, monotonic seconds.
    """
    if not trace.is_sampled:
        return
    how, error = _told(outcome)
    attributes = known(
        (
            ("headrace.job.id", job.id),
            ("headrace.job.kind", job.kind),
            ("headrace.job.queue", job.queue),
            ("headrace.job.attempt", job.attempts),
            ("headrace.job.outcome", how),
            ("headrace.tenant", job.tenant),
            ("error.type", error or None),
        )
    )
    trace.work_ended(f"job {job.kind}", began_s, attributes, error)


def _told(outcome: Outcome | None) -> tuple[str, str]:
    """What became of a try, and what went wrong; being cancelled or put off by a stop is neither
    the job's fault nor the worker's."""
    match outcome:
        case Done():
            return "succeeded", ""
        case Failed(code=code, state=state):
            return state, "" if state == "cancelled" else code
        case Later(code=code, is_counted=is_counted):
            return "later", code if is_counted else ""
        case None:
            return _TAKEN_AWAY, ""
