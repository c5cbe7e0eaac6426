"""The bounds of the gateway: how many clients, how much at once, and how patient with the slow."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, House
from tests.support.provider import scripted, streamed
from tests.support.waiting import eventually
from tests.support.wire import Wire, connect, encode_request

from headrace.server.service import REFUSED_MAX
from headrace.sim.faults import FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import running

CONNECTIONS_MAX = 5
REQUESTS_MAX = 2
WRITE_TIMEOUT_S = 1.0
MIB = 1 << 20


@pytest.fixture(scope="module")
def shared_narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running(SimOptions()) as sim:
        house = House.build(
            tmp_path_factory.mktemp("narrow"),
            sim,
            listen={
                "connections_max": CONNECTIONS_MAX,
                "requests_max": REQUESTS_MAX,
                "write_timeout_s": WRITE_TIMEOUT_S,
            },
        )
        with house.gateway:
            yield house


@pytest.fixture
def narrow(shared_narrow: House) -> Iterator[House]:
    yield shared_narrow
    shared_narrow.assert_sound()


def test_connections_above_the_bound_are_sent_away(narrow: House):
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(connect(narrow.gateway.url)) for _ in range(CONNECTIONS_MAX)]
        for wire in kept:
            wire.send(encode_request("/healthz"))
            assert wire.response().status == 200
        with connect(narrow.gateway.url) as wire:  # told without having asked
            response = wire.response()
            assert (response.status, response.error["code"]) == (503, "too_many_connections")
            assert int(response.headers["retry-after"]) >= 1
            assert wire.is_ended
        kept[0].send(encode_request("/healthz"))
        assert kept[0].response().status == 200
    narrow.gateway.wait_until_quiet()


def test_nobody_is_told_where_many_are_being_sent_away(narrow: House):
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(connect(narrow.gateway.url)) for _ in range(CONNECTIONS_MAX)]
        for wire in kept:
            wire.send(encode_request("/healthz"))
            assert wire.response().status == 200
        crowd = [stack.enter_context(connect(narrow.gateway.url)) for _ in range(5 * REFUSED_MAX)]
        told = [wire.read_to_end() for wire in crowd]  # who is told stays, which takes a socket
        refusals = sum(answer.startswith(b"HTTP/1.1 503 ") for answer in told)
        assert 0 < refusals < len(crowd)
        assert told.count(b"") == len(crowd) - refusals
        kept[0].send(encode_request("/healthz"))
        assert kept[0].response().status == 200
    narrow.gateway.wait_until_quiet()


def test_requests_above_the_bound_are_sent_away(narrow: House):
    with contextlib.ExitStack() as stack:
        for _ in range(REQUESTS_MAX):
            model = narrow.model()
            narrow.spoil(model, kind=FaultKind.STALL_BEFORE)
            wire = stack.enter_context(connect(narrow.gateway.url))
            wire.send(encode_request(OPENAI.path, OPENAI.document(model)))
            eventually(lambda model=model: narrow.calls(model) == 1)
        with connect(narrow.gateway.url) as wire:
            for _ in range(2):  # the connection stays
                wire.send(encode_request(ANTHROPIC.path, ANTHROPIC.document("claude-sim/m")))
                response = wire.response()
                assert (response.status, response.error["type"]) == (503, "overloaded_error")
                assert int(response.headers["retry-after"]) >= 1


def rss(house: House) -> int:
    return int(psutil.Process(house.gateway.process.pid).memory_info().rss)


def flood(house: House, tokens: int) -> bytes:
    """Ask for a stream of about 2.5 kB a token."""
    document = OPENAI.document(
        house.model("flood"), stream=True, max_tokens=tokens, logprobs=True, top_logprobs=20
    )
    return encode_request(OPENAI.path, document, headers={"connection": "close"})


def test_a_client_that_does_not_read_pauses_the_provider_and_is_cut(narrow: House):
    """The answer is far larger than all buffers between provider and client together."""
    gateway = narrow.gateway
    with connect(gateway.url) as wire:
        wire.send(flood(narrow, 10))
        assert OPENAI.final.encode() in wire.read_to_end()
    # The first row has the store opened, which takes memory once.
    eventually(lambda: gateway.metrics()['headrace_ledger_rows_total{outcome="stored"}'])
    before = rss(narrow)
    aborts = gateway.metrics()["headrace_client_aborts_total"]
    with connect(gateway.url, receive_bytes=8192) as wire:
        wire.send(flood(narrow, 40_000))  # 100 MB
        assert wire.sock.recv(100)
        assert gateway.left_behind()["upstream_active"] == 1
        gateway.wait_until_quiet()  # it is cut by the write timeout
        grown = rss(narrow) - before
        rest = wire.read_to_end()
    assert gateway.metrics()["headrace_client_aborts_total"] == aborts + 1
    assert b"data:" in rest
    assert OPENAI.final.encode() not in rest
    assert grown < 24 * MIB


def test_a_slow_reader_gets_all(narrow: House):
    with connect(narrow.gateway.url, receive_bytes=8192) as wire:
        wire.send(flood(narrow, 4000))
        stream = wire.read_to_end()
    assert stream.count(b"data:") == 4003
    assert stream.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def read_stream(wire: Wire, size: int) -> int:
    """Read at least `size` bytes; returns how many came."""
    taken = 0
    while taken < size and (data := wire.read_some()):
        taken += len(data)
    return taken


def test_who_comes_late_and_does_not_read_gets_no_more_than_its_buffer_holds(tmp_path: Path):
    """Twelve of the sixteen MiB that a stream can be joined for are there before they come."""
    event = b"data: " + b"x" * 65_000 + b"\n\n"
    size = 12 * MIB
    settings = {"providers": {"p": {"dialect": "openai"}}}
    request = encode_request(OPENAI.path, OPENAI.document("p/m", stream=True))
    with scripted() as provider, contextlib.ExitStack() as stack:
        provider.closes = False
        provider.answers.append(streamed(*[event] * (size // len(event) + 1), ends=False))
        settings["providers"]["p"]["base_url"] = provider.url
        gateway = stack.enter_context(Gateway(tmp_path, settings))
        first = stack.enter_context(connect(gateway.url))
        first.send(request)
        assert read_stream(first, size) >= size
        process = psutil.Process(gateway.process.pid)
        before = process.memory_info().rss
        late = [stack.enter_context(connect(gateway.url, receive_bytes=8192)) for _ in range(6)]
        for wire in late:
            wire.send(request)
            assert wire.sock.recv(10)
        assert gateway.metrics()["headrace_flights_joined_total"] == len(late)
        assert process.memory_info().rss - before < 12 * MIB
        assert read_stream(late[0], size) >= size  # and all of it, who reads


@pytest.mark.parametrize("headers", [{}, {"connection": "close"}], ids=str)
def test_who_reads_one_big_answer_slowly_is_not_cut(narrow: House, headers: dict[str, str]):
    """Nothing that all buffers together could take, so that it stands in the gateway's."""
    gateway = narrow.gateway
    document = OPENAI.document(
        narrow.model("flood"), max_tokens=8000, logprobs=True, top_logprobs=20
    )
    steps = 8
    with connect(gateway.url, receive_bytes=8192) as wire:
        wire.send(encode_request(OPENAI.path, document, headers=headers))
        started_s = gateway.status()["uptime_s"]
        for step in range(1, steps + 1):
            taken = 0
            while taken < 65_536:
                taken += len(wire.sock.recv(65_536 - taken))
            due_s = started_s + step * 2.5 * WRITE_TIMEOUT_S / steps
            eventually(lambda due_s=due_s: gateway.status()["uptime_s"] >= due_s)
        assert gateway.left_behind()["connections"] == 1


def test_a_slow_follower_does_not_hold_up_the_leader(narrow: House):
    request = flood(narrow, 3000)
    with (
        connect(narrow.gateway.url, receive_bytes=8192) as slow,
        connect(narrow.gateway.url) as quick,
    ):
        slow.send(request)
        assert slow.sock.recv(10)
        quick.send(request)
        whole = quick.response()
        rest = slow.read_to_end()
    assert whole.is_whole
    assert whole.cache in ("joined", "miss")
    assert whole.body.count(b"data:") == 3003
    assert rest.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


@pytest.mark.heavy
def test_memory_stays_flat_under_clients_that_come_and_go(narrow: House):
    """Also those that leave in the middle of everything."""

    def round_of_clients() -> int:
        for number in range(300):
            model = narrow.model("trickle" if number % 3 else "sim")
            with connect(narrow.gateway.url) as wire:
                document = OPENAI.document(model, stream=number % 2 == 0)
                headers = {"cache-control": "no-store"}
                wire.send(encode_request(OPENAI.path, document, headers=headers))
                if number % 3 == 0:
                    assert wire.response().status == 200
                else:
                    eventually(lambda model=model: narrow.calls(model) == 1)
                    wire.reset()
        narrow.gateway.wait_until_quiet()
        return rss(narrow)

    # Connections are parts of cycles, so the first rounds grow by what is not collected yet.
    sizes = [round_of_clients() for _ in range(9)]
    grown = [after - before for before, after in itertools.pairwise(sizes)]
    assert min(grown[4:]) < MIB // 4, sizes
    assert sizes[-1] < sizes[0] + 32 * MIB, sizes
