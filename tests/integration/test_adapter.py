"""The library face asks a provider: answers, cache, joined calls, and what it counts of them."""

import asyncio
import copy
import json
from typing import Any

import msgspec
import pytest
from tests.support.adapter import (
    CHAT,
    MESSAGES,
    MODELS,
    Loop,
    play,
    settings_for,
    soon,
)

from headrace import (
    Adapter,
    InvalidRequest,
    NotFound,
    Usage,
)
from headrace.gateway.call import Stopwatch
from headrace.identity.keys import KeyRing
from headrace.library.listener import Listener
from headrace.model import CacheResult
from headrace.server.heads import Desk, RawHead, read_head
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
MESSAGE_TOOL = {"name": "weather", "input_schema": {"type": "object"}}


@pytest.mark.parametrize("model", MODELS)
def test_a_repeat_comes_from_memory(loop: Loop, sim: ThreadedSim, model: str) -> None:
    async def scenario(adapter: Adapter) -> None:
        first = await adapter.generate("Why is the sky blue?", model=model)
        again = await adapter.generate("Why is the sky blue?", model=model)
        assert first.cache == "miss"
        assert again.cache == "l1"
        assert str(first) == first.text == again.text != ""
        assert first.raw == again.raw
        assert first.json()["id"] == again.json()["id"]
        assert (first.attempts, again.attempts) == (1, 0)
        assert first.usage == again.usage
        assert again.cost_usd == 0
        assert sim.stats().requests_total == 1

    play(loop, sim, scenario)


def test_a_completion_says_what_the_provider_said(loop: Loop, sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        chat = await adapter.generate("Hello", model=f"openai/{CHAT}", temperature=0.5)
        message = await adapter.generate("Hello", model=MESSAGES, system="Be brief.")
        reply = chat.json()
        assert chat.text == reply["choices"][0]["message"]["content"]
        assert (chat.finish_reason, chat.model, chat.provider) == ("stop", CHAT, "openai")
        assert chat.usage == Usage(
            reply["usage"]["prompt_tokens"], reply["usage"]["completion_tokens"]
        )
        assert (chat.cost_usd or 0) > 0
        assert message.text == message.json()["content"][0]["text"]
        assert (message.finish_reason, message.provider) == ("end_turn", "anthropic")
        sent = [json.loads(request.body) for request in sim.stats().last_requests]
        assert sent[0]["temperature"] == 0.5
        assert sent[1]["system"] == "Be brief."
        assert sent[1]["max_tokens"] == 4096

    play(loop, sim, scenario)


def test_messages_and_whole_requests_are_sent_as_they_are(loop: Loop, sim: ThreadedSim) -> None:
    messages = [{"role": "system", "content": "Short."}, {"role": "user", "content": "Hi"}]
    whole = {"max_tokens": 7, "model": MESSAGES, "messages": messages[1:], "x_own": [1.0, None]}
    before = copy.deepcopy((messages, whole))

    async def scenario(adapter: Adapter) -> None:
        await adapter.generate(messages, model=CHAT, user="u1")
        await adapter.generate(whole)
        chat, message = sim.stats().last_requests
        assert json.loads(chat.body) == {"messages": messages, "user": "u1", "model": CHAT}
        assert message.body == json.dumps(whole, separators=(",", ":"))
        assert message.path == "/v1/messages"
        assert (messages, whole) == before

    play(loop, sim, scenario)


@pytest.mark.parametrize(("model", "tool"), [(CHAT, TOOL), (MESSAGES, MESSAGE_TOOL)])
def test_tool_calls_are_given_raw(
    loop: Loop, sim: ThreadedSim, model: str, tool: dict[str, Any]
) -> None:
    choice: Any = "required" if model == CHAT else {"type": "any"}

    async def scenario(adapter: Adapter) -> None:
        answer = await adapter.generate("Weather?", model=model, tools=[tool], tool_choice=choice)
        (call,) = answer.tool_calls
        assert call.get("name", call.get("function", {}).get("name")) == "weather"
        assert answer.finish_reason in ("tool_calls", "tool_use")

    play(loop, sim, scenario)


@pytest.mark.parametrize("model", MODELS)
def test_identical_calls_in_flight_are_one(loop: Loop, sim: ThreadedSim, model: str) -> None:
    async def scenario(adapter: Adapter) -> None:
        calls = [adapter.generate("All at once", model=model) for _ in range(20)]
        answers = await asyncio.gather(*calls)
        assert sorted(answer.cache for answer in answers) == ["joined"] * 19 + ["miss"]
        assert len({answer.raw for answer in answers}) == 1
        assert sum(answer.cost_usd != 0 for answer in answers) <= 1
        assert sim.stats().requests_total == 1

    play(loop, sim, scenario)


def test_who_does_not_batch_calls_alone_and_still_uses_the_cache(
    loop: Loop, sim: ThreadedSim
) -> None:
    async def scenario(adapter: Adapter) -> None:
        ask = lambda: adapter.generate("Alone", model=CHAT, use_batching=False)  # noqa: E731
        answers = await asyncio.gather(*(ask() for _ in range(3)))
        assert [answer.cache for answer in answers] == ["miss"] * 3
        assert sim.stats().requests_total == 3
        assert (await ask()).cache == "l1"

    play(loop, sim, scenario)


def test_who_does_not_use_the_cache_leaves_no_trace_in_it(loop: Loop, sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        for _ in range(2):
            answer = await adapter.generate("Fresh", model=CHAT, use_cache=False)
            assert answer.cache == "bypass"
        assert adapter.metrics()["cache"]["entries"] == 0
        await adapter.generate("Fresh", model=CHAT)
        assert (await adapter.generate("Fresh", model=CHAT, use_cache=False)).cache == "bypass"
        assert sim.stats().requests_total == 4

    play(loop, sim, scenario)


def test_tenants_share_nothing_and_times_to_live_are_kept(loop: Loop, sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        ask = adapter.generate
        assert (await ask("Mine", model=CHAT, tenant="a")).cache == "miss"
        assert (await ask("Mine", model=CHAT, tenant="b")).cache == "miss"
        assert (await ask("Mine", model=CHAT, tenant="a")).cache == "l1"
        assert (await ask("Gone", model=CHAT, ttl_s=0)).cache == "miss"
        assert (await ask("Gone", model=CHAT, ttl_s=0)).cache == "miss"
        assert adapter.clear_cache() == 2
        assert (await ask("Mine", model=CHAT, tenant="a")).cache == "miss"

    play(loop, sim, scenario)


def test_embeddings_come_in_the_order_of_the_texts(loop: Loop, sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        both = await adapter.embed(["one", "two"], model="openai/sim-embed")
        second = await adapter.embed("two", model="openai/sim-embed")
        packed = await adapter.embed(
            {"input": "two", "model": "openai/sim-embed", "encoding_format": "base64"}
        )
        assert len(both.vectors) == 2
        assert both.vectors[1] == second.vectors[0] != both.vectors[0]
        assert packed.vectors[0] == pytest.approx(second.vectors[0], abs=1e-6)
        assert both.usage is not None
        assert both.usage.input_tokens > 0
        assert both.json()["object"] == "list"
        assert (await adapter.embed("two", model="openai/sim-embed")).cache == "l1"

    play(loop, sim, scenario)


def test_every_listed_model_can_be_asked(loop: Loop, sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        names = await adapter.models()
        assert {CHAT, MESSAGES, "openai/sim-large", "anthropic/sim-large"} <= set(names)
        for name in names:
            answer = await adapter.generate("Hi", model=name)
            assert name in (answer.model, f"{answer.provider}/{answer.model}")

    play(loop, sim, scenario)


def test_what_happened_is_counted(loop: Loop, sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        for _ in range(3):
            answer = await adapter.generate("Count me", model=CHAT)
        await adapter.generate("Count me", model=MESSAGES, use_cache=False)
        with pytest.raises(InvalidRequest):
            await adapter.generate("Count me", model=CHAT, temperature="hot")
        told = adapter.metrics()
        assert {cache: count for cache, count in told["requests"].items() if count} == {
            "l1": 2,
            "miss": 1,
            "bypass": 1,
            "none": 1,
        }
        assert told["failed"] == 1
        assert answer.usage is not None
        assert told["saved"]["calls"] == 2
        assert told["saved"]["tokens"]["input"] == 2 * answer.usage.input_tokens
        assert told["saved"]["usd"] == pytest.approx(2 * told["spent"]["usd"], rel=0.9)
        assert told["cache"]["entries"] == 1
        assert told["upstream_connections"] == {"opened": 2, "idle": 2, "active": 0}
        lines = adapter.metrics_text().splitlines()
        assert 'headrace_requests_total{route="chat",status="200",cache="l1"} 2' in lines
        assert 'headrace_requests_total{route="messages",status="200",cache="bypass"} 1' in lines
        assert 'headrace_requests_total{route="chat",status="400",cache="none"} 1' in lines
        assert 'headrace_request_duration_seconds_count{route="chat",cache="miss"} 1' in lines
        json.dumps(told)

    play(loop, sim, scenario)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": float("nan")}, None),
        ({"logit_bias": {"1": float("inf")}}, None),
        ({"stop": b"bytes"}, None),
        ({"stop": {"a", "set"}}, None),
        ({"user": "\ud800"}, None),
        ({"n": 0}, "n"),
        ({"messages": []}, "messages"),
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"model": "sim-large"}, "model"),
        ({"stream": True}, "stream"),
        ({"ttl_s": -1}, "ttl_s"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    sim: ThreadedSim, fields: dict[str, Any], param: str | None
) -> None:
    async def scenario(adapter: Adapter) -> None:
        with pytest.raises(InvalidRequest) as caught:
            await adapter.generate("Hi", **{"model": CHAT, **fields})
        assert caught.value.param == param
        assert sim.stats().requests_total == 0

    play(asyncio.new_event_loop, sim, scenario)


def test_a_cycle_is_no_request(sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        cycle: list[Any] = []
        cycle.append(cycle)
        with pytest.raises(InvalidRequest, match="not plain JSON"):
            await adapter.generate("Hi", model=CHAT, stop=cycle)

    play(asyncio.new_event_loop, sim, scenario)


def test_models_lead_to_their_dialect(sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        with pytest.raises(InvalidRequest, match="provider/model"):
            await adapter.generate("Hi", model="someones-model")
        with pytest.raises(InvalidRequest, match="no embeddings"):
            await adapter.embed("Hi", model=MESSAGES)

    play(asyncio.new_event_loop, sim, scenario)
    settings = settings_for(sim.url) | {"models": {"fast": {"targets": [f"anthropic/{MESSAGES}"]}}}

    async def configured() -> None:
        async with Adapter(settings, max_tokens=9) as adapter:
            assert (await adapter.generate("Hi", model="fast")).provider == "anthropic"
            sent = json.loads(sim.stats().last_requests[-1].body)
            assert (sent["model"], sent["max_tokens"]) == (MESSAGES, 9)
            assert await adapter.models() == ("fast",)
            with pytest.raises(NotFound, match="did you mean 'fast'"):
                await adapter.generate("Hi", model="fats")

    asyncio.run(configured())


def test_a_cancelled_call_ends_upstream(loop: Loop, sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        sim.script(Fault(kind=FaultKind.STALL_BEFORE))
        call = asyncio.create_task(adapter.generate("Never", model=CHAT))
        await soon(lambda: sim.stats().inflight == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await soon(lambda: sim.stats().calls_aborted == 1)
        assert adapter.metrics()["upstream_connections"]["active"] == 0
        assert (await adapter.generate("Never", model=CHAT)).cache == "miss"

    play(loop, sim, scenario)


def test_who_joined_goes_on_when_the_first_gives_up(loop: Loop, sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        sim.script(Fault(kind=FaultKind.SLOW, delay_ms=1000))
        first = asyncio.create_task(adapter.generate("Slow", model=CHAT))
        await soon(lambda: sim.stats().inflight == 1)
        second = asyncio.create_task(adapter.generate("Slow", model=CHAT))
        await soon(lambda: adapter.metrics()["inflight"] == 2)
        first.cancel()
        assert (await second).cache == "joined"
        assert sim.stats().requests_total == 1
        assert sim.stats().calls_aborted == 0

    play(loop, sim, scenario)


# One engine, one key.


def test_the_gateway_finds_what_the_library_stored(sim: ThreadedSim) -> None:
    body = b'{ "temperature": 1.0, "messages":[{"content":"Sh\\u0061red","role":"user"}] ,\n'
    body += b'"model":"gpt-4o-mini","seed":7e0}'

    async def scenario(adapter: Adapter) -> None:
        stored = await adapter.generate("Shared", model=CHAT, temperature=1, seed=7.0)
        engine = adapter._engine
        assert engine is not None
        desk = Desk(
            keys=KeyRing.from_settings(()),
            dialects=engine.dialects,
            cors_origins=frozenset(),
            body_bytes_max=1 << 20,
        )
        headers = [(b"host", b"localhost"), (b"content-length", b"%d" % len(body))]
        raw = RawHead(b"POST", b"/v1/chat/completions", "1.1", True, headers)
        head = read_head(raw, desk)
        assert head.call is not None
        listener = Listener(head.call, engine.pipeline.now_s, keeps=False, on_over=lambda _: None)
        watch = Stopwatch(engine.pipeline.now_s, 0.0)
        assert engine.pipeline.handle(head.call, body, listener, watch) is None
        assert listener.source is not None
        assert listener.source.cache is CacheResult.L1
        assert listener.result().body == stored.raw

    play(asyncio.new_event_loop, sim, scenario)


def test_results_are_frozen(sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        answer = await adapter.generate("Hi", model=CHAT)
        with pytest.raises(AttributeError):
            answer.text = "other"  # type: ignore[misc]
        assert isinstance(answer, msgspec.Struct)

    play(asyncio.new_event_loop, sim, scenario)
