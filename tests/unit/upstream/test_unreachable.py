"""What is said of a provider that no connection can be made to: the reason, and no address."""

import asyncio
import contextlib
import errno
import os
import resource
import socket
import ssl
from collections.abc import Iterator

import msgspec
import pytest
import trustme
import uvloop

from headrace.gateway.tasks import Tasks
from headrace.upstream.faults import FaultKind, UpstreamFault
from headrace.upstream.pool import Pool


class Limits(msgspec.Struct, frozen=True):
    connections_max: int = 10
    keepalive_s: float = 60.0
    connect_timeout_s: float = 5.0
    answer_mb_max: int = 1
    first_byte_timeout_s: float = 60.0
    idle_timeout_s: float = 60.0
    total_timeout_s: float = 60.0


class Meter:
    def connected(self) -> None: ...
    def retried(self) -> None: ...
    def failed(self, kind: FaultKind) -> None: ...


async def unreachable(host: str, port: int, tls: ssl.SSLContext | None = None) -> UpstreamFault:
    tasks = Tasks(lambda error: None)
    pool = Pool("p", host, port, tls=tls, limits=Limits(), meter=Meter(), spawn=tasks.spawn)
    with pytest.raises(UpstreamFault) as caught:
        await pool.warm(1)
    return caught.value


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as started:
        yield started


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that stays taken and refuses."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_refused_connection_says_so(runner: asyncio.Runner, closed_port: int) -> None:
    fault = runner.run(unreachable("127.0.0.1", closed_port))
    assert fault.code == "upstream_connect"
    assert f"could not be reached ({os.strerror(errno.ECONNREFUSED)})" in fault.message
    assert str(closed_port) not in fault.message


def test_a_name_that_leads_nowhere_says_so(runner: asyncio.Runner) -> None:
    fault = runner.run(unreachable("no-such-host.invalid", 443))
    assert fault.code == "upstream_connect"
    assert "could not be reached (" in fault.message


def test_no_file_descriptor_left_is_not_taken_for_the_providers_fault(
    runner: asyncio.Runner, closed_port: int
) -> None:
    async def ask() -> UpstreamFault:
        with no_file_descriptor_left():
            return await unreachable("127.0.0.1", closed_port)

    assert os.strerror(errno.EMFILE) in runner.run(ask()).message


@contextlib.contextmanager
def no_file_descriptor_left() -> Iterator[None]:
    """What is open stays usable, and nothing more can be opened."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_fd = os.open(os.devnull, os.O_RDONLY)
    os.close(next_fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_fd, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_certificate_that_is_not_trusted_says_why(runner: asyncio.Runner) -> None:
    authority = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(serving)

    async def ask(tls: ssl.SSLContext) -> UpstreamFault:
        async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await unreachable("127.0.0.1", port, ssl.create_default_context())

    fault = runner.run(ask(serving))
    assert fault.code == "upstream_tls"
    assert "unable to get local issuer certificate" in fault.message


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS at its port"),
        (b"", "before TLS was agreed on; try again, or write http://"),
    ],
    ids=["plain HTTP", "nothing"],
)
def test_a_port_that_does_not_speak_tls(runner: asyncio.Runner, answer: bytes, told: str) -> None:
    async def ask() -> UpstreamFault:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await unreachable("127.0.0.1", port, ssl.create_default_context())

    fault = runner.run(ask())
    assert fault.code == "upstream_tls"
    assert told in fault.message
    assert "certificate" not in fault.message
