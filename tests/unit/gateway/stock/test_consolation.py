"""What is given where nobody answers, and to whom: from inside, where every error can be had."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.engine import CALL_USD, TTL_S, StillEngine, run
from tests.support.replies import delta
from tests.unit.gateway.test_relay import EVENTS, JSON, Flow, Reader
from tests.unit.observe.telemetry.test_readings import Worker

from headrace.errors import DeadlineExceeded, HeadraceError, InvalidRequest, Overloaded
from headrace.flow.scheduler import Priority
from headrace.gateway.order import Order
from headrace.settings import parse_settings
from headrace.upstream.faults import UpstreamFault

TEXT = "Please ask again."


def settings() -> Any:
    lane = {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1", "retry": {"tries_max": 1}}
    price = {"input": 10, "output": 10}
    model = {
        "targets": ["p/m"],
        "price": price,
        "fallback_text": TEXT,
        "continue_streams": True,
    }
    arms = [{"name": "one", "model": "m", "weight": 1}, {"name": "no", "model": "m", "weight": 0}]
    whole = {
        "providers": {"p": lane},
        "models": {"m": model, "tried": {"targets": ["p/t"]}},
        "experiments": {"e": {"model": "tried", "arms": arms}},
        "cache": {"ttl_s": TTL_S, "stale_if_error_s": 1000},
    }
    return parse_settings(json.dumps(whole), {}, "test.yaml")


Test = Callable[[StillEngine], Coroutine[Any, Any, None]]


def run_with_text(test: Test) -> StillEngine:
    async def whole(still: StillEngine) -> None:
        still.engine.reload(settings())
        pool = still.engine.pipeline.plan.lanes["p"].endpoint.pool
        pool.send = still._send  # type: ignore[method-assign]
        await test(still)

    return run(whole)


def asked(
    still: StillEngine, text: str = "?", *, stream: bool = False, model: str = "m", **fields: Any
) -> Reader:
    """Who asks, and what it is told from now on."""
    order = still.order(text, model)
    if stream:
        document = json.loads(order.body)
        order = Order(
            order.call,
            json.dumps({**document, "stream": True, **fields}).encode(),
            order.reader,
            order.watch,
        )
    reader = order.reader
    still.engine.pipeline.handle_all([order])
    assert isinstance(reader, Reader)
    return reader


@pytest.mark.parametrize(
    "error",
    [
        *(
            UpstreamFault(kind, "p")
            for kind in (
                "connect",
                "tls",
                "reset",
                "timeout_first_byte",
                "timeout_total",
                "garbage",
            )
        ),
        Overloaded("All are open.", code="circuit_open"),
        Overloaded("No room.", code="queue_full"),
        Overloaded("Not in time.", code="deadline_out_of_reach"),
    ],
    ids=lambda error: error.code,
)
def test_the_providers_trouble_leads_to_the_text(error: HeadraceError) -> None:
    async def test(still: StillEngine) -> None:
        reader = asked(still)
        still.sent[0][1].on_fault(error)
        assert reader.said[-1] == "answer"
        assert json.loads(reader.got[-1])["choices"][0]["message"]["content"] == TEXT

    assert run_with_text(test).count("fallback_texts") == 1


@pytest.mark.parametrize(
    "error",
    [
        UpstreamFault("shutdown", "p"),
        Overloaded("Going down.", code="shutting_down"),
        DeadlineExceeded("Too late."),
        InvalidRequest("Wrong."),
        HeadraceError("A bug."),
    ],
    ids=lambda error: error.code,
)
def test_nothing_else_does(error: HeadraceError) -> None:
    async def test(still: StillEngine) -> None:
        reader = asked(still)
        still.sent[0][1].on_fault(error)
        assert reader.said[-1] == f"fail {error.code}"

    assert run_with_text(test).count("fallback_texts") == 0


def test_what_the_cache_asks_by_itself_gets_the_error() -> None:
    async def test(still: StillEngine) -> None:
        order, reader = still.order("?"), Reader()
        still.engine.pipeline.ask_again(order.call, order.body, "refresh", reader)
        still.sent[0][1].on_fault(UpstreamFault("reset", "p"))
        assert reader.said[-1] == "fail upstream_reset"

    assert run_with_text(test).count("fallback_texts") == 0


@pytest.mark.parametrize("status", [429, 500])
def test_who_asks_again_later_gets_the_providers_error(status: int) -> None:
    async def test(still: StillEngine) -> None:
        order = still.order("?", priority=Priority.BATCH)
        reader = order.reader
        still.engine.pipeline.handle_all([order])
        await still.answer(status)
        assert isinstance(reader, Reader)
        assert reader.got[-1].startswith(b'{"object"')

    assert run_with_text(test).count("fallback_texts") == 0


def test_who_joined_what_the_cache_asks_gets_the_text() -> None:
    async def test(still: StillEngine) -> None:
        order, nobody = still.order("?"), Reader()
        still.engine.pipeline.ask_again(order.call, order.body, "refresh", nobody)
        reader = asked(still)
        assert len(still.sent) == 1
        still.sent[0][1].on_fault(UpstreamFault("reset", "p"))
        assert reader.said[-1] == "answer"

    run_with_text(test)


def test_a_status_that_is_passed_on_elsewhere_is_the_end_for_the_cache() -> None:
    async def test(still: StillEngine) -> None:
        order, reader = still.order("?"), Reader()
        still.engine.pipeline.ask_again(order.call, order.body, "refresh", reader)
        sink = still.sent[0][1]
        sink.on_attempt(Flow())
        sink.on_head(500, JSON)
        sink.on_body(b"{}")
        sink.on_end()
        await asyncio.sleep(0)
        assert (reader.said[-1], reader.got) == ("answer", [b"{}"])

    run_with_text(test)


def arm(still: StillEngine) -> tuple[int, int, float]:
    """Calls, errors and dollars of the arm that everything is asked in."""
    told = still.engine.pipeline.plan.aim.told()["experiments"]["e"]["arms"]["one"]  # type: ignore[union-attr]
    return told["calls"], told["errors"], told["spent_usd"]


def provider(still: StillEngine) -> tuple[float, float, float]:
    """Answers with 2xx, answers with 5xx, and dollars."""
    slot = still.metrics.slot("p")
    good, bad = (still.count("upstream_requests", slot, each) for each in ("2xx", "5xx"))
    return good, bad, still.count("spent_usd", slot)


@pytest.mark.parametrize("status", [500, 200])
def test_an_old_answer_is_not_paid_for_again(status: int) -> None:
    async def test(still: StillEngine) -> None:
        assert await still.ask("?", "tried") == "miss"
        assert (arm(still), provider(still)) == ((1, 0, CALL_USD), (1, 0, CALL_USD))
        still.clock.advance(TTL_S + 1)
        reader = asked(still, model="tried")
        sink = still.sent.pop()[1]
        sink.on_attempt(Flow())
        sink.on_head(status, JSON)
        sink.on_body(b"{")
        sink.on_end()
        await asyncio.sleep(0)
        assert reader.said == ["placed", "answer"]
        assert b"Water." in reader.got[0]
        assert arm(still) == (2, 1, CALL_USD)
        assert provider(still) == (1, status == 500, CALL_USD)
        # It is as old as it was.
        assert await still.ask("?", "tried") == "miss"

    still = run_with_text(test)
    assert still.count("cache_stale", "if-error") == 1


def test_a_text_is_no_answer_of_the_providers() -> None:
    async def test(still: StillEngine) -> None:
        reader = asked(still, model="tried")
        sink = still.sent.pop()[1]
        sink.on_attempt(Flow())
        sink.on_head(500, JSON)
        sink.on_end()
        await asyncio.sleep(0)
        assert reader.said == ["placed", "answer"]
        assert (arm(still), provider(still)) == ((1, 1, 0.0), (0, 1, 0.0))

    run_with_text(test)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "429"), (500, "5xx"), (503, "5xx"), (408, "4xx")]
)
def test_an_error_that_is_made_good_counts_as_what_it_was(status: int, kind: str) -> None:
    async def test(still: StillEngine) -> None:
        worker = Worker()
        still.engine.pipeline.landing.gen_ai = worker.gen_ai
        reader = asked(still)
        await still.answer(status)
        assert TEXT.encode() in reader.got[-1]
        (call,) = worker.read()["gen_ai.client.operation.duration"].points
        assert dict(call.labels)["error.type"] == kind

    run_with_text(test)


def begun(still: StillEngine, place: int = 0) -> Any:
    """A stream that has begun to come."""
    sink = still.sent[place][1]
    sink.on_attempt(Flow())
    sink.on_head(200, EVENTS)
    sink.on_body(delta("Clear ", role="assistant"))
    return sink


def test_nobody_joins_a_stream_that_goes_on() -> None:
    async def test(still: StillEngine) -> None:
        first = asked(still, stream=True)
        sink = begun(still)
        joined = asked(still, stream=True)
        assert len(still.sent) == 1
        sink.on_fault(UpstreamFault("cut", "p", received=True))
        assert len(still.sent) == 2  # the rest
        late = asked(still, stream=True)
        assert len(still.sent) == 3
        rest = begun(still, 1)
        rest.on_body(delta("", "stop"))
        rest.on_end()
        await asyncio.sleep(0)
        assert (first.said[-1], joined.said[-1], late.said[-1]) == ("end", "end", "placed")
        assert first.got == joined.got

    still = run_with_text(test)
    assert still.count("streams_continued", "ended") == 1


@pytest.mark.parametrize("kind", ["shutdown", "timeout_total", "too_large"])
def test_faults_that_no_stream_goes_on_after(kind: Any) -> None:
    async def test(still: StillEngine) -> None:
        reader = asked(still, stream=True)
        begun(still).on_fault(UpstreamFault(kind, "p", received=True))
        assert (len(still.sent), reader.said[-1]) == (1, f"fail upstream_{kind}")

    run_with_text(test)


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_stream_that_goes_on_is_one_call_of_its_arm(ends_well: bool) -> None:
    async def test(still: StillEngine) -> None:
        reader = asked(still, stream=True, model="tried")
        begun(still).on_fault(UpstreamFault("cut", "p", received=True))
        rest = begun(still, 1)
        if ends_well:
            rest.on_body(delta("", "stop"))
            rest.on_end()
        else:
            rest.on_fault(UpstreamFault("cut", "p", received=True))
        await asyncio.sleep(0)
        assert reader.said[-1] == ("end" if ends_well else "fail upstream_cut")
        assert arm(still)[:2] == (1, not ends_well)

    run_with_text(test)


def test_an_end_without_its_blank_line_is_one() -> None:
    async def test(still: StillEngine) -> None:
        reader = asked(still, stream=True)
        sink = begun(still)
        sink.on_body(delta("and cold", "stop") + b"data: [DONE]")
        sink.on_end()
        await asyncio.sleep(0)
        assert (len(still.sent), reader.said[-1], reader.got[-1]) == (1, "end", b"data: [DONE]")

    run_with_text(test)


def test_what_comes_after_an_error_event_is_dropped() -> None:
    async def test(still: StillEngine) -> None:
        reader = asked(still, stream=True)
        sink = begun(still)
        sink.on_body(b'data: {"error": {"message": "overloaded"}}\n\n')
        for late in (sink.on_end, lambda: sink.on_fault(UpstreamFault("reset", "p"))):
            sink.on_body(delta("nonsense"))
            late()
        rest = begun(still, 1)
        rest.on_body(delta("", "stop"))
        rest.on_end()
        await asyncio.sleep(0)
        assert reader.said[-1] == "end"
        assert not any(b"nonsense" in chunk or b"overloaded" in chunk for chunk in reader.got)

    run_with_text(test)


def test_a_paused_reader_pauses_the_rest() -> None:
    async def test(still: StillEngine) -> None:
        reader = asked(still, stream=True)
        sink = begun(still)
        reader.seat.pause()
        sink.on_fault(UpstreamFault("cut", "p", received=True))
        rest, flow = still.sent[1][1], Flow()
        rest.on_attempt(flow)
        rest.on_head(200, EVENTS)
        before = len(reader.got)
        reader.seat.pause()
        assert flow.is_paused
        rest.on_body(delta("and cold", "stop"))
        rest.on_end()
        await asyncio.sleep(0)
        assert (len(reader.got), reader.said[-1]) == (before, "begin")
        reader.seat.resume()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert reader.said[-1] == "end"

    run_with_text(test)
