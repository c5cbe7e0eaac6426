"""Who waits for a connection, and what becomes of it when the connection or the time is gone."""

import asyncio
from collections.abc import Callable

import pytest
from tests.unit.upstream.test_pool import (
    ANSWER,
    REQUEST,
    Limits,
    Sink,
    call,
    pooled,
    run,
    until,
)

from headrace.upstream.faults import UpstreamFault

ONE = Limits(connections_max=1)


def test_a_stale_connection_that_was_waited_for_is_replaced_too():
    async def test() -> None:
        async with pooled(ONE) as (pool, provider, meter):
            provider.answers = [ANSWER, b"", ANSWER]
            first, second = Sink(), Sink()
            pool.send(REQUEST, first)
            pool.send(REQUEST, second)
            await second.wait()
            assert (second.error, second.body, second.attempts) == (None, b"ok", 2)
            assert "retried" in meter.said

    run(test)


def test_a_connection_lost_before_its_new_call_took_it_is_not_used():
    async def test() -> None:
        async with pooled(ONE) as (pool, provider, _):
            first, second = Sink(), Sink()
            on_end = first.on_end

            def lose() -> None:
                on_end()
                loop.call_soon(lambda: connection.abort())  # noqa: PLW0108  # bound later

            first.on_end = lose  # type: ignore[method-assign]
            loop = asyncio.get_running_loop()
            carrying = pool.send(REQUEST, first)
            pool.send(REQUEST, second)
            await until(lambda: carrying.connection is not None)
            connection = carrying.connection
            assert connection is not None
            await second.wait()
            assert (second.error, second.body) == (None, b"ok")
            assert provider.opened == 2
            assert (pool.active, pool.idle) == (0, 1)

    run(test)


def test_a_connection_that_comes_too_late_goes_to_somebody_else():
    async def test() -> None:
        limits = Limits(connections_max=1, connect_timeout_s=0.9)
        async with pooled(limits) as (pool, provider, _):
            loop = asyncio.get_running_loop()
            provider.gate.clear()
            first, second = Sink(), Sink()
            carrying = pool.send(REQUEST, first)
            await until(lambda: carrying.connection is not None)
            pool.send(REQUEST, second)
            await asyncio.sleep(0)
            connection = carrying.connection
            assert connection is not None
            # The connection comes free and the time runs out in one turn of the loop.
            loop.call_later(0.1, connection.data_received, ANSWER)
            now = loop.time
            loop.time = lambda: now() + 1.0  # type: ignore[method-assign]
            await second.wait()
            assert first.body == b"ok"
            assert second.error is not None
            assert (pool.active, pool.idle) == (0, 1)
            provider.gate.set()

    run(test)


def test_a_newcomer_does_not_overtake_who_waits():
    async def test() -> None:
        async with pooled(ONE) as (pool, provider, _):
            first, second, third = Sink(), Sink(), Sink()
            on_end = first.on_end

            def ask_again() -> None:
                on_end()
                loop.call_soon(pool.send, REQUEST, third)

            first.on_end = ask_again  # type: ignore[method-assign]
            loop = asyncio.get_running_loop()
            pool.send(REQUEST, first)
            pool.send(REQUEST, second)
            for sink in (second, third):
                await sink.wait()
            assert (provider.opened, provider.open_max) == (1, 1)

    run(test)


def test_calls_that_wait_when_their_pool_is_replaced_are_served():
    async def test() -> None:
        async with pooled(ONE) as (pool, provider, _):
            provider.gate.clear()
            first, second = Sink(), Sink()
            pool.send(REQUEST, first)
            pool.send(REQUEST, second)
            await until(lambda: provider.open == 1)
            pool.close()
            provider.gate.set()
            await second.wait()
            assert (first.body, second.body) == (b"ok", b"ok")
            await until(lambda: provider.open == 0)
            assert (pool.active, pool.idle) == (0, 0)

    run(test)


TRAILING = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b"2\r\nok\r\n0\r\ncontent-encoding: gzip\r\n\r\n"
)


def test_trailers_are_no_headers():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            provider.answers = [TRAILING]
            sink = await call(pool)
            assert (sink.body, pool.idle) == (b"ok", 1)
            assert sink.headers == [(b"transfer-encoding", b"chunked")]

    run(test)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nx-a: "], ids=len)
def test_a_head_without_end_is_given_up(start: bytes):
    async def test() -> None:
        line: Callable[[int], bytes] = lambda size: b"x-b: " + b"b" * size + b"\r\n"  # noqa: E731
        async with pooled() as (pool, provider, _):
            provider.answers = [start + line(1000) * 1200]
            sink = await call(pool)
            assert isinstance(sink.error, UpstreamFault)
            assert sink.error.kind == "too_large"

    run(test)
