"""Spans of calls over HTTP/2, and of two calls that race for one answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.collector import CLIENT, SERVER, Collector, SpanTold
from tests.support.gateway import Gateway
from tests.support.h2_front import h2_front
from tests.support.house import OPENAI, free_port
from tests.support.waiting import eventually
from tests.support.wire import Response

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

LEARNT = 3
# Later than any answer that is not made to wait.
SLOW_MS = 3000
SLOW = Fault(kind=FaultKind.SLOW, delay_ms=SLOW_MS)
HEDGE = {"enabled": True, "share_max": 1.0, "samples_min": LEARNT, "after_ms_min": 60}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture
def one() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


@pytest.fixture
def two() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


class Desk:
    """A gateway that traces what is asked of its model `smart`."""

    def __init__(
        self, folder: Path, collector: Collector, providers: dict[str, Any], *targets: str
    ) -> None:
        common = {"dialect": "openai", "retry": {"tries_max": 2, "wait_s_max": 0.01}}
        self.collector = collector
        self.gateway = Gateway(
            folder,
            {
                "providers": {name: {**common, **own} for name, own in providers.items()},
                "models": {"smart": {"targets": list(targets)}},
                "telemetry": {"traces": True, "sample": 1, "endpoint": collector.url},
            },
        )
        self._asked = 0

    def ask(self, *, stream: bool = False) -> Response:
        """Something that was not asked before."""
        self._asked += 1
        messages = [{"role": "user", "content": f"Question {self._asked}"}]
        document = OPENAI.document("smart", stream=stream, messages=messages)
        return self.gateway.post(OPENAI.path, document)

    def learn(self) -> None:
        """Let it see how long answers take."""
        for _ in range(LEARNT):
            assert self.ask().status == 200

    def trace_of(self, response: Response, calls: int) -> tuple[SpanTold, list[SpanTold]]:
        """The span of a request, and those of its calls in the order in which they were made."""
        wanted = response.headers["x-request-id"]

        def found() -> tuple[SpanTold, list[SpanTold]] | None:
            spans = list(self.collector.spans)
            for served in spans:
                if served.attributes.get("headrace.request_id") == wanted:
                    of_it = [each for each in spans if each.parent_id == served.span_id]
                    return (served, sorted(of_it, key=began)) if len(of_it) >= calls else None
            return None

        served, made = eventually(found)
        assert len(made) == calls
        assert {each.trace_id for each in made} == {served.trace_id}
        assert (served.kind, {each.kind for each in made}) == (SERVER, {CLIENT})
        return served, made


def began(span: SpanTold) -> float:
    return span.began_s


def told_to(sim: ThreadedSim) -> list[str]:
    """What the provider was told of traces, call by call."""
    seen = [each.headers.get("traceparent") for each in sim.stats().last_requests]
    return [each for each in seen if each is not None]


def error_of(span: SpanTold) -> str | None:
    assert span.is_error is ("error.type" in span.attributes)
    return span.attributes.get("error.type")


@pytest.mark.heavy
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_call_over_http2_is_a_span_that_the_provider_is_told(
    tmp_path: Path, collector: Collector, one: ThreadedSim, stream: bool
) -> None:
    with h2_front(one.url) as front:
        providers = {"one": {"base_url": f"{front.url}/v1", "http": "2"}}
        desk = Desk(tmp_path, collector, providers, "one/small")
        with desk.gateway:
            served, (call,) = desk.trace_of(desk.ask(stream=stream), 1)
        assert OPENAI.path in front.paths  # beside what warms the connection up
    assert told_to(one) == [f"00-{served.trace_id}-{call.span_id}-01"]
    assert call.events == ("sent", "first_byte")
    assert error_of(call) is None
    assert call.attributes["http.response.status_code"] == 200
    assert call.attributes["server.address"] == "127.0.0.1"
    assert served.attributes["headrace.stream"] is stream


def test_tries_over_http2_are_a_span_each(
    tmp_path: Path, collector: Collector, one: ThreadedSim
) -> None:
    one.script(Fault(kind=FaultKind.STATUS, status=503))
    with h2_front(one.url) as front:
        providers = {"one": {"base_url": f"{front.url}/v1", "http": "2"}}
        desk = Desk(tmp_path, collector, providers, "one/small")
        with desk.gateway:
            _, calls = desk.trace_of(desk.ask(), 2)
    assert [error_of(each) for each in calls] == ["503", None]
    assert [each.attributes["headrace.target"] for each in calls] == [1, 1]
    assert told_to(one) == [f"00-{each.trace_id}-{each.span_id}-01" for each in calls]


@pytest.mark.heavy
def test_a_provider_that_is_not_there_over_http2_is_a_span_that_failed(
    tmp_path: Path, collector: Collector
) -> None:
    nobody = {"base_url": f"http://127.0.0.1:{free_port()}/v1", "http": "2"}
    desk = Desk(tmp_path, collector, {"one": {**nobody, "retry": {"tries_max": 1}}}, "one/small")
    with desk.gateway:
        served, (call,) = desk.trace_of(desk.ask(), 1)
    assert (error_of(call), error_of(served)) == ("connect", "upstream_connect")
    assert "first_byte" not in call.events


@pytest.mark.parametrize("http", ["1.1", "2"])
def test_of_two_calls_that_race_the_one_that_won_is_told(
    tmp_path: Path, collector: Collector, one: ThreadedSim, two: ThreadedSim, http: str
) -> None:
    with h2_front(one.url) as front, h2_front(two.url) as other:
        first, second = (front.url, other.url) if http == "2" else (one.url, two.url)
        providers = {
            "one": {"base_url": f"{first}/v1", "http": http, "hedge": HEDGE},
            "two": {"base_url": f"{second}/v1", "http": http},
        }
        desk = Desk(tmp_path, collector, providers, "one/small", "two/large")
        with desk.gateway:
            desk.learn()
            one.script(SLOW)
            response = desk.ask()
            assert response.headers["x-headrace-provider"] == "two"
            served, (lost, won) = desk.trace_of(response, 2)
    told = [(each.attributes["gen_ai.provider.name"], error_of(each)) for each in (lost, won)]
    assert told == [("one", "cancelled"), ("two", None)]
    assert [each.attributes.get("headrace.hedge") for each in (lost, won)] == [None, True]
    assert [each.attributes["headrace.target"] for each in (lost, won)] == [1, 2]
    assert (lost.events, won.events) == (("sent",), ("sent", "first_byte"))
    assert (error_of(served), served.attributes["headrace.attempts"]) == (None, 2)
    assert served.attributes["gen_ai.provider.name"] == "two"
    # Each was told a place of its own.
    for sim, call in ((one, lost), (two, won)):
        assert told_to(sim)[-1] == f"00-{served.trace_id}-{call.span_id}-01"


@pytest.mark.heavy
def test_a_second_call_that_loses_or_fails_is_told_too(
    tmp_path: Path, collector: Collector, one: ThreadedSim, two: ThreadedSim
) -> None:
    providers = {
        "one": {"base_url": f"{one.url}/v1", "hedge": HEDGE},
        "two": {"base_url": f"{two.url}/v1"},
    }
    desk = Desk(tmp_path, collector, providers, "one/small", "two/large")
    with desk.gateway:
        desk.learn()
        for fault, error in (
            (Fault(kind=FaultKind.STALL_BEFORE), "cancelled"),
            (Fault(kind=FaultKind.STATUS, status=503), "503"),
            # The connection that was kept, and the fresh one that takes its place.
            (Fault(kind=FaultKind.RESET_BEFORE, times=2), "reset"),
        ):
            one.script(SLOW)
            two.script(fault)
            response = desk.ask()
            assert response.headers["x-headrace-provider"] == "one"
            _, (won, lost) = desk.trace_of(response, 2)
            assert (error_of(won), error_of(lost)) == (None, error)
            assert lost.attributes["headrace.hedge"] is True
            assert "headrace.hedge" not in won.attributes


def test_both_calls_to_one_target_are_told_apart(
    tmp_path: Path, collector: Collector, one: ThreadedSim
) -> None:
    hedge = {**HEDGE, "same_target": True}
    providers = {"one": {"base_url": f"{one.url}/v1", "hedge": hedge}}
    desk = Desk(tmp_path, collector, providers, "one/small")
    with desk.gateway:
        desk.learn()
        one.script(SLOW)
        served, (lost, won) = desk.trace_of(desk.ask(), 2)
    assert [error_of(each) for each in (lost, won)] == ["cancelled", None]
    assert [each.attributes.get("headrace.hedge") for each in (lost, won)] == [None, True]
    assert [each.attributes["headrace.target"] for each in (lost, won)] == [1, 1]
    assert served.attributes["headrace.attempts"] == 2
