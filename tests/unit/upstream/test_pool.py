"""The pool against a provider of the test's own: how many connections, whose, and for how long."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from headrace.errors import HeadraceError
from headrace.gateway.tasks import Tasks
from headrace.limits import H1_CONNECTION_S_MAX
from headrace.upstream.faults import FaultKind, UpstreamFault
from headrace.upstream.h1 import Flow, RawHeaders
from headrace.upstream.pool import Pool

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CLOSING = ANSWER.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")


class Limits(msgspec.Struct, frozen=True):
    connections_max: int = 10
    keepalive_s: float = 60.0
    connect_timeout_s: float = 1.0
    answer_mb_max: int = 1
    first_byte_timeout_s: float = 60.0
    idle_timeout_s: float = 60.0
    total_timeout_s: float = 60.0


class Meter:
    def __init__(self) -> None:
        self.said: list[str] = []

    def connected(self) -> None:
        self.said.append("connected")

    def retried(self) -> None:
        self.said.append("retried")

    def failed(self, kind: FaultKind) -> None:
        self.said.append(kind)


class Sink:
    """Keeps an answer and says when it is there."""

    def __init__(self) -> None:
        self.attempts = 0
        self.body = b""
        self.error: HeadraceError | None = None
        self.done = asyncio.Event()

    def on_attempt(self, flow: Flow) -> None:
        self.attempts += 1

    def on_head(self, status: int, headers: RawHeaders) -> None:
        self.status, self.headers = status, headers

    def on_body(self, chunk: bytes) -> None:
        self.body += chunk

    def on_end(self) -> None:
        self.done.set()

    def on_fault(self, error: HeadraceError) -> None:
        self.error = error
        self.done.set()

    async def wait(self) -> None:
        await asyncio.wait_for(self.done.wait(), 60)


class Provider:
    """Answers each request with the next of `answers`, the last one again and again.

    Attributes:
        open: connections now; `opened`: in all.
        gate: requests are answered while it is open.
        stop_listening: refuses connections from then on.
    """

    def __init__(self) -> None:
        self.answers = [ANSWER]
        self.open = self.opened = self.open_max = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.stop_listening: Callable[[], None]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.opened += 1
        self.open_max = max(self.open, self.open_max)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await self.gate.wait()
                answer = self.answers.pop(0) if self.answers[1:] else self.answers[0]
                writer.write(answer)
                await writer.drain()
                if not answer or b"connection: close" in answer:
                    break
        self.open -= 1
        writer.close()


@contextlib.asynccontextmanager
async def pooled(limits: Limits = Limits()) -> AsyncIterator[tuple[Pool, Provider, Meter]]:  # noqa: B008
    bugs: list[BaseException] = []
    provider, meter, tasks = Provider(), Meter(), Tasks(bugs.append)
    server = await asyncio.start_server(provider.talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = Pool("p", "127.0.0.1", port, tls=None, limits=limits, meter=meter, spawn=tasks.spawn)
    provider.stop_listening = server.close
    try:
        yield pool, provider, meter
        assert bugs == []
    finally:
        pool.close()
        await tasks.close()
        server.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 100))


async def call(pool: Pool) -> Sink:
    sink = Sink()
    pool.send(REQUEST, sink)
    await sink.wait()
    return sink


async def until(predicate: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not predicate():  # noqa: ASYNC110  # what it asks has no event
            await asyncio.sleep(0)


def test_a_connection_is_used_again():
    async def test() -> None:
        async with pooled() as (pool, provider, meter):
            for _ in range(3):
                assert (await call(pool)).body == b"ok"
            assert (provider.opened, pool.idle, pool.active) == (1, 1, 0)
            assert meter.said == ["connected"]

    run(test)


def test_a_connection_the_provider_closes_is_not_used_again():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            provider.answers = [CLOSING]
            for _ in range(2):
                assert (await call(pool)).body == b"ok"
            await until(lambda: pool.active == 0)
            assert (provider.opened, pool.idle) == (2, 0)

    run(test)


def test_a_connection_that_lived_long_finishes_its_call_and_takes_no_other():
    async def test() -> None:
        patient = Limits(keepalive_s=1e9, first_byte_timeout_s=1e9, total_timeout_s=1e9)
        async with pooled(patient) as (pool, provider, _):
            provider.gate.clear()
            sink = Sink()
            pool.send(REQUEST, sink)
            await until(lambda: provider.open == 1)
            pool.sweep(asyncio.get_running_loop().time() + H1_CONNECTION_S_MAX)
            provider.gate.set()
            await sink.wait()
            assert (sink.body, pool.idle) == (b"ok", 0)
            for _ in range(2):
                assert (await call(pool)).body == b"ok"
            assert (provider.opened, pool.idle) == (2, 1)
            pool.sweep(asyncio.get_running_loop().time() + H1_CONNECTION_S_MAX)
            assert (pool.idle, pool.active) == (0, 0)
            assert (await call(pool)).body == b"ok"
            assert provider.opened == 3

    run(test)


def test_a_sink_with_a_bug_leaves_no_connection_behind():
    class Broken(Sink):
        def on_fault(self, error: HeadraceError) -> None:
            super().on_fault(error)
            raise ZeroDivisionError

    async def test() -> None:
        bugs: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: bugs.append(context.get("exception")))
        async with pooled(Limits(connections_max=1)) as (pool, provider, _):
            provider.answers = [b"", ANSWER]
            sink = Broken()
            pool.send(REQUEST, sink)
            await sink.wait()
            await until(lambda: bool(bugs))
            assert (pool.active, pool.idle) == (0, 0)
            assert [type(bug) for bug in bugs] == [ZeroDivisionError]
            assert (await call(pool)).body == b"ok"

    run(test)


def test_never_more_connections_than_the_bound():
    async def test() -> None:
        async with pooled(Limits(connections_max=2)) as (pool, provider, _):
            provider.gate.clear()
            sinks = [Sink() for _ in range(6)]
            for sink in sinks:
                assert pool.is_full is (pool.active == 2)
                pool.send(REQUEST, sink)
                await asyncio.sleep(0)
            await until(lambda: provider.open == 2)
            assert pool.is_full
            provider.gate.set()
            for sink in sinks:
                await sink.wait()
            assert [sink.body for sink in sinks] == [b"ok"] * 6
            assert (provider.open_max, pool.is_full) == (2, False)

    run(test)


def test_who_waits_gets_its_turn_when_a_connection_is_lost():
    async def test() -> None:
        async with pooled(Limits(connections_max=1)) as (pool, provider, _):
            provider.answers = [CLOSING]
            sinks = [Sink() for _ in range(3)]
            for sink in sinks:
                pool.send(REQUEST, sink)
            for sink in sinks:
                await sink.wait()
            assert [sink.body for sink in sinks] == [b"ok"] * 3
            assert provider.open_max == 1

    run(test)


def test_who_waits_gets_its_turn_when_a_call_is_given_up_before_it_is_connected():
    async def test() -> None:
        async with pooled(Limits(connections_max=1)) as (pool, _, _):
            first, second = Sink(), Sink()
            call = pool.send(REQUEST, first)
            pool.send(REQUEST, second)
            await asyncio.sleep(0)
            call.cancel()
            await second.wait()
            assert (second.error, second.body) == (None, b"ok")
            assert not first.done.is_set()

    run(test)


def test_who_waits_too_long_is_told():
    async def test() -> None:
        async with pooled(Limits(connections_max=1, connect_timeout_s=0.5)) as (pool, provider, _):
            provider.gate.clear()
            pool.send(REQUEST, Sink())
            sink = await call(pool)
            assert sink.error is not None
            assert (sink.error.status, sink.error.code) == (503, "pool_exhausted")
            provider.gate.set()

    run(test)


def test_a_call_given_up_closes_its_connection():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            provider.gate.clear()
            sink = Sink()
            call = pool.send(REQUEST, sink)
            await until(lambda: provider.open == 1)
            call.cancel()
            await until(lambda: pool.active == 0)
            provider.gate.set()
            await until(lambda: provider.open == 0)
            assert not sink.done.is_set()

    run(test)


def test_a_stale_connection_is_replaced_once():
    async def test() -> None:
        async with pooled() as (pool, provider, meter):
            provider.answers = [ANSWER, b"", ANSWER]
            await call(pool)
            sink = await call(pool)
            assert (sink.body, sink.attempts) == (b"ok", 2)
            assert meter.said == ["connected", "retried", "connected"]
            provider.answers = [b""]
            sink = await call(pool)
            assert isinstance(sink.error, UpstreamFault)
            assert (sink.error.kind, sink.attempts) == ("reset", 2)

    run(test)


def test_a_fresh_connection_is_not_tried_twice():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            provider.answers = [b""]
            sink = await call(pool)
            assert isinstance(sink.error, UpstreamFault)
            assert (sink.error.kind, sink.attempts) == ("reset", 1)

    run(test)


def test_idle_connections_expire():
    async def test() -> None:
        async with pooled(Limits(keepalive_s=5)) as (pool, provider, _):
            await call(pool)
            now_s = asyncio.get_running_loop().time()
            pool.sweep(now_s)
            assert pool.idle == 1
            pool.sweep(now_s + 6)
            assert pool.idle == 0
            await until(lambda: provider.open == 0)

    run(test)


def test_each_time_limit_ends_a_call():
    async def test() -> None:
        async with pooled(Limits(first_byte_timeout_s=5, total_timeout_s=9)) as (pool, provider, _):
            provider.gate.clear()
            for later_s, kind in ((6, "timeout_first_byte"), (10, "timeout_total")):
                sink = Sink()
                pool.send(REQUEST, sink)
                await until(lambda sink=sink: sink.attempts == 1)
                pool.sweep(asyncio.get_running_loop().time() + later_s)
                await sink.wait()
                assert isinstance(sink.error, UpstreamFault)
                assert (sink.error.kind, sink.error.status) == (kind, 504)
            provider.gate.set()

    run(test)


def test_warm_connections_are_opened_once():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            await pool.warm(3)
            await pool.warm(3)
            assert pool.idle == 3
            await until(lambda: provider.opened == 3)

    run(test)


def test_an_answer_nobody_asked_for_closes_the_connection():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            provider.answers = [ANSWER + ANSWER, ANSWER]
            assert (await call(pool)).body == b"ok"
            assert (await call(pool)).body == b"ok"

    run(test)


def test_interim_answers_are_skipped():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            provider.answers = [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + ANSWER]
            sink = await call(pool)
            assert (sink.status, sink.body) == (200, b"ok")

    run(test)


def test_what_was_good_of_a_broken_answer_is_handed_on():
    async def test() -> None:
        async with pooled() as (pool, provider, meter):
            head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            provider.answers = [head + b"4\r\ngood\r\n" + b"zz\r\n"]  # one read
            sink = await call(pool)
            assert (sink.status, sink.body) == (200, b"good")
            assert isinstance(sink.error, UpstreamFault)
            assert meter.said == ["connected", "cut"]

    run(test)
