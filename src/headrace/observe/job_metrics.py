"""What one worker tells of jobs."""

from collections.abc import Mapping

from headrace.observe.metrics import Metrics


class JobMetrics:
    """What is counted of jobs.

    Args:
        metrics: the worker's metrics.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def submitted(self) -> None:
        """Count a job that was taken."""
        self._metrics.jobs_submitted.increment()

    def ended(self, outcomes: Mapping[str, int]) -> None:
        """Count jobs that have ended, by how."""
        counter = self._metrics.jobs_ended
        for outcome, jobs in outcomes.items():
            counter.add(counter.at(outcome), jobs)

    def found(self, waiting: int, running: int, oldest_s: float) -> None:
        """So many wait and run now; the oldest one that waits has done so for so long."""
        self._metrics.jobs_waiting.set(waiting)
        self._metrics.jobs_running.set(running)
        self._metrics.jobs_oldest.set(oldest_s)
