"""The thread that sends to a collector."""

import itertools
import threading

import msgspec
import pytest

from headrace.observe.telemetry.exporting import Exporter, Sent
from headrace.observe.telemetry.readings import Reading
from headrace.observe.telemetry.traces import Span
from headrace.settings.telemetry import TelemetrySettings

SETTINGS = TelemetrySettings(metrics=True)
LONG_S = 3600.0


class FullCollector:
    """Refuses everything; it says when to come again, the last time far from now."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_asked_anew = threading.Event()

    def send_spans(self, spans: list[Span]) -> Sent:
        raise NotImplementedError(spans)

    def send_metrics(self, readings: list[Reading]) -> Sent:
        assert readings == []
        self.asked += 1
        if self.asked > 3:
            self.is_asked_anew.set()
        return Sent(False, "it is full", LONG_S if self.asked == 3 else 0.0)

    def abort(self) -> None: ...


def exporter_to(link: FullCollector) -> Exporter:
    """One to whom it is always time for metrics."""
    seconds = itertools.count(step=SETTINGS.metrics_interval_s)
    return Exporter(SETTINGS, link, None, list, lambda: float(next(seconds)))


@pytest.mark.heavy
def test_nobody_waits_for_what_is_not_tried_again() -> None:
    link = FullCollector()
    exporter = exporter_to(link)
    exporter.start()
    try:
        assert link.is_asked_anew.wait(10.0)  # far less than what it wanted
    finally:
        assert exporter.close()


class SilentCollector(FullCollector):
    """Never answers, and is left alone only by force."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = threading.Event()

    def send_metrics(self, readings: list[Reading]) -> Sent:
        self.is_aborted.wait()
        return Sent(False, "it was left alone", None)

    def abort(self) -> None:
        self.is_aborted.set()


def test_whoever_has_less_time_than_the_settings_give_leaves_earlier() -> None:
    link = SilentCollector()
    settings = msgspec.structs.replace(SETTINGS, flush_s=600.0)
    exporter = Exporter(settings, link, None, list, lambda: 0.0)
    exporter.start()
    exporter.close(0.01)
    assert link.is_aborted.is_set()


def test_what_was_never_started_is_closed_at_once() -> None:
    link = FullCollector()
    assert exporter_to(link).close()
    assert link.asked == 0
