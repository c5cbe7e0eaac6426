"""Every kind of fault, as a bare socket sees it."""

import contextlib
import gzip
import json
import select
import socket
from collections.abc import Iterator

import pytest

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.stats import StatsReport
from headrace.sim.thread import ThreadedSim, running

TIMEOUT_S = 30.0
QUIET_S = 0.1
RESET = b"<reset>"


@pytest.fixture(scope="module")
def shared() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


@pytest.fixture
def sim(shared: ThreadedSim) -> ThreadedSim:
    shared.reset()
    return shared


@contextlib.contextmanager
def connected(sim: ThreadedSim) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", sim.port), TIMEOUT_S) as connection:
        yield connection


def wire(*, stream: bool, headers: str = "") -> bytes:
    document = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    body = json.dumps(document).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def read_all(connection: socket.socket) -> bytes:
    """Everything until the connection ends, with a mark where a reset ended it."""
    data = bytearray()
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        data += RESET
    return bytes(data)


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    data = b""
    while not data.endswith(mark):
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    return data


def read_sized(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head, body


def answer_of(sim: ThreadedSim, fault: Fault, *, stream: bool) -> bytes:
    sim.script(fault)
    with connected(sim) as connection:
        connection.sendall(wire(stream=stream, headers="connection: close\r\n"))
        return read_all(connection)


def wait_for_stats(sim: ThreadedSim, wanted: str) -> StatsReport:
    """Stats once their field `wanted` is no longer 0; every look is a turn of the server's loop."""
    for _ in range(10_000):
        report = sim.stats()
        if getattr(report, wanted):
            return report
    raise AssertionError(f"{wanted} stays 0")


def test_status(sim: ThreadedSim):
    fault = Fault(
        kind=FaultKind.STATUS, status=429, headers={"retry-after": "7"}, body='{"slow":"down"}'
    )
    answer = answer_of(sim, fault, stream=True)
    assert answer.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nretry-after: 7\r\n" in answer
    assert answer.endswith(b'{"slow":"down"}')
    plain = answer_of(sim, Fault(kind=FaultKind.STATUS, status=503), stream=False)
    assert plain.startswith(b"HTTP/1.1 503 ")
    assert "message" in json.loads(plain.partition(b"\r\n\r\n")[2])["error"]


@pytest.mark.parametrize("stream", [False, True])
def test_reset_before(sim: ThreadedSim, stream: bool):
    assert answer_of(sim, Fault(kind=FaultKind.RESET_BEFORE), stream=stream) == RESET


@pytest.mark.parametrize(("stream", "chunks"), [(False, 0), (True, 0), (True, 3)])
def test_reset_mid(sim: ThreadedSim, stream: bool, chunks: int):
    fault = Fault(kind=FaultKind.RESET_MID, after_chunks=chunks)
    head, _, body = answer_of(sim, fault, stream=stream).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body.endswith(RESET)
    assert body.count(b'"content":" ') == max(0, chunks - 1)


@pytest.mark.parametrize("stream", [False, True])
def test_cut(sim: ThreadedSim, stream: bool):
    fault = Fault(kind=FaultKind.CUT, after_chunks=3)
    answer = answer_of(sim, fault, stream=stream)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert not answer.endswith((RESET, b"0\r\n\r\n"))
    if stream:
        assert body.count(b"data: ") == 4
    else:
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        assert len(body) == length // 2


@pytest.mark.parametrize("stream", [False, True])
def test_end_early(sim: ThreadedSim, stream: bool):
    answer = answer_of(sim, Fault(kind=FaultKind.END_EARLY, after_chunks=2), stream=stream)
    assert b"transfer-encoding: chunked" in answer
    assert answer.endswith(b"\r\n0\r\n\r\n")
    assert b"[DONE]" not in answer
    assert b'"finish_reason":"stop"' not in answer


@pytest.mark.parametrize(
    ("kind", "stream", "mark"),
    [
        (FaultKind.STALL_BEFORE, False, b""),
        (FaultKind.STALL_BEFORE, True, b""),
        (FaultKind.STALL_MID, True, b"}\n\n\r\n"),
    ],
)
def test_stalls_keep_the_connection_until_the_client_goes(
    sim: ThreadedSim, kind: FaultKind, stream: bool, mark: bytes
):
    sim.script(Fault(kind=kind, after_chunks=2))
    with connected(sim) as connection:
        connection.sendall(wire(stream=stream))
        assert wait_for_stats(sim, "inflight").inflight == 1
        data = read_until(connection, mark) if mark else b""
        assert data.count(b"data: ") == (3 if mark else 0)
        # Nothing must come: the only way to see that is to wait a little for it.
        assert select.select([connection], [], [], QUIET_S) == ([], [], [])
        assert sim.stats().streams_aborted == 0
    report = wait_for_stats(sim, "streams_aborted" if stream else "calls_aborted")
    assert report.inflight == 0
    assert report.last_abort_age_s is not None


def test_stall_mid_of_a_whole_answer_sends_half(sim: ThreadedSim):
    sim.script(Fault(kind=FaultKind.STALL_MID))
    with connected(sim) as connection:
        connection.sendall(wire(stream=False))
        data = b""
        while not data.partition(b"\r\n\r\n")[2]:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        assert len(body) == length // 2


def test_garbage(sim: ThreadedSim):
    answer = answer_of(sim, Fault(kind=FaultKind.GARBAGE), stream=False)
    assert answer
    assert not answer.startswith(b"HTTP/")


def test_malformed(sim: ThreadedSim):
    whole = answer_of(sim, Fault(kind=FaultKind.MALFORMED), stream=False)
    assert whole.startswith(b"HTTP/1.1 200 OK")
    with pytest.raises(json.JSONDecodeError):
        json.loads(whole.partition(b"\r\n\r\n")[2])
    streamed = answer_of(sim, Fault(kind=FaultKind.MALFORMED, after_chunks=1), stream=True)
    events = [line[6:] for line in streamed.split(b"\n") if line.startswith(b"data: ")]
    with pytest.raises(json.JSONDecodeError):
        json.loads(events[2])
    json.loads(events[3])
    assert streamed.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_slow_answers_well_in_the_end(sim: ThreadedSim):
    answer = answer_of(sim, Fault(kind=FaultKind.SLOW, delay_ms=30), stream=False)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["object"] == "chat.completion"


def test_gzip(sim: ThreadedSim):
    answer = answer_of(sim, Fault(kind=FaultKind.GZIP), stream=False)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-encoding: gzip" in head
    assert json.loads(gzip.decompress(body))["object"] == "chat.completion"


def test_stale_closes_when_the_next_request_comes(sim: ThreadedSim):
    sim.script(Fault(kind=FaultKind.STALE))
    with connected(sim) as connection:
        connection.sendall(wire(stream=False))
        assert read_sized(connection)[0].startswith(b"HTTP/1.1 200 OK")
        connection.sendall(wire(stream=False))
        assert read_all(connection) == b""
    with connected(sim) as connection:
        connection.sendall(wire(stream=False))
        assert read_sized(connection)[0].startswith(b"HTTP/1.1 200 OK")
    assert sim.stats().faults_applied == {"stale": 1}


def test_after_every_fault_the_next_request_is_answered(sim: ThreadedSim):
    kinds = [kind for kind in FaultKind if kind not in (FaultKind.STALL_BEFORE, FaultKind.STALE)]
    for kind in kinds:
        for stream in (False, True):
            if kind is not FaultKind.STALL_MID:
                answer_of(sim, Fault(kind=kind, after_chunks=1), stream=stream)
            with connected(sim) as connection:
                connection.sendall(wire(stream=False))
                assert read_sized(connection)[0].startswith(b"HTTP/1.1 200 OK")
    assert sim.stats().inflight == 0


def test_pipelined_requests_are_answered_in_order(sim: ThreadedSim):
    with connected(sim) as connection:
        slow = wire(stream=False, headers="x-sim-ttft-ms: 20\r\nx-sim-tokens: 3\r\n")
        quick = wire(stream=False, headers="connection: close\r\nx-sim-tokens: 5\r\n")
        connection.sendall(slow + slow + quick)
        answers = read_all(connection).split(b"HTTP/1.1 200 OK")[1:]
    tokens = [
        json.loads(answer.partition(b"\r\n\r\n")[2])["usage"]["completion_tokens"]
        for answer in answers
    ]
    assert tokens == [3, 3, 5]


def test_an_answer_larger_than_all_buffers_loses_nothing(sim: ThreadedSim):
    with connected(sim) as connection:
        headers = "connection: close\r\nx-sim-tokens: 30000\r\n"
        connection.sendall(wire(stream=True, headers=headers))
        answer = read_all(connection)
    assert answer.count(b"data: ") == 30000 + 3
    assert answer.endswith(b"0\r\n\r\n")


def test_what_is_no_http_is_refused(sim: ThreadedSim):
    with connected(sim) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")
