"""Named workloads."""

from collections.abc import Mapping
from typing import Final

from headrace.cache.simulation.synthetic import Workload

DRIFTS: Final[Mapping[str, float]] = {"none": 0.0, "mild": 0.02, "strong": 0.3}
"""Shares of the popular keys that are replaced in 1,000 requests."""

CAPACITIES: Final = ("2%", "10%")
"""Of the footprint; with mild and strong drift, the four settings that policies are judged by."""


def preset(drift: str) -> Workload:
    """The workload of a name in `DRIFTS`.

    Its numbers were set so that LRU, S3-FIFO and GDSF hit as often as they do on the priced,
    drifting workload that the selector's promises were made on, and then left alone.

    Raises:
        KeyError: there is no such name.
    """
    return Workload(drift_share=DRIFTS[drift])
