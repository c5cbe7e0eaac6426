"""Which providers are passed over while others may be asked: they fail more than others, or do not
answer when they are asked how they are.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from headrace.clock import Clock
from headrace.errors import HeadraceError, Overloaded
from headrace.flow.health import HealthCheck, HealthTerms
from headrace.flow.outlier import Endpoint, OutlierDetector, OutlierTerms
from headrace.gateway.plan import Lane
from headrace.gateway.tasks import Spawn
from headrace.settings import ProviderSettings, Settings
from headrace.settings.targets import HealthSettings, OutlierSettings
from headrace.store.voice import Say
from headrace.upstream.fetch import probe

_GOOD = range(200, 300)


class _Checked(msgspec.Struct, frozen=True, eq=False):
    """A provider that is asked how it is."""

    lane: Lane
    settings: HealthSettings
    check: HealthCheck


class Wellness:
    """Knows which providers are out, through reloads. Belongs to one event loop.

    Args:
        clock: the time.
        uniform: draws numbers from 0 to 1, 1 excluded.
        spawn: starts the task of a check.
        say: told when a provider goes out, and when it is back.
    """

    def __init__(self, clock: Clock, uniform: Callable[[], float], spawn: Spawn, say: Say) -> None:
        self._now_s = clock.monotonic_s
        self._uniform = uniform
        self._spawn = spawn
        self._say = say
        self._outlier = OutlierSettings()
        self._lanes: Mapping[str, Lane] = {}
        self._detector: OutlierDetector | None = None
        self._checks: dict[str, _Checked] = {}

    def change(self, settings: Settings, lanes: Mapping[str, Lane]) -> None:
        """Go by other settings; what is known of providers that stay the same is kept."""
        before, self._lanes = self._lanes, lanes
        same = {name for name, lane in lanes.items() if before.get(name) is lane}
        if settings.outlier != self._outlier or self._detector is None:
            self._outlier = settings.outlier
            if self._detector is not None:  # who still tells it of calls is not listened to
                self._detector.keep((), ())
            self._detector = self._make_detector(settings.outlier)
        if self._detector is not None:
            self._detector.keep(lanes, same)
        checks, self._checks = self._checks, {}
        for name, lane in lanes.items():
            health = settings.providers[name].health
            if health.path is not None:
                known = checks.get(name) if name in same else None
                self._checks[name] = known or self._make_check(name, lane, settings.providers[name])
        for name in lanes:
            self._refresh(name)
        for name in before.keys() - lanes.keys():
            before[name].meter.out(False)

    def watches(self, provider: str) -> bool:
        """Whether a provider may be out at all."""
        return self._detector is not None or provider in self._checks

    def is_out(self, provider: str) -> bool:
        """Whether a provider is passed over while there are others."""
        checked, endpoint = self._checks.get(provider), self.endpoint(provider)
        is_ill = checked is not None and not checked.check.is_well
        return is_ill or (endpoint is not None and endpoint.is_ejected)

    def endpoint(self, provider: str) -> Endpoint | None:
        """Who is told how calls to a provider went, where providers are compared."""
        return None if self._detector is None else self._detector.endpoints.get(provider)

    def sweep(self, now_s: float) -> None:
        """Let those come back whose time is up, and ask whose time it is."""
        if self._detector is not None:
            self._detector.tick(now_s)
        for name, checked in self._checks.items():
            if checked.check.is_due(now_s):
                self._spawn(self._check(name, checked))

    def told(self, provider: str) -> dict[str, Any]:
        """How a provider is, for the console."""
        checked, endpoint = self._checks.get(provider), self.endpoint(provider)
        told: dict[str, Any] = {
            "is_out": self.is_out(provider),
            "health": None if checked is None else "well" if checked.check.is_well else "ill",
            "ejected": None,
        }
        if endpoint is not None and endpoint.is_ejected:
            left_s = max(0.0, endpoint.returns_s - self._now_s())
            told["ejected"] = {"cause": endpoint.cause, "returns_in_s": round(left_s, 3)}
        return told

    def _make_detector(self, settings: OutlierSettings) -> OutlierDetector | None:
        if not settings.enabled:
            return None
        terms = OutlierTerms(
            consecutive=settings.row_max,
            interval_s=settings.interval_s,
            calls_min=settings.calls_min,
            endpoints_min=settings.providers_min,
            deviations=settings.deviations,
            ejected_s=settings.ejected_s,
            ejected_s_max=max(settings.ejected_s, settings.ejected_s_max),
            ejected_share_max=settings.ejected_share_max,
        )
        return OutlierDetector((), terms, uniform=self._uniform, on_change=self._ejected)

    def _make_check(self, name: str, lane: Lane, settings: ProviderSettings) -> _Checked:
        health = settings.health
        check = HealthCheck(
            HealthTerms(
                interval_s=health.interval_s,
                interval_s_ill=health.interval_s_ill,
                failures=health.failures,
                successes=health.successes,
            ),
            now_s=self._now_s(),
            uniform=self._uniform,
            on_change=lambda is_well: self._turned(name, is_well=is_well),
        )
        return _Checked(lane, health, check)

    async def _check(self, name: str, checked: _Checked) -> None:
        is_well = await _is_well(checked)
        if self._checks.get(name) is not checked:  # a reload has changed it
            return
        if is_well is None:
            checked.check.tell(self._now_s(), is_well=checked.check.is_well)
            return
        checked.lane.meter.checked(passed=is_well)
        checked.check.tell(self._now_s(), is_well=is_well)

    def _ejected(self, endpoint: Endpoint) -> None:
        name = endpoint.name
        self._refresh(name)
        if endpoint.is_ejected:
            self._lanes[name].meter.ejected()
            why = (
                "it failed too often in a row"
                if endpoint.cause == "consecutive"
                else "it fails more often than the others"
            )
            self._say("warning", "provider_ejected", about=name, detail=f"{why}; {_PASSED_OVER}")
        else:
            self._say("info", "provider_returned", about=name, detail="its time is up")

    def _turned(self, name: str, *, is_well: bool) -> None:
        self._refresh(name)
        if is_well:
            self._say("info", "provider_well", about=name, detail="it answers its checks again")
        else:
            detail = f"it does not answer its checks; {_PASSED_OVER}"
            self._say("warning", "provider_ill", about=name, detail=detail)

    def _refresh(self, name: str) -> None:
        self._lanes[name].meter.out(self.is_out(name))


async def _is_well(checked: _Checked) -> bool | None:
    """Whether a provider answers as it should; `None` where there is no connection to ask it by."""
    endpoint, settings = checked.lane.endpoint, checked.settings
    assert settings.path is not None  # noqa: S101  # or nobody is asked
    if endpoint.pool.is_full:
        return None
    try:
        async with asyncio.timeout(settings.timeout_s):
            return await probe(endpoint, settings.path) in _GOOD
    except Overloaded:
        return None
    except (HeadraceError, TimeoutError):
        return False


_PASSED_OVER = "it is passed over while others may be asked"
