"""What one worker counts of the tiers below memory."""

from headrace.observe.families import LOOK_UP, TIER
from headrace.observe.metrics import Metrics


class TierMetrics:
    """What is counted of the tiers below memory.

    Args:
        metrics: the worker's metrics.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lookups = metrics.tier_lookups
        self._durations = metrics.tier_lookup_duration
        # Where to count what happens with every look-up.
        self._cells = {
            (tier, outcome): (self._lookups.at(tier, outcome), self._durations.at(tier))
            for tier in TIER.values
            for outcome in LOOK_UP.values
        }

    def asked(self, tier: str, outcome: str, seconds: float) -> None:
        """Count a look-up; `outcome` is `hit`, `miss`, `fault` or `invalid`."""
        count, duration = self._cells[tier, outcome]
        self._lookups.add(count)
        self._durations.observe(duration, seconds)

    def written(self, tier: str, records: int, *, faulty: bool) -> None:
        """Count records that were written, or could not be."""
        writes = self._metrics.tier_writes
        writes.add(writes.at(tier, "failed" if faulty else "written"), records)

    def dropped(self, tier: str) -> None:
        """Count a record that there was no room to keep until it could be written."""
        writes = self._metrics.tier_writes
        writes.add(writes.at(tier, "dropped"))

    def is_now(self, tier: str, *, is_up: bool, waiting: int) -> None:
        """Say how a tier is that is set."""
        self._metrics.tiers_out.set_at(self._metrics.tiers_out.at(tier), float(not is_up))
        self._metrics.tier_up.set_at(self._metrics.tier_up.at(tier), float(is_up))
        self._metrics.tier_queue.set_at(self._metrics.tier_queue.at(tier), waiting)
