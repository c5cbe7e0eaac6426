"""Runs of batches as spans, in the trace of the request that asked for the batch.

Lines are traces of their own that are linked to the run: a trace of a million spans is of no use.
"""

from headrace.batches.nouns import Batch, Ending
from headrace.batches.results import Totals
from headrace.observe.telemetry.attributes import known
from headrace.observe.telemetry.traces import Trace


def tell_run(
    trace: Trace, batch: Batch, totals: Totals, ending: Ending | None, began_s: float
) -> None:
    """Make a span of a run that is over, if it is recorded.

    Args:
        trace: where it stands.
        batch: what was run.
        totals: how far it is.
        ending: how it ended; `None` where another process goes on with it.
        began_s: when this run began, monotonic seconds.
    """
    if not trace.is_sampled:
        return
    error = ending if ending in ("failed", "expired") else ""
    attributes = known(
        (
            ("headrace.batch.id", batch.id),
            ("headrace.batch.ending", ending),
            ("headrace.batch.lines", batch.total),
            ("headrace.batch.answered", totals.completed),
            ("headrace.batch.failed", totals.failed),
            ("headrace.tenant", batch.tenant),
            ("gen_ai.usage.input_tokens", totals.input_tokens),
            ("gen_ai.usage.output_tokens", totals.output_tokens),
            ("error.type", error or None),
        )
    )
    trace.work_ended(f"batch {batch.endpoint}", began_s, attributes, error)
