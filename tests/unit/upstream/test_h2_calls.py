"""One call over HTTP/2 among others: given up, slow, late or too large."""

import asyncio

import pytest
from tests.support.h2_provider import Stream, say_ok
from tests.unit.upstream.test_h2_pool import (
    REQUEST,
    Reader,
    begin_and_wait,
    call,
    pooled,
    wait_only,
)
from tests.unit.upstream.test_pool import Limits, run, until

from headrace.limits import H2_STREAM_WINDOW_BYTES


def test_cancelling_resets_the_stream_and_nothing_else():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            provider.play = begin_and_wait
            sink, other = Reader(), Reader()
            given_up = pool.send(REQUEST, sink)
            await until(lambda: bool(sink.body))
            pool.send(REQUEST, other)
            await until(lambda: bool(other.body))
            given_up.cancel()
            assert pool.active == 1
            await provider.streams[0].gone.wait()
            assert provider.streams[0].reset_code is not None
            assert not provider.streams[1].gone.is_set()
            provider.play = say_ok
            assert (await call(pool)).body == b"ok"
            assert (sink.error, sink.done.is_set(), provider.open) == (None, False, 1)

    run(test)


def test_a_call_given_up_before_its_answer_is_reset_once_that_begins():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            begins = asyncio.Event()

            async def later(stream: Stream) -> None:
                await begins.wait()
                await begin_and_wait(stream)

            provider.play = later
            sink = Reader()
            given_up = pool.send(REQUEST, sink)
            await until(lambda: len(provider.streams) == 1)
            given_up.cancel()
            assert (pool.active, pool.idle) == (0, 0)
            begins.set()
            await provider.streams[0].gone.wait()
            assert (provider.streams[0].reset_code, provider.open) == (8, 1)
            assert not hasattr(sink, "status")
            await until(lambda: pool.idle == 1)

    run(test)


def test_a_sink_may_give_the_call_up_while_it_is_told():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            provider.play = begin_and_wait

            class Leaver(Reader):
                def on_body(self, chunk: bytes) -> None:
                    given_up.cancel()

            given_up = pool.send(REQUEST, Leaver())
            await until(lambda: len(provider.streams) == 1)
            await provider.streams[0].gone.wait()
            assert provider.streams[0].reset_code is not None
            await until(lambda: pool.idle == 1)

    run(test)


def test_a_slow_reader_holds_its_own_answer_back_and_no_other():
    async def test() -> None:
        async with pooled(Limits(answer_mb_max=8)) as (pool, provider, _):
            size = 4 * H2_STREAM_WINDOW_BYTES

            async def flood(stream: Stream) -> None:
                stream.head()
                await stream.send(bytes(size))
                stream.end()

            class Slow(Reader):
                def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
                    self.flow.pause()

            provider.play = flood
            slow = Slow()
            pool.send(REQUEST, slow)
            await until(lambda: hasattr(slow, "flow") and len(provider.streams) == 1)
            connection = provider.connections[0]
            await until(lambda: connection.sent >= H2_STREAM_WINDOW_BYTES)
            provider.play = say_ok
            for _ in range(20):
                assert (await call(pool)).body == b"ok"
            assert len(slow.body) == 0
            assert connection.sent < size
            slow.flow.resume()
            await slow.wait()
            assert (slow.error, len(slow.body), len(provider.connections)) == (None, size, 1)

    run(test)


@pytest.mark.parametrize(
    ("play", "body", "limits", "kind"),
    [
        (wait_only, b"", Limits(first_byte_timeout_s=20.0), "timeout_first_byte"),
        (begin_and_wait, b"begun", Limits(idle_timeout_s=20.0), "timeout_idle"),
        (begin_and_wait, b"begun", Limits(total_timeout_s=20.0), "timeout_total"),
    ],
)
def test_time_limits(play, body, limits, kind):
    async def test() -> None:
        async with pooled(limits) as (pool, provider, meter):
            provider.play = play
            sink = Reader()
            pool.send(REQUEST, sink)
            await until(lambda: bool(provider.streams) and sink.body == body)
            now_s = asyncio.get_running_loop().time()
            pool.sweep(now_s)  # notes what was heard
            assert sink.error is None
            pool.sweep(now_s + 30.0)
            assert (sink.fault().kind, sink.fault().status) == (kind, 504)
            assert (kind in meter.said, pool.active) == (True, 0)

    run(test)


def test_only_the_total_limit_runs_while_the_reader_pauses():
    async def test() -> None:
        async with pooled(Limits(idle_timeout_s=20, total_timeout_s=100)) as (
            pool,
            provider,
            _,
        ):
            provider.play = begin_and_wait
            sink = Reader()
            pool.send(REQUEST, sink)
            await until(lambda: bool(sink.body))
            sink.flow.pause()
            now_s = asyncio.get_running_loop().time()
            for passed_s in (0.0, 30.0, 60.0):
                pool.sweep(now_s + passed_s)
            assert sink.error is None
            pool.sweep(now_s + 101.0)
            assert sink.fault().kind == "timeout_total"

    run(test)


def test_an_answer_that_is_too_large():
    async def test() -> None:
        async with pooled(Limits(answer_mb_max=1)) as (pool, provider, _):

            async def flood(stream: Stream) -> None:
                stream.head()
                await stream.send(bytes(3 << 20))
                stream.end()

            provider.play = flood
            assert (await call(pool)).fault().kind == "too_large"
            await provider.streams[0].gone.wait()
            provider.play = say_ok
            assert (await call(pool)).error is None
            assert provider.open == 1

    run(test)
