"""What must survive, as a worker has it: records that are counted, and tell how they are."""

from collections.abc import Callable

from headrace.clock import Clock
from headrace.observe.metrics import Metrics
from headrace.observe.store_metrics import StoreMetrics
from headrace.server.post import Post
from headrace.settings import Settings
from headrace.store.records.open import records_of
from headrace.store.records.records import Records
from headrace.store.voice import Say


def open_kept(
    settings: Settings, post: Post, metrics: Metrics, clock: Clock, say: Say
) -> tuple[Records, Callable[[], None]]:
    """The records of a worker, and what has their gauges set.

    Args:
        settings: what to go by.
        post: where the worker stands.
        metrics: what it counts.
        clock: the time.
        say: told what happens.

    Raises:
        SettingsInvalid: the URL cannot be used, or a package is missing.
    """
    meter = StoreMetrics(metrics)
    records = records_of(settings, clock=clock, say=say, meter=meter, sessions=post.session_table)

    def refresh() -> None:
        condition = records.condition()
        meter.connections_are(condition.used, condition.waiting)
        for number, standing in enumerate(condition.standbys):
            meter.standby_is(number, standing.lag_s, is_out=standing.why_out is not None)
        for outcome, count in condition.standby_reads.items():
            meter.reads_were(outcome, count)

    return records, refresh
