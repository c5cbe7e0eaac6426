"""Nothing of a request waits for the garbage collector, whose passes would hold every other up."""

import asyncio
import gc
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.wire import Wire, ask, encode_request

from headrace.clock import SystemClock
from headrace.console.app import make_console
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.server.post import Post
from headrace.server.worker import Worker
from headrace.settings import parse_settings
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import running

BROKEN = "broken"
CALLS = 20
PATH = "/v1/chat/completions"
ROOMS = ("headrace.server", "headrace.gateway", "headrace.upstream", "headrace.cache")


MEANINGS = "semantic: {enabled: true, embedder: p/sim-embed, asks_dimensions: true}"
BELOW = "durable: true, entries_max: 1"


def document(
    number: int, *, stream: bool = False, text: str = "Tell me of water"
) -> dict[str, object]:
    messages = [{"role": "user", "content": f"{text}, {number}."}]
    return {"model": "p/sim-small", "messages": messages, "stream": stream}


@contextmanager
def collecting_by_hand() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        if was_enabled:
            gc.enable()


def left_behind() -> Counter[str]:
    """What only the collector could free, of the rooms a request goes through."""
    gc.garbage.clear()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    kinds = [type(each) for each in gc.garbage]
    gc.garbage.clear()
    return Counter(kind.__name__ for kind in kinds if kind.__module__.startswith(ROOMS))


Talk = Callable[[str], None]


def misses(url: str) -> None:
    for number in range(CALLS):
        assert ask(url, encode_request(PATH, document(number))).status == 200


def streams(url: str) -> None:
    for number in range(CALLS):
        assert ask(url, encode_request(PATH, document(number, stream=True))).is_whole


def hits(url: str) -> None:
    for _ in range(CALLS):
        assert ask(url, encode_request(PATH, document(0))).status == 200


def wrong_requests(url: str) -> None:
    for _ in range(CALLS):
        assert ask(url, encode_request(PATH, {"model": 7})).status == 400


def broken_calls(url: str) -> None:
    for number in range(CALLS):
        broken = {**document(number), "model": f"p/{BROKEN}"}
        assert ask(url, encode_request(PATH, broken)).status == 502


def calls_left_alone(url: str) -> None:
    for number in range(CALLS):
        broken = {**document(number), "model": f"p/{BROKEN}-for-good"}
        assert ask(url, encode_request(PATH, broken)).status in (502, 503)


def clients_that_leave(url: str) -> None:
    address = urlsplit(url)
    for number in range(CALLS):
        sock = socket.create_connection((address.hostname, address.port), timeout=10)
        wire = Wire(sock)
        slow = {"x-sim-tokens": "1000", "x-sim-token-ms": "10"}
        sock.sendall(encode_request(PATH, document(1000 + number, stream=True), headers=slow))
        assert sock.recv(1)
        wire.sock.close()


def the_same_in_other_words(url: str) -> None:
    for number in range(CALLS):
        for text in ("How do I sort a list in Java", "In Java, how do I sort a list"):
            assert ask(url, encode_request(PATH, document(number, text=text))).status == 200


def hits_below(url: str) -> None:
    for number in range(CALLS):
        assert ask(url, encode_request(PATH, document(number % 3))).status == 200


def leave_while_sought(url: str) -> None:
    address = urlsplit(url)
    for number in range(CALLS):
        with socket.create_connection((address.hostname, address.port), timeout=10) as sock:
            sock.sendall(encode_request(PATH, document(2000 + number)))


@pytest.mark.parametrize(
    ("talk", "cache"),
    [
        (misses, ""),
        (streams, ""),
        (hits, ""),
        (wrong_requests, ""),
        (broken_calls, ""),
        (calls_left_alone, ""),
        (clients_that_leave, ""),
        (misses, MEANINGS),
        (the_same_in_other_words, MEANINGS),
        (leave_while_sought, MEANINGS),
        (misses, BELOW),
        (hits_below, BELOW),
        (leave_while_sought, BELOW),
    ],
)
def test_a_request_leaves_nothing_to_the_collector(talk: Talk, cache: str, tmp_path: Path) -> None:
    async def test(upstream: str) -> Counter[str]:
        often = "retry: {wait_s_max: 0.01, budget_floor: 1000}"
        never = "breaker: {enabled: false}" if talk is broken_calls else "breaker: {}"
        provider = f"{{dialect: openai, base_url: '{upstream}/v1', {often}, {never}}}"
        settings = parse_settings(
            f"providers: {{p: {provider}}}\nlog: {{level: error}}\n"
            f"cache: {{{cache}}}\ndata_dir: '{tmp_path}'",
            {},
        )
        sock = socket.create_server(("127.0.0.1", 0))
        layout = Layout()
        post = Post(0, Cells(layout.size), layout)
        worker = Worker(
            settings,
            lambda: settings,
            post=post,
            sock=sock,
            make_console=make_console,
            clock=SystemClock(),
        )
        serving = asyncio.create_task(worker.run())
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, talk, url)  # what is made once
        await settled(worker)
        left_behind()
        await loop.run_in_executor(None, talk, url)
        await settled(worker)
        found = left_behind()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        return found

    with collecting_by_hand(), running(SimOptions()) as sim:
        sim.script(
            Fault(kind=FaultKind.RESET_BEFORE, times=None, model=BROKEN),
            Fault(kind=FaultKind.STATUS, status=503, times=None, model=f"{BROKEN}-for-good"),
        )
        assert asyncio.run(test(sim.url)) == Counter()


async def settled(worker: Worker) -> None:
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0)
            status = worker.status()
            if not (status["connections"] or status["requests_in_flight"]):
                return
