"""Which endpoints of many are worse than the others, and leave for a while. Pure.

Outlier detection as in Envoy (`envoy.config.cluster.v3.OutlierDetection`): an endpoint is ejected
after failures in a row, or where its success rate is too many standard deviations below the mean
of all; for longer each time; and never so many that the rest could not carry the load.
"""

from collections.abc import Callable, Collection, Iterable
from math import sqrt
from typing import Literal

import msgspec

Cause = Literal["consecutive", "success_rate"]


class OutlierTerms(msgspec.Struct, frozen=True):
    """When an endpoint is ejected, and for how long.

    Attributes:
        consecutive: failures in a row after which it is, at once.
        interval_s: how often success rates are compared.
        calls_min: with fewer calls in an interval an endpoint is not compared.
        endpoints_min: with fewer endpoints to compare, none are: with n of them, one that is
            worse than the rest is sqrt(n - 1) deviations away.
        deviations: how many standard deviations below the mean is too far.
        gap_min: and below the mean by at least this: where all are alike, the least is no outlier.
        ejected_s: how long it is out the first time; so often as long as it was ejected of late.
        ejected_s_max: but no longer.
        ejected_share_max: the share of all that may be out; the only one never is.
        jitter: the part of the time that is added by lot, so that not all come back at once.
    """

    consecutive: int = 5
    interval_s: float = 10.0
    calls_min: int = 30
    endpoints_min: int = 5
    deviations: float = 1.9
    gap_min: float = 0.05
    ejected_s: float = 10.0
    ejected_s_max: float = 300.0
    ejected_share_max: float = 0.5
    jitter: float = 0.1


class Endpoint:
    """What is known of one. Made by `OutlierDetector`.

    Attributes:
        name: what it is called.
        is_ejected: whether it should not be asked; it comes back with a `tick`.
        ejected: how often it was, less one for each interval that it was well.
        returns_s: when it comes back, or came back last, monotonic seconds.
        cause: why it was ejected last.
    """

    __slots__ = (
        "_detector",
        "_in_row",
        "calls",
        "cause",
        "ejected",
        "failures",
        "is_ejected",
        "name",
        "returns_s",
    )

    def __init__(self, name: str, detector: "OutlierDetector") -> None:
        self.name = name
        self._detector = detector
        self._in_row = 0
        self.calls = 0
        self.failures = 0
        self.is_ejected = False
        self.ejected = 0
        self.returns_s = 0.0
        self.cause: Cause | None = None

    def succeeded(self) -> None:
        """It answered a call."""
        self.calls += 1
        self._in_row = 0

    def failed(self, now_s: float) -> None:
        """It failed a call, by its own fault; too often in a row, and it is ejected.

        Args:
            now_s: monotonic seconds.
        """
        self.calls += 1
        self.failures += 1
        self._in_row += 1
        if self._in_row >= self._detector.terms.consecutive:
            self._detector.eject(self, "consecutive", now_s)

    def begin_anew(self) -> None:
        """Forget the calls of the interval that has ended."""
        self.calls = self.failures = 0

    def forget_row(self) -> None:
        """Forget the failures in a row."""
        self._in_row = 0


class OutlierDetector:
    """The endpoints of one upstream, as one worker sees them. One owner, no lock.

    Args:
        names: of the endpoints.
        terms: when one is ejected.
        uniform: draws numbers from 0 to 1.
        on_change: called with an endpoint that was ejected or has come back.

    Attributes:
        terms: when one is ejected.
        endpoints: by name; held by those who call them, who tell it of each outcome.
        spared: ejections that there was no room for.
    """

    def __init__(
        self,
        names: Iterable[str],
        terms: OutlierTerms,
        *,
        uniform: Callable[[], float],
        on_change: Callable[[Endpoint], object] | None = None,
    ) -> None:
        self.terms = terms
        self.endpoints = {name: Endpoint(name, self) for name in names}
        self.spared = 0
        self._uniform = uniform
        self._on_change = on_change
        self._compare_s: float | None = None

    def keep(self, names: Iterable[str], same: Collection[str]) -> None:
        """Have these endpoints and no others.

        Args:
            names: of the endpoints.
            same: names that still mean whom they meant.
        """
        before = self.endpoints
        self.endpoints = {
            name: before[name] if name in before and name in same else Endpoint(name, self)
            for name in names
        }

    def tick(self, now_s: float) -> None:
        """Let those come back whose time is up; compare success rates where an interval ended.

        Args:
            now_s: monotonic seconds; called about once a second.
        """
        for endpoint in self.endpoints.values():
            if endpoint.is_ejected and now_s >= endpoint.returns_s:
                self._return(endpoint)
        if self._compare_s is None:
            self._compare_s = now_s + self.terms.interval_s
        elif now_s >= self._compare_s:
            self._compare_s = now_s + self.terms.interval_s
            self._compare(now_s)

    def eject(self, endpoint: Endpoint, cause: Cause, now_s: float) -> bool:
        """Have `endpoint` out for a while, unless too many are; says whether it is news.

        One that is not kept any more is told of calls that ended late; it says nothing now.
        """
        if endpoint.is_ejected or self.endpoints.get(endpoint.name) is not endpoint:
            return False
        out = sum(each.is_ejected for each in self.endpoints.values())
        if out + 1 > self.terms.ejected_share_max * len(self.endpoints):
            self.spared += 1
            endpoint.forget_row()
            return False
        terms = self.terms
        endpoint.ejected += 1
        out_s = min(terms.ejected_s * endpoint.ejected, terms.ejected_s_max)
        endpoint.returns_s = now_s + out_s * (1 + terms.jitter * self._uniform())
        endpoint.is_ejected = True
        endpoint.cause = cause
        self._tell(endpoint)
        return True

    def _return(self, endpoint: Endpoint) -> None:
        endpoint.is_ejected = False
        endpoint.forget_row()
        endpoint.begin_anew()
        self._tell(endpoint)

    def _tell(self, endpoint: Endpoint) -> None:
        if self._on_change is not None:
            self._on_change(endpoint)

    def _compare(self, now_s: float) -> None:
        for endpoint in self._outliers():
            self.eject(endpoint, "success_rate", now_s)
        for endpoint in self.endpoints.values():
            # One that has only just come back has not been well for an interval.
            well_s = 0.0 if endpoint.is_ejected else now_s - endpoint.returns_s
            if endpoint.ejected and well_s >= self.terms.interval_s:
                endpoint.ejected -= 1
            endpoint.begin_anew()

    def _outliers(self) -> list[Endpoint]:
        """Those whose success rate is far below the mean, the worst first."""
        terms = self.terms
        rates = [
            (1 - each.failures / each.calls, each)
            for each in self.endpoints.values()
            if each.calls >= terms.calls_min and not each.is_ejected
        ]
        if len(rates) < terms.endpoints_min:
            return []
        mean = sum(rate for rate, _ in rates) / len(rates)
        deviation = sqrt(sum((rate - mean) ** 2 for rate, _ in rates) / len(rates))
        bound = min(mean - terms.deviations * deviation, mean - terms.gap_min)
        rates.sort(key=lambda each: each[0])
        return [endpoint for rate, endpoint in rates if rate < bound]
