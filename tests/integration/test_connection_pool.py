"""Both faces of the connection pool against real servers, as it should be."""

import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from tests.support.pool_faces import Make, on_asyncio, on_threads, on_uvloop
from tests.support.raw_server import OK, Peer, RawServer, answering
from tests.support.waiting import eventually

from headrace import InvalidRequest, NotRunning, UpstreamBroken
from headrace.clock import ManualClock
from headrace.sim.thread import ThreadedSim

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
    b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
)


@pytest.fixture(params=[on_asyncio, on_uvloop, on_threads])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def test_provider_is_asked(make: Make, sim: ThreadedSim) -> None:
    question = {"model": "sim-small", "messages": [{"role": "user", "content": "hi"}]}
    with make() as pool:
        listed = pool.get(f"{sim.url}/v1/models")
        told = pool.post(f"{sim.url}/v1/chat/completions", json=question)
        stats = pool.stats()
    assert (listed.status, listed.headers["Content-Type"]) == (200, "application/json")
    assert listed.json()["object"] == "list"
    assert told.json()["choices"][0]["message"]["content"]
    assert (stats.opened, stats.reused, stats.idle, stats.active) == (1, 1, 1, 0)
    eventually(lambda: sim.stats().connections_open == 0)


def test_provider_streams(make: Make, sim: ThreadedSim) -> None:
    question = {
        "model": "sim-small",
        "stream": True,
        "messages": [{"role": "user", "content": "hi"}],
    }
    url = f"{sim.url}/v1/chat/completions"
    with make() as pool:
        for _ in range(2):
            with pool.stream("POST", url, json=question) as answer:
                assert (answer.status, answer.headers["content-type"][:17]) == (
                    200,
                    "text/event-stream",
                )
                body = b"".join(answer)
            assert body.endswith(b"data: [DONE]\n\n")
        assert pool.stats().opened == 1


@pytest.mark.parametrize("answer", [CHUNKED, OK], ids=["chunked", "sized"])
def test_connection_is_used_again(make: Make, answer: bytes) -> None:
    with RawServer(answering(answer)) as server, make() as pool:
        answers = [pool.get(server.url).content for _ in range(3)]
        assert len(server.peers) == 1
    assert answers in ([b"hello"] * 3, [b"ok"] * 3)


@pytest.mark.parametrize(
    ("method", "answer", "status", "is_kept"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 200, True),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, True),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, True),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, True),
        ("GET", b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", 302, True),
        ("GET", b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", 200, False),
    ],
)
def test_answers_without_a_body(
    make: Make, method: str, answer: bytes, status: int, is_kept: bool
) -> None:
    with RawServer(answering(answer)) as server, make() as pool:
        for _ in range(2):
            assert pool.request(method, server.url).status == status
        assert len(server.peers) == (1 if is_kept else 2)


def test_end_of_connection_ends_a_body_without_length(make: Make) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhel")
        peer.send(b"lo")

    with RawServer(serve) as server, make() as pool:
        assert pool.get(server.url).content == b"hello"
        with pool.stream("GET", server.url) as answer:
            assert answer.read(10) == b"hello"
        assert pool.stats().idle == 0


@pytest.mark.parametrize("size", [0, 1, 100_000, 5_000_000])
def test_bodies_of_any_size_go_both_ways(make: Make, size: int) -> None:
    def serve(peer: Peer) -> None:
        while request := peer.request():
            body = request.partition(b"\r\n\r\n")[2]
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    body = b"\x01" * size
    with RawServer(serve) as server, make() as pool:
        assert pool.post(server.url, content=body).content == body
        assert pool.post(server.url, content=body).content == body
        assert len(server.peers) == 1


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def speaking(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_tls_with_a_private_authority(make: Make, authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = speaking(authority, "localhost")
    with (
        RawServer(answering(CHUNKED), tls) as server,
        make(ca_file=tmp_path / "ca.pem") as pool,
    ):
        assert [pool.get(server.url).content for _ in range(3)] == [b"hello"] * 3
        with pool.stream("GET", server.url) as answer:
            assert b"".join(answer) == b"hello"
        assert pool.stats().opened == 1


def test_certificate_nobody_vouches_for_is_refused(make: Make, authority: trustme.CA) -> None:
    with RawServer(answering(), speaking(authority, "localhost")) as server, make() as pool:
        with pytest.raises(UpstreamBroken, match="ca_file") as told:
            pool.get(server.url)
        assert (told.value.code, pool.stats().opened) == ("upstream_tls", 0)


def test_certificate_for_another_name_is_refused(
    make: Make, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = speaking(authority, "other.example")
    with (
        RawServer(answering(), tls) as server,
        make(ca_file=tmp_path / "ca.pem") as pool,
        pytest.raises(UpstreamBroken, match=r"[Hh]ostname mismatch|not valid for"),
    ):
        pool.get(server.url)


@pytest.mark.parametrize(
    ("scheme", "said", "code"),
    [
        ("https", b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", "upstream_tls"),
        ("http", b"\x15\x03\x01\x00\x02\x02\x16", "upstream_tls"),
        ("http", b"", "upstream_reset"),
    ],
)
def test_scheme_that_does_not_fit_is_told(make: Make, scheme: str, said: bytes, code: str) -> None:
    def serve(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.send(said)

    with (
        RawServer(serve) as server,
        make(retries=0) as pool,
        pytest.raises(UpstreamBroken, match="TLS at its port") as told,
    ):
        pool.get(f"{scheme}://127.0.0.1:{server.port}/")
    assert told.value.code == code


def test_idle_connections_expire(make: Make) -> None:
    clock = ManualClock()
    with RawServer(answering()) as server, make(clock=clock) as pool:
        pool.get(server.url)
        clock.advance(29.0)
        pool.get(server.url)
        assert pool.stats().opened == 1
        clock.advance(30.0)
        pool.get(server.url)
        stats = pool.stats()
        assert (stats.opened, stats.expired, stats.idle) == (2, 1, 1)


def test_idle_connections_are_closed_without_another_call() -> None:
    closed = threading.Event()

    def serve(peer: Peer) -> None:
        answering()(peer)
        closed.set()

    with RawServer(serve) as server, on_asyncio(keepalive_s=0.02) as pool:
        pool.get(server.url)
        eventually(lambda: pool.stats().idle == 0)
        assert closed.wait(60)
        assert pool.stats().expired == 1


def test_reads_on_while_the_rest_comes(make: Make) -> None:
    goes_on = threading.Event()

    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(CHUNKED[:-14])
        assert goes_on.wait(60)
        peer.send(CHUNKED[-14:])

    with RawServer(serve) as server, make() as pool, pool.stream("GET", server.url) as answer:
        assert answer.headers["x-a"] == "b"
        chunks = iter(answer)
        assert next(chunks) == b"hel"
        goes_on.set()
        assert b"".join(chunks) == b"lo"


def test_slow_reader_slows_the_server_down(make: Make) -> None:
    size = 64 << 20
    sent = []
    is_stuck = threading.Event()

    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        peer.sock.settimeout(0.3)
        piece = b"x" * 65536
        try:
            while sum(sent) < size:
                sent.append(peer.sock.send(piece[: size - sum(sent)]))
        except TimeoutError:
            is_stuck.set()
            peer.sock.settimeout(60)
            peer.send(b"x" * (size - sum(sent)))
            peer.request()

    with RawServer(serve) as server, make() as pool:
        with pool.stream("GET", server.url) as answer:
            got = len(next(iter(answer)))
            assert is_stuck.wait(60)
            assert sum(sent) < size / 2
            assert got + sum(map(len, answer)) == size
        assert pool.stats().idle == 1


def test_who_leaves_a_stream_closes_its_connection(make: Make, sim: ThreadedSim) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(CHUNKED[:-14])
        ended.append(peer.request())

    ended: list[bytes] = []
    with RawServer(serve) as server, make() as pool:
        with pool.stream("GET", server.url) as answer:
            next(iter(answer))
        assert (pool.stats().idle, pool.stats().active) == (0, 0)
        eventually(lambda: ended == [b""])
        with pytest.raises(StopIteration):
            next(iter(answer))


def test_stream_is_read_once_and_inside(make: Make) -> None:
    with RawServer(answering()) as server, make() as pool:
        answer = pool.stream("GET", server.url)
        with pytest.raises(NotRunning, match="with"):
            next(iter(answer))
        with answer:
            assert answer.read(2) == b"ok"
        with pytest.raises(NotRunning, match="once"), answer:
            pass


def test_streams_that_are_read_as_a_whole_are_bounded(make: Make) -> None:
    with RawServer(answering(CHUNKED)) as server, make() as pool:
        with pool.stream("GET", server.url) as answer, pytest.raises(UpstreamBroken) as told:
            answer.read(4)
        assert told.value.code == "upstream_too_large"
        assert pool.stats().active == 0


def test_answers_are_bounded(make: Make) -> None:
    with RawServer(answering(CHUNKED)) as server, make(answer_bytes_max=4) as pool:
        with pytest.raises(UpstreamBroken, match="answer_bytes_max") as told:
            pool.get(server.url)
        assert told.value.code == "upstream_too_large"
        with pool.stream("GET", server.url) as answer:
            assert b"".join(answer) == b"hello"


def test_closed_pool_says_so(make: Make) -> None:
    with RawServer(answering()) as server, make() as pool:
        pool.get(server.url)
        pool.close()
        pool.close()
        with pytest.raises(NotRunning, match="closed"):
            pool.get(server.url)
        with pytest.raises(NotRunning, match="closed"), pool.stream("GET", server.url):
            pass
        assert (pool.stats().idle, pool.stats().active) == (0, 0)


@pytest.mark.parametrize(
    "ask",
    [
        lambda pool, url: pool.get("nowhere"),
        lambda pool, url: pool.get(url, headers={"x": "a\nb"}),
        lambda pool, url: pool.post(url, json={1, object()}),
    ],
)
def test_what_cannot_be_sent_is_not(make: Make, ask: Callable[..., object]) -> None:
    with RawServer(answering()) as server, make() as pool:
        with pytest.raises(InvalidRequest):
            ask(pool, server.url)
        with pytest.raises(TypeError):
            pool.get(server.url, nonsense=1)
        assert pool.stats().active == 0
    assert server.peers == []
