"""The bounds of the gateway: how many clients, how much at once, and how patient with the slow."""

import contextlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psutil
import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, House
from tests.support.provider import scripted, streamed
from tests.support.waiting import eventually
from tests.support.wire import Wire, connect, encode_request

from headrace.limits import WRITE_BUFFER_BYTES_HIGH
from headrace.server.service import REFUSED_MAX
from headrace.sim.faults import FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import running

CONNECTIONS_MAX = 5
REQUESTS_MAX = 2
WRITE_TIMEOUT_S = 1.0
MIB = 1 << 20
CLIENTS = 300
KEPT_BYTES_MAX = 512  # of a client that is gone: less than any object that stands for one


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


def forget_peak(house: House) -> None:
    """Have `peak` begin anew: proc(5), `clear_refs`."""
    Path(f"/proc/{house.gateway.process.pid}/clear_refs").write_text("5", "ascii")


def peak(house: House) -> int:
    """The most that was resident since.

    What is resident afterwards may be as much, or less: it depends on what was freed before
    whether the allocator keeps what is freed.
    """
    status = Path(f"/proc/{house.gateway.process.pid}/status").read_text("ascii")
    return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


def held_for_a_client() -> int:
    """What is under way to one client at the most: in the kernel, and in the gateway as unsent."""
    kernel = Path("/proc/sys/net/ipv4/tcp_wmem").read_text("ascii").split()
    return int(kernel[-1]) + WRITE_BUFFER_BYTES_HIGH


def flood(house: House, tokens: int) -> bytes:
    """Ask for a stream of about 2.5 kB a token."""
    document = OPENAI.document(
        house.model("flood"), stream=True, max_tokens=tokens, logprobs=True, top_logprobs=20
    )
    return encode_request(OPENAI.path, document, headers={"connection": "close"})


@pytest.mark.heavy
def test_a_client_that_does_not_read_pauses_the_provider_and_is_cut(narrow: House):
    """The answer is far larger than all buffers between provider and client together."""
    gateway = narrow.gateway
    with connect(gateway.url) as wire:
        wire.send(flood(narrow, 10))
        assert OPENAI.final.encode() in wire.read_to_end()
    # The first row has the store opened, which takes memory once.
    eventually(lambda: gateway.metrics()['headrace_ledger_rows_total{outcome="stored"}'])
    forget_peak(narrow)
    before = rss(narrow)
    aborts = gateway.metrics()["headrace_client_aborts_total"]
    with connect(gateway.url, receive_bytes=8192) as wire:
        wire.send(flood(narrow, 40_000))  # 100 MB
        assert wire.sock.recv(100)
        assert gateway.left_behind()["upstream_active"] == 1
        gateway.wait_until_quiet()  # it is cut by the write timeout
        grown = peak(narrow) - before
        rest = wire.read_to_end()
    assert gateway.metrics()["headrace_client_aborts_total"] == aborts + 1
    assert b"data:" in rest
    assert OPENAI.final.encode() not in rest
    # Kept of the stream, for others who ask the same and for the cache, is what was written.
    assert grown < held_for_a_client() + 4 * MIB


def test_a_slow_reader_gets_all(house: House):
    with connect(house.gateway.url, receive_bytes=8192) as wire:
        wire.send(flood(house, 4000))
        stream = wire.response()  # whose pieces end anywhere, in the middle of a word too
    assert stream.is_whole
    assert stream.body.count(b"data:") == 4003
    assert stream.body.endswith(b"data: [DONE]\n\n")


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


@pytest.mark.heavy
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


def test_a_slow_follower_does_not_hold_up_the_leader(house: House):
    """Where nobody is cut for as long as the quick one reads."""
    request = flood(house, 3000)
    with (
        connect(house.gateway.url, receive_bytes=8192) as slow,
        connect(house.gateway.url) as quick,
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
def test_memory_stays_flat_under_clients_that_come_and_go(tmp_path: Path):
    """Also those that leave in the middle of everything.

    Without the ledger, which knows more models and fills more of its journal with each of them, up
    to its bounds.
    """

    def round_of_clients(narrow: House) -> int:
        for number in range(CLIENTS):
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

    with running(SimOptions()) as sim:
        house = House.build(tmp_path, sim, ledger={"enabled": False})
        with house.gateway:
            # Connections are parts of cycles, so the first rounds grow by what is not collected.
            sizes = [round_of_clients(house) for _ in range(9)]
    grown = [after - before for before, after in itertools.pairwise(sizes)]
    assert median(grown[3:]) < KEPT_BYTES_MAX * CLIENTS, sizes
    assert sizes[-1] < sizes[0] + 32 * MIB, sizes
