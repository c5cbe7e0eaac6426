"""A collector that is away, slow, wrong or full: requests are answered as ever, and it is told."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.collector import HELD_S, SERVER, Collector, Reply
from tests.support.house import OPENAI, House, free_port
from tests.support.waiting import eventually

from headrace.clock import SystemClock
from headrace.errors import SettingsInvalid
from headrace.observe.telemetry.otlp import OtlpLink
from headrace.observe.telemetry.traces import Span
from headrace.settings.telemetry import TelemetrySettings, check_telemetry
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

SPAN = Span("chat m", "server", "1" * 32, "2" * 16, "", b"", False, 1.0, 2.0, ())
OUTCOME = 'headrace_spans_total{{outcome="{}"}}'


@pytest.fixture(scope="module")
def provider() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


def traced(folder: Path, sim: ThreadedSim, url: str, **more: Any) -> House:
    telemetry = {"traces": True, "sample": 1, "endpoint": url, "flush_s": 1, **more}
    return House.build(folder, sim, telemetry=telemetry)


def ask(house: House, count: int = 1) -> None:
    for _ in range(count):
        assert house.ask(OPENAI, OPENAI.document(house.model())).status == 200


def counted(house: House, outcome: str) -> float:
    return house.gateway.metrics().get(OUTCOME.format(outcome), 0.0)


def problems(house: House) -> list[str]:
    """What the log says of exports that failed."""
    said = [line for line in house.gateway.events() if line["event"] == "telemetry_failed"]
    return [line["detail"] for line in said]


@pytest.mark.heavy
def test_a_collector_that_is_away_costs_spans_and_nothing_else(
    tmp_path: Path, provider: ThreadedSim
) -> None:
    port = free_port()
    house = traced(tmp_path, provider, f"http://127.0.0.1:{port}", queue_spans_max=8, timeout_s=1)
    with house.gateway:
        ask(house, 20)
        assert eventually(lambda: counted(house, "dropped")) > 0
        assert "cannot be reached" in eventually(lambda: problems(house))[0]
        with Collector(port) as collector:
            ask(house)
            collector.wait_for_spans(1)
            said = eventually(
                lambda: [e for e in house.gateway.events() if e["event"] == "telemetry_sent"]
            )
            assert said
        assert eventually(lambda: counted(house, "failed")) > 0
    assert "opentelemetry" not in house.gateway.stderr


@pytest.mark.heavy
def test_requests_go_on_while_a_collector_holds_its_answer(
    tmp_path: Path, provider: ThreadedSim
) -> None:
    with Collector() as collector:
        house = traced(tmp_path, provider, collector.url, queue_spans_max=16)
        with house.gateway as gateway:
            collector.hold()
            ask(house)
            eventually(lambda: collector.raw)
            ask(house, 30)  # while the export waits
            assert not collector.spans
            assert eventually(lambda: counted(house, "dropped")) > 0
            began_s = time.monotonic()
            gateway.stop()
            assert time.monotonic() - began_s < HELD_S / 2, (
                "the end does not wait for the collector"
            )
            collector.release()


@pytest.mark.heavy
def test_a_collector_that_dies_does_not_hold_requests_up(
    tmp_path: Path, provider: ThreadedSim
) -> None:
    collector = Collector()
    collector.__enter__()
    house = traced(tmp_path, provider, collector.url, timeout_s=1)
    with house.gateway:
        ask(house)
        collector.wait_for_spans(2)
        collector.close()
        ask(house, 20)
        assert eventually(lambda: problems(house))
        ask(house, 5)
        house.assert_sound()


@pytest.mark.heavy
@pytest.mark.parametrize("timeout_s", [10, 1], ids=["in one export", "beyond it"])
def test_a_full_collector_is_left_alone_and_asked_again(
    tmp_path: Path, provider: ThreadedSim, timeout_s: int
) -> None:
    with Collector() as collector:
        collector.answer_next(Reply(429, "2"))
        house = traced(tmp_path, provider, collector.url, timeout_s=timeout_s)
        with house.gateway:
            ask(house)
            spans = collector.wait_for_spans(2)
            assert len(of_server(spans)) == 1
            assert len(collector.headers) == collector.taken + 1, "the same spans once more"
            eventually(lambda: counted(house, "exported") == 2)
            assert counted(house, "failed") == 0
            if timeout_s == 1:
                assert "429" in eventually(lambda: problems(house))[0]


def of_server(spans: Any) -> list[Any]:
    return [span for span in spans if span.kind == SERVER]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(0), id="no HTTP", marks=pytest.mark.heavy),
        pytest.param(Reply(200, body=b"\xff no protobuf \x00" * 200), id="no protobuf"),
        pytest.param(Reply(400, body=b"{"), id="refused", marks=pytest.mark.heavy),
        pytest.param(Reply(200, body=b"x" * 1_000_000), id="long", marks=pytest.mark.heavy),
    ],
)
def test_garbage_in_place_of_an_answer_harms_nobody(
    tmp_path: Path, provider: ThreadedSim, reply: Reply
) -> None:
    with Collector() as collector:
        collector.answer_next(reply)
        house = traced(tmp_path, provider, collector.url, timeout_s=3)
        with house.gateway:
            ask(house)
            eventually(lambda: counted(house, "exported") + counted(house, "failed"))
            ask(house)
            eventually(lambda: len(of_server(collector.spans)) >= 1)
            house.assert_sound()


def test_a_redirect_has_taken_nothing() -> None:
    with Collector() as collector:
        collector.answer_next(Reply(307))
        settings = TelemetrySettings(traces=True, endpoint=collector.url)
        link = OtlpLink(settings, "one", SystemClock())
        sent = link.send_spans([SPAN])
        assert (sent.is_taken, sent.problem) == (False, "the collector answered 307")
        assert link.send_spans([SPAN]).is_taken


def test_without_the_exporter_the_gateway_says_what_to_install(tmp_path: Path) -> None:
    """A stand-in for a machine that lacks it: a package of the name without the exporter."""
    hidden = {name: each for name, each in sys.modules.items() if name.startswith("opentelemetry")}
    for name in hidden:
        del sys.modules[name]
    blank = tmp_path / "opentelemetry"
    blank.mkdir()
    (blank / "__init__.py").touch()
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(SettingsInvalid, match=r"pip install 'headrace\[otel\]'"):
            check_telemetry(TelemetrySettings(traces=True))
        check_telemetry(TelemetrySettings())
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("opentelemetry", None)
        sys.modules.update(hidden)
