"""What breaks on the way over HTTP/2, as the faults that HTTP/1.1 knows."""

import asyncio
import re
import ssl

import pytest
import trustme
from h2.errors import ErrorCodes
from tests.support.h2_provider import Stream, h2_provider, say_ok
from tests.unit.upstream.test_h2_pool import REQUEST, Limits, Reader, call, pool_at, pooled, run
from tests.unit.upstream.test_pool import until


def plays(**how):
    """A provider that does all this in order."""

    async def play(stream: Stream) -> None:
        if "body" in how:
            stream.head()
            await stream.send(how["body"])
        if "reset" in how:
            stream.reset(how["reset"])
        if "bytes" in how:
            stream.connection.transport.write(how["bytes"])
        if how.get("abort"):
            stream.connection.transport.abort()

    return play


@pytest.mark.parametrize(
    ("play", "kind", "calls"),
    [
        (plays(reset=ErrorCodes.INTERNAL_ERROR), "reset", 1),
        (plays(body=b"x", reset=ErrorCodes.INTERNAL_ERROR), "cut", 1),
        (plays(abort=True), "reset", 1),
        (plays(body=b"x", abort=True), "cut", 1),
        (plays(bytes=b"HTTP/1.1 400 Bad Request\r\n\r\n"), "garbage", 1),
        # Never begun, as the provider says: asked again by pyreqwest, twice.
        (plays(reset=ErrorCodes.REFUSED_STREAM), "reset", 3),
    ],
)
def test_faults_of_a_call(play, kind, calls):
    async def test() -> None:
        async with pooled() as (pool, provider, meter):
            provider.play = play
            sink = await call(pool)
            assert (sink.fault().kind, sink.fault().status) == (kind, 502)
            assert (meter.said[-1], len(provider.streams)) == (kind, calls)
            assert sink.fault().received == (kind in ("cut", "garbage"))
            provider.play = say_ok
            assert (await call(pool)).body == b"ok"

    run(test)


def test_a_reset_stream_leaves_the_others_alone():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            goes_on = asyncio.Event()

            async def slowly(stream: Stream) -> None:
                stream.head()
                await stream.send(b"a")
                await goes_on.wait()
                await stream.send(b"b")
                stream.end()

            provider.play = slowly
            fine = Reader()
            pool.send(REQUEST, fine)
            await until(lambda: bool(fine.body))
            provider.play = plays(body=b"x", reset=ErrorCodes.INTERNAL_ERROR)
            assert (await call(pool)).fault().kind == "cut"
            goes_on.set()
            await fine.wait()
            assert (fine.body, fine.error, len(provider.connections)) == (b"ab", None, 1)

    run(test)


def test_a_connection_lost_before_the_answer_is_replaced_once_if_it_has_served():
    async def test() -> None:
        async with pooled() as (pool, provider, meter):
            await call(pool)
            provider.play = plays(abort=True)
            sink = await call(pool)
            assert (sink.fault().kind, sink.attempts, len(provider.streams)) == ("reset", 2, 3)
            assert meter.said.count("retried") == 1

    run(test)


def test_calls_on_a_connection_that_says_goodbye_are_answered_and_new_ones_go_elsewhere():
    async def test() -> None:
        async with pooled() as (pool, provider, _):
            ends = asyncio.Event()

            async def leave(stream: Stream) -> None:
                stream.head()
                await stream.send(b"a")
                stream.connection.goodbye()
                await ends.wait()
                await stream.send(b"b")
                stream.end()

            provider.play = leave
            old = Reader()
            pool.send(REQUEST, old)
            await until(lambda: bool(old.body))
            provider.play = say_ok
            assert (await call(pool)).body == b"ok"
            assert len(provider.connections) == 2
            ends.set()
            await old.wait()
            assert (old.body, old.error) == (b"ab", None)

    run(test)


def test_a_call_that_a_goodbye_says_was_never_begun_is_made_again():
    async def test() -> None:
        async with pooled() as (pool, provider, _):

            async def leave(stream: Stream) -> None:
                provider.play = say_ok
                stream.connection.goodbye(last_stream=0)
                stream.connection.transport.close()

            provider.play = leave
            sink = await call(pool)
            assert (sink.body, sink.error, len(provider.connections)) == (b"ok", None, 2)

    run(test)


def test_a_provider_that_lets_nothing_more_be_sent_runs_into_a_time_limit():
    async def test() -> None:
        async with pooled(Limits(first_byte_timeout_s=20.0)) as (pool, provider, _):
            await call(pool)
            room = 65535 - len("hello")
            provider.hold_windows()
            large = b"POST / HTTP/1.1\r\nhost: h\r\n\r\n" + bytes(room + 1000)
            sink, other = Reader(), Reader()
            pool.send(large, sink)
            pool.send(REQUEST.replace(b"hello", b""), other)
            await other.wait()  # what needs no window goes through
            assert other.body == b"ok"
            pool.sweep(asyncio.get_running_loop().time() + 21.0)
            assert sink.fault().kind == "timeout_first_byte"

    run(test)


def test_a_header_that_is_not_ascii_is_left_out_and_trailers_are_no_headers():
    async def test() -> None:
        async with pooled() as (pool, provider, _):

            async def strange(stream: Stream) -> None:
                stream.head(200, (("x-a", "h\xe9"), ("x-b", "1"), ("x-b", "2")))
                await stream.send(b"ok")
                stream.end((("x-t", "1"),))

            provider.play = strange
            sink = await call(pool)
            assert (sink.headers, sink.body) == ([(b"x-b", b"1"), (b"x-b", b"2")], b"ok")

    run(test)


def tls_server(*alpn: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    ca = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(server)
    server.set_alpn_protocols(list(alpn))
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.configure_trust(client)
    return server, client


def test_what_keeps_a_connection_from_opening():
    async def test() -> None:
        server, client = tls_server("h2")
        async with h2_provider() as plain, h2_provider(server) as secret:
            for url, tls, kind, words in (
                ("http://127.0.0.1:1", None, "connect", "Connection refused"),
                (f"https://127.0.0.1:{plain.port}", client, "tls", "does not speak TLS"),
                (f"https://127.0.0.1:{secret.port}", None, "tls", "UnknownIssuer"),
                # Where no name server answers, it may be tried again.
                ("http://nowhere.invalid", None, "connect", "Name or service|Temporary failure"),
            ):
                async with pool_at(url, tls=tls) as (pool, _):
                    fault = (await call(pool)).fault()
                    assert (fault.kind, fault.is_unsent) == (kind, True)
                    assert re.search(words, str(fault))

    run(test)


def test_a_provider_that_does_not_take_a_connection_in_time():
    async def test() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        limits = Limits(connect_timeout_s=0.05)
        async with pool_at(f"https://127.0.0.1:{port}", limits) as (pool, _):
            assert (await call(pool)).fault().kind == "timeout_connect"
        server.close()

    run(test)
