"""The pool for HTTP/2 against a provider whose every frame the test decides."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
from tests.support.h2_provider import H2Provider, Stream, h2_provider, say_ok
from tests.unit.upstream.test_pool import Limits, Meter, Sink, run, until

from headrace.errors import HeadraceError, Overloaded
from headrace.gateway.tasks import Tasks
from headrace.limits import H2_CONNECTION_S_MAX, H2_STREAMS_MAX
from headrace.upstream.faults import UpstreamFault
from headrace.upstream.h1 import Flow
from headrace.upstream.h2_pool import H2Pool

REQUEST = b"POST /v1/x HTTP/1.1\r\nhost: h\r\nx-a: b\r\ncontent-length: 5\r\n\r\nhello"
LATER_S = 1_000_000.0


class Reader(Sink):
    """Keeps the flow too, so that the test can pause it."""

    def on_attempt(self, flow: Flow) -> None:
        super().on_attempt(flow)
        self.flow = flow

    def fault(self) -> UpstreamFault:
        assert isinstance(self.error, UpstreamFault)
        return self.error


@contextlib.asynccontextmanager
async def pool_at(
    origin: str,
    limits: Limits = Limits(),  # noqa: B008
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[tuple[H2Pool, Meter]]:
    bugs: list[BaseException] = []
    meter, tasks = Meter(), Tasks(bugs.append)
    pool = H2Pool("p", origin, tls=tls, limits=limits, meter=meter, spawn=tasks.spawn)
    try:
        yield pool, meter
        assert bugs == []
    finally:
        pool.close()
        await tasks.close()


@contextlib.asynccontextmanager
async def pooled(limits: Limits = Limits()) -> AsyncIterator[tuple[H2Pool, H2Provider, Meter]]:  # noqa: B008
    async with (
        h2_provider() as provider,
        pool_at(f"http://127.0.0.1:{provider.port}", limits) as (pool, meter),
    ):
        yield pool, provider, meter


async def call(pool: H2Pool) -> Reader:
    sink = Reader()
    pool.send(REQUEST, sink)
    await sink.wait()
    return sink


async def begin_and_wait(stream: Stream) -> None:
    stream.head()
    await stream.send(b"begun")
    await stream.gone.wait()


async def wait_only(stream: Stream) -> None:
    await stream.gone.wait()


def test_a_call_and_its_answer():
    async def test() -> None:
        async with pooled() as (pool, provider, meter):
            sink = await call(pool)
            assert (sink.status, sink.body, sink.error, sink.attempts) == (200, b"ok", None, 1)
            assert (b"content-type", b"application/json") in sink.headers
            (stream,) = provider.streams
            sent = dict(stream.headers)
            assert (sent[":method"], sent[":path"], sent["x-a"]) == ("POST", "/v1/x", "b")
            assert stream.body == b"hello"
            await until(lambda: (pool.idle, pool.active) == (1, 0))
            assert meter.said == ["connected"]

    run(test)


def test_one_connection_carries_a_hundred_calls_at_once():
    async def test() -> None:
        async with pooled() as (pool, provider, meter):
            everyone = asyncio.Barrier(100)

            async def together(stream: Stream) -> None:
                await everyone.wait()
                await say_ok(stream)

            provider.play = together
            sinks = [Reader() for _ in range(100)]
            for sink in sinks:
                pool.send(REQUEST, sink)
            await asyncio.gather(*(sink.wait() for sink in sinks))
            assert {sink.body for sink in sinks} == {b"ok"}
            assert len(provider.connections) == 1
            assert meter.said == ["connected"]

    run(test)


def test_it_grows_when_connections_are_full_and_shrinks_when_they_idle():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            provider.play = begin_and_wait
            sinks = [Reader() for _ in range(H2_STREAMS_MAX + 1)]
            calls = [pool.send(REQUEST, sink) for sink in sinks]
            await until(lambda: all(sink.body for sink in sinks))
            assert provider.open == 2
            for each in calls:
                each.cancel()
            await until(lambda: pool.idle == 2)
            pool.sweep(LATER_S)
            assert pool.idle == 0
            await until(lambda: provider.open == 0)

    run(test)


def test_the_fullest_connection_is_filled_first():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            provider.play = begin_and_wait
            sinks = [Reader() for _ in range(H2_STREAMS_MAX + 1)]
            calls = [pool.send(REQUEST, sink) for sink in sinks]
            await until(lambda: all(sink.body for sink in sinks))
            calls[-1].cancel()
            calls[0].cancel()
            await until(lambda: pool.idle == 1)
            more = Reader()
            pool.send(REQUEST, more)
            await until(lambda: bool(more.body))
            assert pool.idle == 1

    run(test)


def test_who_finds_no_room_waits_for_it():
    async def test() -> None:
        async with pooled(Limits(connections_max=1)) as (pool, provider, _):
            provider.play = begin_and_wait
            sinks = [Reader() for _ in range(H2_STREAMS_MAX)]
            calls = [pool.send(REQUEST, sink) for sink in sinks[1:]]
            await until(lambda: all(sink.body for sink in sinks[1:]))
            assert not pool.is_full
            calls.append(pool.send(REQUEST, sinks[0]))
            await until(lambda: bool(sinks[0].body))
            assert pool.is_full
            given_up, waiting = Reader(), Reader()
            unwanted = pool.send(REQUEST, given_up)
            pool.send(REQUEST, waiting)
            await asyncio.sleep(0)
            unwanted.cancel()
            calls[0].cancel()
            await until(lambda: bool(waiting.body))
            assert (given_up.attempts, len(provider.connections)) == (0, 1)

    run(test)


def test_who_gives_up_waiting_just_as_room_comes_does_no_harm():
    async def test() -> None:
        async with pooled(Limits(connections_max=1)) as (pool, provider, _):
            release = asyncio.Event()

            async def when_told(stream: Stream) -> None:
                await release.wait()
                await say_ok(stream)

            provider.play = when_told
            first = Reader()
            pool.send(REQUEST, first)
            for _ in range(H2_STREAMS_MAX - 1):
                pool.send(REQUEST, Reader())
            waiting = [(sink, pool.send(REQUEST, sink)) for sink in (Reader(), Reader())]
            await until(lambda: len(provider.streams) == H2_STREAMS_MAX)
            first.on_end = waiting[0][1].cancel  # type: ignore[method-assign]
            release.set()
            await waiting[1][0].wait()
            assert waiting[1][0].body == b"ok"
            await until(lambda: pool.active == 0)

    run(test)


def test_a_request_that_cannot_be_worded_is_told():
    async def test() -> None:
        bugs: list[BaseException] = []
        tasks = Tasks(bugs.append)
        origin = "http://127.0.0.1:1"
        spawn = tasks.spawn
        pool = H2Pool("p", origin, tls=None, limits=Limits(), meter=Meter(), spawn=spawn)
        sink = Reader()
        pool.send(REQUEST.replace(b"x-a: b", b"x-a: \x01"), sink)
        await sink.wait()
        assert (type(sink.error), pool.active) == (HeadraceError, 0)
        await until(lambda: bool(bugs))
        pool.close()

    run(test)


def test_who_waits_too_long_for_room_is_told():
    async def test() -> None:
        limits = Limits(connections_max=1, connect_timeout_s=1.5)
        async with pooled(limits) as (pool, provider, _):
            provider.play = begin_and_wait
            for _ in range(H2_STREAMS_MAX):
                pool.send(REQUEST, Reader())
            sink = await call(pool)
            assert isinstance(sink.error, Overloaded)
            assert sink.error.code == "pool_exhausted"

    run(test)


def test_a_connection_that_lived_long_takes_no_new_calls_and_finishes_its_old_ones():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            begun = asyncio.Event()

            async def slowly(stream: Stream) -> None:
                stream.head()
                await stream.send(b"be")
                await begun.wait()
                await stream.send(b"gun")
                stream.end()

            provider.play = slowly
            old = Reader()
            pool.send(REQUEST, old)
            await until(lambda: bool(old.body))
            now_s = asyncio.get_running_loop().time()
            pool.sweep(now_s)
            pool._channels[0].made_s = now_s - H2_CONNECTION_S_MAX
            pool.sweep(now_s)
            provider.play = say_ok
            assert (await call(pool)).body == b"ok"
            assert provider.open == 2
            begun.set()
            await old.wait()
            assert (old.body, old.error) == (b"begun", None)
            await until(lambda: provider.open == 1)

    run(test)


def test_warming_connects_and_tells_who_cannot_be_reached():
    async def test() -> None:
        async with pooled() as (pool, provider, meter):
            await pool.warm(1)
            await pool.warm(1)
            assert (pool.idle, provider.open, meter.said) == (1, 1, ["connected"])
            assert dict(provider.streams[0].headers)[":method"] == "HEAD"
            await call(pool)
            assert provider.open == 1
        async with pool_at("http://127.0.0.1:1") as (pool, _):
            with pytest.raises(UpstreamFault) as told:
                await pool.warm(1)
            assert (told.value.kind, pool.idle) == ("connect", 0)

    run(test)


def test_ending_tells_every_call():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            provider.play = begin_and_wait
            sink = Reader()
            pool.send(REQUEST, sink)
            await until(lambda: bool(sink.body))
            pool.end()
            assert (sink.fault().kind, pool.active) == ("shutdown", 0)
            await until(lambda: provider.open == 0)

    run(test)


def test_closing_lets_calls_finish():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            sink = Reader()
            pool.send(REQUEST, sink)
            pool.close()
            await sink.wait()
            assert sink.body == b"ok"
            await until(lambda: provider.open == 0)

    run(test)


def server_context(ca: trustme.CA, *alpn: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(list(alpn))
    return context


def test_tls_goes_by_the_authorities_it_is_told_and_by_new_ones_from_then_on():
    async def test() -> None:
        ca, other = trustme.CA(), trustme.CA()
        ours, theirs = (ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) for _ in range(2))
        ca.configure_trust(ours)
        other.configure_trust(theirs)
        async with h2_provider(server_context(ca, "h2")) as provider:
            origin = f"https://localhost:{provider.port}"
            async with pool_at(origin, tls=theirs) as (pool, _):
                error: HeadraceError | None = (await call(pool)).error
                assert isinstance(error, UpstreamFault)
                assert (error.kind, error.is_unsent) == ("tls", True)
                pool.trust(ours)
                assert (await call(pool)).body == b"ok"
                pool.trust(ours)
                assert (pool.idle, (await call(pool)).body, provider.open) == (1, b"ok", 1)

    run(test)
