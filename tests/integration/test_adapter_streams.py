"""Streams of the library face: in order, complete or an error, as fast as they are read."""

import asyncio
from typing import Any

import pytest
from tests.support.adapter import CHAT, MODELS, Loop, play, settings_for, soon
from tests.support.provider import ScriptedProvider, scripted, sized, streamed

from headrace import (
    Adapter,
    HeadraceError,
    NotRunning,
    StreamEvent,
    UpstreamBroken,
    UpstreamRefused,
)
from headrace.library import Stream
from headrace.limits import WRITE_BUFFER_BYTES_HIGH
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

PIECE_BYTES_MAX = 1 << 20
"""More than any loop reads at once."""


async def collect(stream: Stream) -> list[StreamEvent]:
    return [event async for event in stream]


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events)


@pytest.mark.parametrize("model", MODELS)
def test_events_come_in_order_and_again_from_memory(
    loop: Loop, sim: ThreadedSim, model: str
) -> None:
    async def scenario(adapter: Adapter) -> None:
        stream = adapter.stream("Tell me", model=model)
        events = await collect(stream)
        assert [event.index for event in events] == list(range(len(events)))
        assert all(event.json() for event in events)
        (reason,) = [event.finish_reason for event in events if event.finish_reason]
        assert reason in ("stop", "end_turn")
        whole = stream.completion()
        assert (whole.cache, whole.attempts) == ("miss", 1)
        assert whole.text == text_of(events) != ""
        again = adapter.stream("Tell me", model=model)
        assert text_of(await collect(again)) == whole.text
        assert again.completion().cache == "l1"
        assert sim.stats().requests_total == 1

    play(loop, sim, scenario)


@pytest.mark.parametrize("model", MODELS)
def test_a_whole_answer_and_a_stream_stand_for_each_other(
    loop: Loop, sim: ThreadedSim, model: str
) -> None:
    async def scenario(adapter: Adapter) -> None:
        whole = await adapter.generate("One", model=model)
        assert text_of(await collect(adapter.stream("One", model=model))) == whole.text
        events = await collect(adapter.stream("Two", model=model))
        second = await adapter.generate("Two", model=model)
        assert (second.cache, second.text) == ("l1", text_of(events))
        assert sim.stats().requests_total == 2

    play(loop, sim, scenario)


def test_usage_comes_when_the_provider_tells_it(loop: Loop, sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        options = {"include_usage": True}
        for model, fields in zip(MODELS, ({"stream_options": options}, {}), strict=True):
            stream = adapter.stream("Usage", model=model, **fields)
            (usage,) = [event.usage for event in await collect(stream) if event.usage]
            assert usage == stream.completion().usage
            assert usage.input_tokens > 0 < usage.output_tokens

    play(loop, sim, scenario)


def test_several_choices_are_told_apart(loop: Loop, sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        events = await collect(adapter.stream("Twice", model=CHAT, n=2))
        whole = await adapter.generate("Twice", model=CHAT, n=2)
        for number, choice in enumerate(whole.json()["choices"]):
            mine = [event for event in events if event.choice == number]
            assert text_of(mine) == choice["message"]["content"]

    play(loop, sim, scenario)


def test_identical_streams_share_one_call(loop: Loop, sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        streams = [adapter.stream("Together", model=CHAT) for _ in range(5)]
        texts = await asyncio.gather(*(collect(stream) for stream in streams))
        assert len({text_of(events) for events in texts}) == 1
        assert [stream.completion().cache for stream in streams].count("joined") == 4
        assert sim.stats().requests_total == 1

    play(loop, sim, scenario)


# Stopping early.


async def stop_by_break(adapter: Adapter) -> None:
    async for event in adapter.stream("Stop", model=CHAT):
        if event.text:
            break


async def stop_by_aclose(adapter: Adapter) -> None:
    stream = adapter.stream("Stop", model=CHAT)
    await anext(stream)
    await stream.aclose()
    assert await collect(stream) == []


async def stop_by_context(adapter: Adapter) -> None:
    async with adapter.stream("Stop", model=CHAT) as stream:
        await anext(stream)
    with pytest.raises(NotRunning, match="read it to its end"):
        stream.completion()


async def stop_by_error(adapter: Adapter) -> None:
    async def fail() -> None:
        async for event in adapter.stream("Stop", model=CHAT):
            _ = 1 // len(event.text)

    with pytest.raises(ZeroDivisionError):
        await fail()


async def stop_by_cancelling(adapter: Adapter) -> None:
    task = asyncio.create_task(collect(adapter.stream("Stop", model=CHAT)))
    await soon(lambda: adapter.metrics()["upstream_connections"]["active"] == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "stop", [stop_by_break, stop_by_aclose, stop_by_context, stop_by_error, stop_by_cancelling]
)
def test_who_stops_early_ends_the_call(loop: Loop, sim: ThreadedSim, stop: Any) -> None:
    async def scenario(adapter: Adapter) -> None:
        sim.script(Fault(kind=FaultKind.STALL_MID, after_chunks=4))
        await stop(adapter)
        await soon(lambda: sim.stats().streams_aborted == 1)
        assert adapter.metrics()["inflight"] == 0
        assert 'status="499"' in adapter.metrics_text()
        assert (await adapter.generate("Stop", model=CHAT)).cache == "miss"

    play(loop, sim, scenario)


def test_the_others_get_the_rest_when_one_stops(loop: Loop, sim: ThreadedSim) -> None:
    slow = {"headers": {"x-sim-tokens": "30", "x-sim-token-ms": "30"}}

    async def scenario(adapter: Adapter) -> None:
        first, second = (adapter.stream("Shared", model=CHAT) for _ in range(2))
        await anext(first)
        rest = asyncio.create_task(collect(second))
        await soon(lambda: adapter.metrics()["inflight"] == 2)
        await first.aclose()
        await rest
        assert second.completion().text == text_of(rest.result())
        assert sim.stats().streams_aborted == 0

    play(loop, sim, scenario, **slow)


def test_an_unfinished_stream_does_not_hold_up_the_end(sim: ThreadedSim) -> None:
    async def live() -> None:
        sim.script(Fault(kind=FaultKind.STALL_MID, after_chunks=2))
        async with Adapter(settings_for(sim.url), close_timeout_s=60) as adapter:
            stream = adapter.stream("Held", model=CHAT)
            await anext(stream)
        with pytest.raises(NotRunning, match="closed before"):
            await collect(stream)

    asyncio.run(asyncio.wait_for(live(), 50))


def test_a_stream_that_nobody_read_asked_nothing(sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        adapter.stream("Unread", model=CHAT)
        await adapter.stream("Unread", model=CHAT).aclose()
        assert sim.stats().requests_total == 0

    play(asyncio.new_event_loop, sim, scenario)


# Backpressure.


def test_a_slow_reader_pauses_the_provider(loop: Loop) -> None:
    line = b'data: {"choices":[{"index":0,"delta":{"content":"%06d"}}]}' + b" " * 900 + b"\n\n"
    count = 15_000
    chunks = [
        b"".join(line % at for at in range(start, start + 100)) for start in range(0, count, 100)
    ]

    async def live(provider: ScriptedProvider) -> None:
        provider.answers.append(streamed(*chunks, b"data: [DONE]\n\n"))
        async with Adapter(settings_for(provider.url, warm_connections=0)) as adapter:
            stream = adapter.stream("Much", model=CHAT)
            texts = [(await anext(stream)).text]
            await soon(lambda: stream.is_paused)
            async for event in stream:
                assert stream.bytes_held <= WRITE_BUFFER_BYTES_HIGH + PIECE_BYTES_MAX
                texts.append(event.text)
            assert texts == [f"{at:06d}" for at in range(count)]

    with scripted() as provider, asyncio.Runner(loop_factory=loop) as runner:
        runner.run(live(provider))


# What providers do wrong.

SPOILED = [
    (Fault(kind=FaultKind.RESET_BEFORE), "upstream_reset"),
    (Fault(kind=FaultKind.RESET_MID, after_chunks=3), "upstream_cut"),
    (Fault(kind=FaultKind.CUT, after_chunks=3), "upstream_cut"),
    (Fault(kind=FaultKind.END_EARLY, after_chunks=3), "upstream_cut"),
    (Fault(kind=FaultKind.GARBAGE), "upstream_garbage"),
    (Fault(kind=FaultKind.STALL_BEFORE), "upstream_timeout_first_byte"),
    (Fault(kind=FaultKind.STALL_MID, after_chunks=3), "upstream_timeout_idle"),
    (Fault(kind=FaultKind.GZIP), "upstream_garbage"),
]


@pytest.mark.parametrize(("fault", "code"), SPOILED, ids=lambda value: getattr(value, "kind", None))
@pytest.mark.parametrize("model", MODELS)
def test_a_spoiled_answer_raises_and_is_not_kept(
    sim: ThreadedSim, model: str, fault: Fault, code: str
) -> None:
    async def scenario(adapter: Adapter) -> None:
        sim.script(fault)
        with pytest.raises(UpstreamBroken) as caught:
            await collect(adapter.stream("Spoiled", model=model))
        assert caught.value.code == code
        sim.script(fault)
        with pytest.raises(UpstreamBroken):
            await adapter.generate("Spoiled", model=model)
        assert adapter.metrics()["cache"]["entries"] == 0
        assert text_of(await collect(adapter.stream("Spoiled", model=model)))

    stalls = fault.kind in (FaultKind.STALL_BEFORE, FaultKind.STALL_MID)
    limits = {"first_byte_timeout_s": 0.5, "idle_timeout_s": 0.5} if stalls else {}
    play(asyncio.new_event_loop, sim, scenario, **limits)


@pytest.mark.heavy
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
def test_a_providers_error_is_quoted(sim: ThreadedSim, model: str, status: int) -> None:
    async def scenario(adapter: Adapter) -> None:
        fault = Fault(
            kind=FaultKind.STATUS,
            times=2,
            status=status,
            headers={"retry-after": "1"},
            body='{"error": {"message": "Not today.", "type": "mood"}}',
        )
        sim.script(fault)
        with pytest.raises(UpstreamRefused, match=r"Not today\.") as whole:
            await adapter.generate("Hi", model=model)
        with pytest.raises(UpstreamRefused, match=r"Not today\.") as streamed_:
            await collect(adapter.stream("Hi", model=model))
        for caught in (whole.value, streamed_.value):
            assert caught.upstream_status == status
            assert caught.body == (fault.body or "").encode()
            assert caught.retry_after_s == 1
        assert (await adapter.generate("Hi", model=model)).cache == "miss"
        known = status if status != 529 else "other"
        assert f'status="{known}",cache="miss"}} 2' in adapter.metrics_text()

    play(asyncio.new_event_loop, sim, scenario)


def test_one_error_reaches_everyone_who_joined(sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        sim.script(Fault(kind=FaultKind.RESET_BEFORE))
        calls = [adapter.generate("Hi", model=CHAT) for _ in range(4)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [type(outcomes[0])] * 4
        assert isinstance(outcomes[0], UpstreamBroken)
        assert sim.stats().requests_total == 1

    play(asyncio.new_event_loop, sim, scenario)


def event(data: bytes, name: bytes = b"") -> bytes:
    return (b"event: " + name + b"\n" if name else b"") + b"data: " + data + b"\n\n"


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (CHAT, event(b'{"error":{"message":"Overheated."}}')),
        (CHAT, event(b'{"message":"Overheated."}', b"error")),
        ("claude-sim", event(b'{"type":"error","error":{"message":"Overheated."}}', b"error")),
    ],
)
def test_an_error_amid_the_events_is_raised(model: str, told: bytes) -> None:
    async def live(provider: ScriptedProvider) -> None:
        provider.answers.append(streamed(event(b"{}"), told))
        async with Adapter(settings_for(provider.url, warm_connections=0)) as adapter:
            with pytest.raises(UpstreamRefused, match="Overheated") as caught:
                await collect(adapter.stream("Hi", model=model))
            assert caught.value.upstream_status == 200

    with scripted() as provider:
        asyncio.run(live(provider))


def test_the_other_shape_than_asked_for_is_understood() -> None:
    whole = b'{"choices":[{"index":0,"message":{"content":"Flow."},"finish_reason":"stop"}]}'
    part = b'{"choices":[{"index":0,"delta":{"content":"Flow."},"finish_reason":"stop"}]}'

    async def live(provider: ScriptedProvider) -> None:
        async with Adapter(settings_for(provider.url, warm_connections=0)) as adapter:
            provider.answers[:] = [sized(whole)]
            stream = adapter.stream("Whole", model=CHAT)
            assert text_of(await collect(stream)) == stream.completion().text == "Flow."
            provider.answers[:] = [streamed(event(part), event(b"[DONE]"))]
            assert (await adapter.generate("Events", model=CHAT)).text == "Flow."
            provider.answers[:] = [sized(b"<html>")]
            with pytest.raises(HeadraceError):
                await adapter.generate("Page", model=CHAT)

    with scripted() as provider:
        asyncio.run(live(provider))
