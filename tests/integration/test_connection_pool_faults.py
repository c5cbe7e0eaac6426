"""Both faces of the connection pool against servers that misbehave, and callers that leave."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.house import free_port
from tests.support.pool_faces import Make, on_asyncio, on_threads, on_uvloop
from tests.support.raw_server import OK, Peer, RawServer, answering, silent
from tests.support.waiting import eventually

from headrace import HeadraceError, UpstreamBroken

HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"
BUSY = b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture(params=[on_asyncio, on_uvloop, on_threads])
def make(request: pytest.FixtureRequest) -> Make:
    return lambda *most, **arguments: request.param(*most, uniform=lambda: 0.0, **arguments)


def fault_of(pool: Any, url: str, method: str = "GET", **wishes: Any) -> HeadraceError:
    """The error of a call; afterwards nothing of it is left."""
    with pytest.raises(HeadraceError) as told:
        pool.request(method, url, **wishes)
    stats = pool.stats()
    assert (stats.active, stats.waiting) == (0, 0)
    return told.value


def after(*faults: bytes | None) -> Callable[[Peer], None]:
    """Each connection says its part and ends, by a reset for `None`; later ones answer well."""

    def serve(peer: Peer) -> None:
        if peer.number >= len(faults):
            return answering()(peer)
        peer.request()
        said = faults[peer.number]
        return peer.reset() if said is None else peer.send(said)

    return serve


# Faults, each with its name.


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", "upstream_reset"),
        (None, "upstream_reset"),
        (HALF, "upstream_cut"),
        (HALF[:20], "upstream_cut"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel", "upstream_cut"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "upstream_garbage"),
        (b"\x00" * 5000, "upstream_garbage"),
        (
            b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            "upstream_garbage",
        ),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 30_000 + b"\r\n", "upstream_too_large"),
    ],
)
def test_faults_of_the_server_are_told(make: Make, said: bytes | None, code: str) -> None:
    with RawServer(after(said)) as server, make(retries=0) as pool:
        error = fault_of(pool, f"{server.url}/path?key=secret")
        assert isinstance(error, UpstreamBroken)
        assert (error.code, error.status) == (code, 502)
        assert error.message.startswith(server.url)
        assert "secret" not in error.message
        assert pool.get(server.url).content == b"ok"
        assert pool.stats().errors == 1


def test_stream_that_breaks_off_is_told(make: Make) -> None:
    with RawServer(after(HALF)) as server, make() as pool:
        with pytest.raises(UpstreamBroken) as told, pool.stream("GET", server.url) as answer:
            got = list(answer)
        assert told.value.code == "upstream_cut"
        assert "got" not in locals()
        assert (pool.stats().active, pool.stats().errors) == (0, 1)


def test_nobody_listens(make: Make) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    with make(retries=1) as pool:
        error = fault_of(pool, url, "POST", content=b"x")
        assert (error.code, error.attempts) == ("upstream_connect", 2)  # type: ignore[attr-defined]
        assert "Connection refused" in error.message


def test_name_that_stands_for_nothing(make: Make) -> None:
    with make(retries=0) as pool:
        error = fault_of(pool, "http://nowhere.invalid/")
        assert error.code == "upstream_connect"
        assert "http://nowhere.invalid could not be reached (" in error.message


# What goes out again.


def test_idempotent_calls_go_out_again(make: Make) -> None:
    with RawServer(after(None, HALF)) as server, make() as pool:
        answer = pool.get(server.url)
        assert (answer.content, answer.attempts) == (b"ok", 3)
        assert pool.stats().retries == 2


@pytest.mark.parametrize("said", [None, b"", HALF])
def test_calls_that_may_do_harm_twice_do_not(make: Make, said: bytes | None) -> None:
    with RawServer(after(said)) as server, make() as pool:
        fault_of(pool, server.url, "POST", content=b"x")
        assert len(server.peers) == 1


def test_calls_with_a_key_go_out_again(make: Make) -> None:
    with RawServer(after(None)) as server, make() as pool:
        answer = pool.post(server.url, content=b"x", headers={"Idempotency-Key": "1"})
        assert answer.attempts == 2


def test_kept_connection_that_was_closed_is_replaced(make: Make) -> None:
    asked = threading.Semaphore(0)

    def serve(peer: Peer) -> None:
        for _ in range(2 if peer.number == 0 else 100):
            if not peer.request():
                return
            asked.release()
            if peer.number == 0 and asked.acquire(blocking=False) and len(seen) == 1:
                seen.append(2)
                peer.reset()  # when the second call is there already
                return
            seen.append(1)
            peer.send(OK)

    seen: list[int] = []
    with RawServer(serve) as server, make(retries=0) as pool:
        assert pool.post(server.url, content=b"x").attempts == 1
        answer = pool.post(server.url, content=b"x")
        assert (answer.content, answer.attempts) == (b"ok", 2)
        assert len(server.peers) == 2


def test_connection_that_closed_while_idle_is_not_used(make: Make) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        left.release()

    left = threading.Semaphore(0)
    with RawServer(serve) as server, make(retries=0) as pool:
        for _ in range(3):
            assert pool.post(server.url, content=b"x").status == 200
            assert left.acquire(timeout=60)
            eventually(lambda: server.peers[-1].sock.fileno() == -1)
        assert pool.stats().opened == 3


def test_unasked_answer_spoils_the_connection(make: Make) -> None:
    def serve(peer: Peer) -> None:
        while peer.request():
            peer.send(OK)
            peer.send(OK)
            said.set()

    said = threading.Event()
    with RawServer(serve) as server, make(retries=0) as pool:
        assert pool.get(server.url).content == b"ok"
        assert said.wait(60)
        assert pool.get(f"{server.url}/2").content == b"ok"
        assert pool.stats().opened == 2


def test_passing_statuses_are_asked_again(make: Make) -> None:
    answers = iter([BUSY, BUSY, OK, BUSY, BUSY])

    def serve(peer: Peer) -> None:
        while peer.request():
            peer.send(next(answers))

    with RawServer(serve) as server, make() as pool:
        assert (pool.get(server.url).status, pool.stats().retries) == (200, 2)
        assert pool.post(server.url).status == 503
        assert pool.get(server.url, retries=0).status == 503
        assert pool.stats().opened == 1


def test_stream_begins_again_before_its_head(make: Make) -> None:
    busy = BUSY.replace(b"retry-after: 0", b"connection: close")
    with (
        RawServer(after(None, busy)) as server,
        make() as pool,
        pool.stream("GET", server.url) as answer,
    ):
        assert (answer.status, answer.attempts, answer.read(9)) == (200, 3, b"ok")


def test_refusals_are_answers(make: Make) -> None:
    refused = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    with RawServer(answering(refused)) as server, make() as pool:
        assert (pool.get(server.url).status, pool.stats().retries) == (404, 0)


# Time.


@pytest.mark.parametrize(
    ("limits", "said", "code"),
    [
        ({"read_timeout_s": 0.05}, (), "upstream_timeout_first_byte"),
        ({"read_timeout_s": 0.5}, (HALF,), "upstream_timeout_idle"),
        ({"total_timeout_s": 0.05}, (), "upstream_timeout_total"),
        ({"total_timeout_s": 0.05}, (HALF,), "upstream_timeout_total"),
    ],
)
def test_time_limits(make: Make, limits: dict[str, float], said: Any, code: str) -> None:
    with RawServer(silent(*said)) as server, make(retries=0, **limits) as pool:
        error = fault_of(pool, server.url)
        assert (error.code, error.status) == (code, 504)


def test_time_limit_of_one_call(make: Make) -> None:
    with RawServer(silent()) as server, make() as pool:
        assert fault_of(pool, server.url, timeout_s=0.05).code == "upstream_timeout_total"


def test_drip_feed_ends_with_the_total(make: Make) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not has_left.wait(0.01):
            peer.send(b"x")

    has_left = threading.Event()
    with RawServer(serve) as server, make(read_timeout_s=30.0, total_timeout_s=0.2) as pool:
        assert fault_of(pool, server.url).code == "upstream_timeout_total"
        has_left.set()


def test_stream_that_stalls_is_told(make: Make) -> None:
    with RawServer(silent(HALF)) as server, make(read_timeout_s=0.5) as pool:
        with pool.stream("GET", server.url) as answer:
            chunks = iter(answer)
            assert next(chunks) == b"half"
            with pytest.raises(UpstreamBroken) as told:
                next(chunks)
        assert told.value.code == "upstream_timeout_idle"


def test_server_that_does_not_accept(make: Make) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        with make(retries=0, connect_timeout_s=0.1) as pool:
            error = fault_of(pool, f"http://127.0.0.1:{port}/")
        for each in waiting:
            each.close()
    assert (error.code, error.status) == ("upstream_timeout_connect", 504)


def test_handshake_that_stalls(make: Make) -> None:
    with RawServer(silent()) as server, make(retries=0, connect_timeout_s=0.1) as pool:
        error = fault_of(pool, f"https://127.0.0.1:{server.port}/")
        assert error.code == "upstream_timeout_connect"
