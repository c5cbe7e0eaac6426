"""Calls of an adapter as spans, in whatever trace the program is in with OpenTelemetry."""

from collections.abc import Callable

from headrace.clock import Clock
from headrace.gateway.traced import Asking, tell_asking
from headrace.gateway.tracing import Tracing, open_tracing
from headrace.library.journal import tell_event
from headrace.library.listener import Listener
from headrace.observe.telemetry.traces import Headers
from headrace.settings.telemetry import TelemetrySettings


class CallSpans:
    """Makes them. Belongs to one event loop.

    Args:
        tracing: makes and sends spans.
        around: where the program stands in a trace of its own.
    """

    def __init__(self, tracing: Tracing, around: Callable[[], Headers]) -> None:
        self._tracing = tracing
        self._around = around
        tracing.start()

    def begin(self, listener: Listener) -> None:
        """Something is asked."""
        listener.watch.trace = self._tracing.tracer.begin(self._around())

    def over(self, listener: Listener) -> None:
        """Nothing more comes of it."""
        tell_asking(
            Asking(
                listener.call,
                listener.watch,
                listener.source,
                listener.given,
                listener.status,
                listener.error_code,
                listener.first_s if listener.has_begun else None,
            )
        )
        self._tracing.tick()

    async def close(self) -> None:
        """Send what is left, within the time for that."""
        await self._tracing.close()


def open_spans(settings: TelemetrySettings, clock: Clock) -> CallSpans | None:
    """Spans of calls, where they are wanted.

    Raises:
        SettingsInvalid: what is needed for it is not installed.
    """
    tracing = open_tracing(settings, clock, tell_event, is_guest=True)
    if tracing is None:
        return None
    from headrace.observe.telemetry.ambient import ambient_context  # with OpenTelemetry

    return CallSpans(tracing, ambient_context)
