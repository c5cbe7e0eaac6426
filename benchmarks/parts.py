"""The parts a request's cost is told in, and where in the gateway each of them begins.

A part is what its functions do themselves, less what other parts do for them. Only this
benchmark knows these names: the gateway itself is left as it is, and its functions are replaced
by timed ones in the process that is measured.
"""

import functools
import gc
import importlib
from collections.abc import Callable
from typing import Any

import msgspec

from benchmarks.ledger import Ledger

COLLECTION = "garbage collection"
WRITE_CLIENT = "write to the client"
WRITE_PROVIDER = "write to the provider"


class Part(msgspec.Struct, frozen=True):
    """A part and its functions, each as `module:owner.name` or `module:name`."""

    name: str
    functions: tuple[str, ...]


# In the order of a request's way.
PARTS = (
    Part(
        "find head and body of the request", ("headrace.server.http:HttpConnection.data_received",)
    ),
    Part("key of the raw body", ("headrace.server.http:repeat_key",)),
    Part("look up by that key", ("headrace.gateway.stock.answers:Answers.repeat",)),
    Part("word a hit", ("headrace.server.service:Service.answer_repeat",)),
    Part(
        "begin the exchange, gather the turn's requests",
        (
            "headrace.server.exchange:Exchange.__init__",
            "headrace.server.service:Service.start",
            "headrace.server.service:Service._handle_arrived",
            "headrace.gateway.pipeline:Pipeline.handle_all",
        ),
    ),
    Part("validate: decode and check", ("headrace.gateway.pipeline:Pipeline._validate",)),
    Part("route and canonical key", ("headrace.gateway.pipeline:Pipeline._route",)),
    Part("look up by canonical key", ("headrace.gateway.pipeline:Pipeline._look_up",)),
    Part("join or lead a flight", ("headrace.gateway.pipeline:Pipeline._join",)),
    Part("prepare the provider's request", ("headrace.gateway.pipeline:Pipeline._prepare",)),
    Part("take a connection", ("headrace.gateway.pipeline:Pipeline._send",)),
    Part(
        "parse the provider's answer, take it in",
        ("headrace.upstream.h1:H1Connection.data_received",),
    ),
    Part("read the answer's facts", ("headrace.gateway.relay:Relay.conclude",)),
    Part("word the answer", ("headrace.gateway.relay:Relay.prepare",)),
    Part("deliver it", ("headrace.gateway.relay:Relay.deliver",)),
    Part("store it", ("headrace.gateway.landing:Landing._settle",)),
    Part(
        "end exchange and flight",
        (
            "headrace.gateway.relay:Relay.dismiss",
            "headrace.gateway.landing:Landing._settle_all",
        ),
    ),
    Part(
        "count and word the log line",
        ("headrace.server.books:Books.note", "headrace.server.books:Books.balance"),
    ),
    Part(
        "timers",
        ("headrace.server.worker:Worker._tick", "headrace.server.worker:Worker._sweep"),
    ),
)
WRITERS = (
    ("headrace.server.http:HttpConnection.connection_made", WRITE_CLIENT),
    ("headrace.upstream.h1:H1Connection.connection_made", WRITE_PROVIDER),
)


def part_names() -> list[str]:
    """All parts that are timed, in the order of a request's way."""
    return [*(part.name for part in PARTS), WRITE_PROVIDER, WRITE_CLIENT, COLLECTION]


class TimedTransport:
    """A transport whose writes are accounted; everything else is the transport's own.

    Args:
        transport: the transport.
        write: its write, timed.
    """

    def __init__(self, transport: Any, write: Callable[[bytes], None]) -> None:
        self._transport = transport
        self.write = write
        self.is_closing = transport.is_closing  # asked for every request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def install(ledger: Ledger) -> None:
    """Put timed functions in place of the gateway's; before a worker is made."""
    for part in PARTS:
        for path in part.functions:
            replace(path, functools.partial(ledger.timed, part.name))
    for path, name in WRITERS:
        replace(path, functools.partial(_with_timed_writes, ledger, name))
    _time_collections(ledger)


def replace(path: str, remake: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put another function in the place of one of the gateway's.

    Raises:
        AttributeError: the gateway has no such function any more.
    """
    owner, name = _found(path)
    setattr(owner, name, remake(getattr(owner, name)))


def _found(path: str) -> tuple[Any, str]:
    module, _, inner = path.partition(":")
    *outer, name = inner.split(".")
    owner = functools.reduce(getattr, outer, importlib.import_module(module))
    return owner, name


def _with_timed_writes(
    ledger: Ledger, part: str, connection_made: Callable[..., None]
) -> Callable[..., None]:
    def made(connection: Any, transport: Any) -> None:
        timed = TimedTransport(transport, ledger.timed(part, transport.write))
        connection_made(connection, timed)

    return made


def _time_collections(ledger: Ledger) -> None:
    callers: list[int] = []

    def collected(phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            callers.append(ledger.enter(COLLECTION))
        elif callers:
            ledger.leave(callers.pop())

    gc.callbacks.append(collected)
