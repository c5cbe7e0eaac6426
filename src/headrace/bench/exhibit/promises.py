"""What is promised of the parts, before anything is measured."""

from typing import Final

from headrace.bench.exhibit.arms import ADAPTIVE, EXACT, FIXED, OFF, ON
from headrace.bench.exhibit.judge import Sworn

DAY_PROMISES: Final = (
    Sworn(
        text="20 to 50 % lower latency from caching",
        a=OFF,
        b=EXACT,
        measure="mean_ms",
        least=0.2,
    ),
)
OVERLOAD_PROMISES: Final = (
    Sworn(
        text="30 to 80 % more throughput from concurrency that is found out",
        a=FIXED,
        b=ADAPTIVE,
        measure="goodput_per_s",
        least=0.3,
    ),
    Sworn(
        text="more than 90 % less variance under overload, by limits alone",
        a=OFF,
        b=ADAPTIVE,
        measure="variance_s2",
        least=0.9,
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
