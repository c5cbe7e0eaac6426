"""What can be set of OpenTelemetry: spans and metrics, and callers' trace context."""

from importlib.util import find_spec
from typing import Annotated

import msgspec
from msgspec import Meta

from headrace.errors import SettingsInvalid
from headrace.settings.bounded import BaseUrl, Filled, HeaderName, HeaderValue


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent to a collector, over OTLP/HTTP. All but `pass_context` is taken at start.

    Attributes:
        traces: whether spans are made and sent.
        metrics: whether metrics are sent.
        endpoint: URL of the collector, below which are `/v1/traces` and `/v1/metrics`; `None`: that
            of the environment, or `http://localhost:4318`.
        headers: sent with every export in place of those of the environment; they do not print.
        service_name: `service.name`; `None`: that of the environment, or `headrace`.
        sample: share of the requests that are traced, where their callers do not decide it.
        follow_callers: whether a caller's trace context says whether a request is traced.
        pass_context: whether callers' trace context goes on to providers while spans are not made.
        queue_spans_max: spans that may wait to be sent.
        metrics_interval_s: how often metrics are sent.
        timeout_s: how long one export may take, tries again included; `None`: as the environment
            says, or 10 s.
        flush_s: how long the last export may take at the end.
    """

    traces: bool = False
    metrics: bool = False
    endpoint: BaseUrl | None = None
    headers: dict[HeaderName, HeaderValue] = {}
    service_name: Filled | None = None
    sample: Annotated[float, Meta(ge=0, le=1)] = 0.05
    follow_callers: bool = True
    pass_context: bool = True
    queue_spans_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 4096
    metrics_interval_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    timeout_s: Annotated[float, Meta(gt=0, le=600)] | None = None
    flush_s: Annotated[float, Meta(ge=0, le=600)] = 3.0

    @property
    def is_on(self) -> bool:
        """Whether anything is sent."""
        return self.traces or self.metrics

    def kept(self, renewed: "TelemetrySettings") -> "TelemetrySettings":
        """What holds after a reload: callers' context may go on or stay; the rest is of the start.

        Args:
            renewed: what the settings say now.
        """
        return msgspec.structs.replace(self, pass_context=renewed.pass_context)


def check_telemetry(telemetry: TelemetrySettings) -> None:
    """Whether what is wanted can be sent from here.

    Raises:
        SettingsInvalid: what is needed for it is not installed.
    """
    if not telemetry.is_on:
        return
    for package in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
        try:
            found = find_spec(package)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise SettingsInvalid(
                f"telemetry.{'traces' if telemetry.traces else 'metrics'} needs OpenTelemetry's "
                "exporter, and it is not installed: pip install 'headrace[otel]'"
            )
