"""What one worker counts of batches."""

from typing import Literal

from headrace.observe.metrics import Metrics


class BatchMetrics:
    """What is counted of batches.

    Args:
        metrics: the worker's metrics.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def running(self, batches: int) -> None:
        """So many run now."""
        self._metrics.batches_running.set(batches)

    def ended(
        self, outcome: Literal["answered", "failed", "invalid", "expired"], lines: int = 1
    ) -> None:
        """Count lines that have their result."""
        counter = self._metrics.batch_lines
        counter.add(counter.at(outcome), lines)

    def retried(self) -> None:
        """Count a line that is asked again."""
        self._metrics.batch_retries.increment()
