"""Spans of a process that serves no requests: a worker of jobs, or a program with an adapter in it;
and what is said of a collector that does not take them."""

import asyncio
import secrets
from math import inf
from typing import Final

import msgspec

from headrace.clock import Clock
from headrace.observe.telemetry.exporting import Exporter
from headrace.observe.telemetry.traces import Tracer
from headrace.settings.telemetry import TelemetrySettings, check_telemetry
from headrace.store.voice import Say

_TAG_BYTES: Final = 5


class CollectorVoice:
    """Tells the operator once that a collector takes nothing, and once that it does again.

    Args:
        say: tells.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._problem = ""

    def tell(self, problem: str) -> None:
        """Tell how it is, where that has changed.

        Args:
            problem: why the last export was not taken; empty where it was.
        """
        if problem == self._problem:
            return
        self._problem = problem
        if problem:
            self._say("warning", "telemetry_failed", detail=problem)
        else:
            self._say("info", "telemetry_sent", detail="the collector takes what is sent again")

    def left(self) -> None:
        """Tell that not all was sent at the end."""
        self._say("warning", "telemetry_left", detail="the collector took too long at the end")


class Tracing:
    """Makes spans, and sends them by a thread of its own. Belongs to one event loop.

    Args:
        tracer: makes them.
        exporter: sends them.
        voice: tells of the collector.

    Attributes:
        tracer: see above.
    """

    def __init__(self, tracer: Tracer, exporter: Exporter, voice: CollectorVoice) -> None:
        self.tracer = tracer
        self._exporter = exporter
        self._voice = voice

    def start(self) -> None:
        """Begin to send."""
        self._exporter.start()

    def tick(self) -> None:
        """Tell what went wrong; to be called now and then."""
        self._voice.tell(self._exporter.tally.problem)

    async def close(self, limit_s: float = inf) -> None:
        """Send what is left, within the time for that.

        Args:
            limit_s: what there is of it, where that is less than the settings give.
        """
        if not await asyncio.to_thread(self._exporter.close, limit_s):
            self._voice.left()
        self.tick()


def open_tracing(
    settings: TelemetrySettings, clock: Clock, say: Say, *, is_guest: bool = False
) -> Tracing | None:
    """What traces in a process that serves no requests; `None` where nothing is traced.

    Args:
        settings: what is sent, and where to; metrics are not.
        clock: the time.
        say: tells the operator.
        is_guest: whether it is in somebody's program, which may use OpenTelemetry itself.

    Raises:
        SettingsInvalid: what is needed for it is not installed.
    """
    if not settings.traces:
        return None
    check_telemetry(settings)
    # Importing it takes longer than all else of a start.
    from headrace.observe.telemetry.otlp import OtlpLink

    only_spans = msgspec.structs.replace(settings, metrics=False)
    tracer = Tracer(only_spans, clock, secrets.SystemRandom().random, secrets.token_bytes)
    link = OtlpLink(only_spans, secrets.token_hex(_TAG_BYTES), clock, is_guest=is_guest)
    exporter = Exporter(only_spans, link, tracer, None, clock.monotonic_s)
    return Tracing(tracer, exporter, CollectorVoice(say))
