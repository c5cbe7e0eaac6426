"""How fast is too fast for the budget of a service level. Pure.

The windows and shares are those of Google's SRE Workbook, "Alerting on SLOs": a fast window says
that it still burns, a slow one that it has burnt enough to matter. The rules for Prometheus and
what the gateway tells by itself go by the same ones.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from headrace.settings.slos import BAD_LEAST

WINDOWS_S: Final[Mapping[str, float]] = {
    "5m": 300.0,
    "30m": 1800.0,
    "1h": 3600.0,
    "6h": 21_600.0,
    "3d": 259_200.0,
}
_MONTH_DAYS: Final = 30


class Burn(msgspec.Struct, frozen=True):
    """How fast is too fast.

    Attributes:
        name: the end of the alert's name.
        factor: times the rate at which a budget of 30 days lasts for 30 days.
        slow: the window over which that much has burnt.
        fast: the window that says that it burns now.
        for_: for how long, in the rules.
        severity: of the alert.
    """

    name: str
    factor: float
    slow: str
    fast: str
    for_: str
    severity: Literal["page", "ticket"]

    def limit(self, window_days: float) -> float:
        """The rate above which a budget burns so: one that lasts its window burns at 1.

        Args:
            window_days: how long the budget is to last.
        """
        return max(1.0, self.factor * window_days / _MONTH_DAYS)


BURNS: Final = (
    Burn("Fast", 14.4, "1h", "5m", "2m", "page"),
    Burn("Steady", 6.0, "6h", "30m", "15m", "page"),
    Burn("Slow", 1.0, "3d", "6h", "1h", "ticket"),
)


def burning(
    window_days: float, rates: Mapping[str, float | None], bad: Mapping[str, float]
) -> Burn | None:
    """How a budget burns, the fastest way of those that it does; `None` where it does not.

    Args:
        window_days: how long it is to last.
        rates: how fast, by window; `None` where nothing was answered.
        bad: how many answers were bad, by window.
    """
    for burn in BURNS:
        limit = burn.limit(window_days)
        is_over = all((rates[window] or 0.0) > limit for window in (burn.slow, burn.fast))
        if is_over and bad[burn.slow] >= BAD_LEAST:
            return burn
    return None
