"""While this process has too much to do, calls that can wait are refused."""

from collections.abc import Callable
from typing import Any, Final

from headrace.clock import Clock
from headrace.errors import Overloaded
from headrace.flow.scheduler import Priority
from headrace.flow.signals_process import CpuShare, Pressure, PressureName, PressureTerms
from headrace.gateway.flight import Flight, Sender
from headrace.gateway.order import Order
from headrace.observe.handles import Counter, Gauge
from headrace.observe.process import ProcessReading
from headrace.settings.flow import ProcessSettings
from headrace.store.voice import Say

RETRY_AFTER_S: Final = 5.0
_SIGNALS: Final[tuple[PressureName, ...]] = ("lag", "cpu", "memory")
_MIB: Final = 1 << 20


class Shedder:
    """Who asks providers while there is too much to do. Implements `Sender`.

    What nobody has asked for with more than low priority is refused; the rest goes on to `sender`.
    What is stored, or under way already, is given to everybody.

    Args:
        sender: who asks them otherwise.
        why: says what there is too much of.
        count: counts refusals, by priority.
    """

    def __init__(self, sender: Sender, why: Callable[[], str], count: Counter) -> None:
        self._sender = sender
        self._why = why
        self._count = count
        self.send = sender.send

    def prepare(self, order: Order) -> None:
        """Word the request.

        Raises:
            Overloaded: it can wait.
        """
        priority = Priority.BATCH if order.purpose else order.call.hints.priority
        if priority >= Priority.LOW and not _has_followers(order):
            name = priority.name.lower()
            self._count.add(self._count.at(name))
            raise Overloaded(
                f"The gateway has too much to do ({self._why()}), so calls of priority '{name}' "
                "are refused for now; try again later, or ask with a higher x-headrace-priority.",
                code="process_overloaded",
                retry_after_s=RETRY_AFTER_S,
            )
        self._sender.prepare(order)


class Shedding:
    """Watches this process, and puts a `Shedder` in place while it has too much to do.

    Args:
        settings: from where on that is so.
        sender: who asks providers.
        change: told who is to ask from now on, and whether there is too much to do.
        clock: the time.
        gauge: whether each signal is over its bound.
        count: refusals, by priority.
        say: told when it begins and ends.
    """

    def __init__(
        self,
        settings: ProcessSettings,
        sender: Sender,
        change: Callable[[Sender, bool], None],
        *,
        clock: Clock,
        gauge: Gauge,
        count: Counter,
        say: Say,
    ) -> None:
        self._pressure = Pressure(_terms(settings))
        self._share = CpuShare()
        self._now_s = clock.monotonic_s
        self._sender = sender
        self._shedder = Shedder(sender, self._why, count)
        self._change = change
        self._gauge = gauge
        self._count = count
        self._say = say

    def adopt(self, settings: ProcessSettings) -> None:
        """Go by other settings from the next reading on."""
        self._pressure.terms = _terms(settings)

    def update(self, lag_s: float, reading: ProcessReading) -> None:
        """Take a reading in, several times a second.

        Args:
            lag_s: seconds by which a timer of the loop was late.
            reading: what the operating system says.
        """
        before = self._pressure.name
        share = self._share.update(reading.cpu_s, self._now_s())
        name = self._pressure.update(lag_s, share, reading.memory_bytes)
        if name is not before:
            self._changed(before, name)

    def told(self) -> dict[str, Any]:
        """How loaded this process is, as plain data."""
        pressure = self._pressure
        return {
            "pressure": pressure.name,
            "lag_ms": round(pressure.lag_s * 1000, 3),
            "cpu_share": round(pressure.cpu_share, 3),
            "memory_mb": round(pressure.memory_bytes / _MIB, 1),
        }

    def _changed(self, before: PressureName | None, name: PressureName | None) -> None:
        for signal in _SIGNALS:
            self._gauge.set_at(self._gauge.at(signal), float(signal == name))
        if name is None:
            self._change(self._sender, False)
            self._say("info", "pressure_over", about=before or "")
        else:
            self._change(self._shedder, True)
            self._say("warning", "pressure", about=name, detail=self._why())

    def _why(self) -> str:
        pressure, terms = self._pressure, self._pressure.terms
        if pressure.name == "memory":
            return _over(
                "memory", pressure.memory_bytes / _MIB, terms.memory_bytes_max / _MIB, "MiB"
            )
        bound_s = terms.busy_lag_s_max if pressure.name == "cpu" else terms.lag_s_max
        what = "a busy loop's lag" if pressure.name == "cpu" else "the loop's lag"
        return _over(what, pressure.lag_s * 1000, bound_s * 1000, "ms")


def _over(what: str, value: float, bound: float, unit: str) -> str:
    return f"{what} is {value:.4g} {unit}, and {bound:.4g} are its bound"


def _terms(settings: ProcessSettings) -> PressureTerms:
    return PressureTerms(
        lag_s_max=settings.lag_ms_max / 1000,
        busy_lag_s_max=min(settings.busy_lag_ms_max, settings.lag_ms_max) / 1000,
        memory_bytes_max=(settings.memory_mb_max or 0) * _MIB,
    )


def _has_followers(order: Order) -> bool:
    """Whether others wait for the same, perhaps with a higher priority."""
    return isinstance(order.relay, Flight) and order.relay.followers > 0
