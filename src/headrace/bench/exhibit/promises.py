"""What is promised of the parts, before anything is measured."""

from typing import Final

from headrace.bench.exhibit.arms import ADAPTIVE, EXACT, FIXED, OFF, ON
from headrace.bench.exhibit.judge import Sworn
from headrace.bench.exhibit.plans import Effort

DAY_PROMISES: Final = (
    Sworn(
        text="20 to 50 % lower latency from caching",
        a=OFF,
        b=EXACT,
        measure="mean_ms",
        least=0.2,
    ),
)
MAIN_PROMISES: Final = (
    Sworn(
        text="more than 90 % less variance under overload, with everything",
        a=OFF,
        b=ON,
        measure="variance_s2",
        least=0.9,
    ),
    Sworn(text="cheaper: lower cost at all", a=OFF, b=ON, measure="usd_per_1000", least=0.0),
)


def overload_promises(effort: Effort) -> tuple[Sworn, ...]:
    """Of the limit.

    Args:
        effort: where it leaves no time to find a limit out, promises say that it was told.
    """
    told = "" if effort.has_time_to_learn else " (told in advance)"
    return (
        Sworn(
            text=f"30 to 80 % more throughput from concurrency that is found out{told}",
            a=FIXED,
            b=ADAPTIVE,
            measure="goodput_per_s",
            least=0.3,
        ),
        Sworn(
            text=f"more than 90 % less variance under overload, by limits alone{told}",
            a=OFF,
            b=ADAPTIVE,
            measure="variance_s2",
            least=0.9,
        ),
    )
