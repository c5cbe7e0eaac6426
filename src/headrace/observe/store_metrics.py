"""What one worker counts of the store."""

from typing import Final

from headrace.observe.families import STANDBYS_MAX, STORE_ERROR
from headrace.observe.metrics import Metrics

_READS: Final = ("at_once", "waited", "in_vain", "nobody", "failed")


class StoreMetrics:
    """Counts queries by name, and says how connections and standbys are.

    Args:
        metrics: the worker's metrics.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told: dict[str, int] = dict.fromkeys(_READS, 0)

    def done(self, query: str, seconds: float) -> None:
        """Count one that was answered."""
        counts, times = self._metrics.store_queries, self._metrics.store_query_seconds
        counts.add(counts.at(query))
        times.add(times.at(query), seconds)

    def failed(self, query: str, kind: str) -> None:
        """Count one that was not.

        Args:
            query: its name.
            kind: of the fault.
        """
        self.done(query, 0.0)
        errors = self._metrics.store_errors
        errors.add(errors.at(kind if kind in STORE_ERROR.values else "other"))

    def connections_are(self, used: int, waiting: int) -> None:
        """Say how many connections are in use, and how many wait for one."""
        gauge = self._metrics.store_connections
        gauge.set_at(gauge.at("used"), used)
        gauge.set_at(gauge.at("waiting"), waiting)

    def standby_is(self, number: int, lag_s: float, *, is_out: bool) -> None:
        """Say how a standby is.

        Args:
            number: from 0, in the order of the settings; those beyond the bound are not told.
            lag_s: how late it is.
            is_out: whether it is left out.
        """
        if number < STANDBYS_MAX:
            lag, out = self._metrics.standby_lag, self._metrics.standby_out
            lag.set_at(lag.at(number + 1), lag_s)
            out.set_at(out.at(number + 1), float(is_out))

    def reads_were(self, outcome: str, count: int) -> None:
        """Say how many reads have gone so, since the start of the process."""
        reads = self._metrics.standby_reads
        reads.add(reads.at(outcome), count - self._told[outcome])
        self._told[outcome] = count
