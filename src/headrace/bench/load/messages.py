"""What a worker and whoever started it say to each other: msgpack behind four bytes of length."""

import asyncio
import struct
from typing import Any, Final

import msgspec

from headrace.bench.load.plan import Plan
from headrace.bench.load.tally import Count

_LENGTH: Final = struct.Struct("<I")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's share of a run.

    Attributes:
        plan: the whole.
        host: of the target.
        port: of the target.
        credential: of the target, or none.
        worker: which one this is.
        workers: how many there are.
        rows_max: requests kept one by one, in each phase.
        spins: whether the client waits on its feet: exact to microseconds, for a core of its own.
        nonce: stands in every prompt, so that no other run has asked the same.
    """

    plan: Plan
    host: str
    port: int
    credential: str | None
    worker: int
    workers: int
    rows_max: int
    spins: bool
    nonce: str


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The schedule is made."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The schedule cannot be made, and why."""

    message: str


class Progress(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """How it goes.

    Attributes:
        phase: number of the phase; as many as there are when all are over.
        sent: requests of this phase so far.
        failed: of them.
        in_flight: not over yet, of all phases.
        e2e: of what ended since the last time, by class of a `Histogram` of seconds.
        lag_s_max: worst lag since the last time.
    """

    phase: int
    sent: int
    failed: int
    in_flight: int
    e2e: dict[int, int]
    lag_s_max: float


class Result(msgspec.Struct, frozen=True, tag=True):
    """The end.

    Attributes:
        counts: of each phase that was begun.
        is_whole: whether all phases ran to their end.
        is_down: whether it ended because the target was down.
    """

    counts: list[Count]
    is_whole: bool
    is_down: bool


class Go(msgspec.Struct, frozen=True, tag=True):
    """Begin, at a time of the monotonic clock, which all processes of a machine share."""

    start_s: float


class Stop(msgspec.Struct, frozen=True, tag=True):
    """End now, and tell what there is."""


FromWorker = Ready | Refused | Progress | Result
ToWorker = Go | Stop


def packed(message: FromWorker | ToWorker | Job) -> bytes:
    """A message with its length."""
    body = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body


async def received(reader: asyncio.StreamReader, kind: Any) -> Any:
    """The next message.

    Args:
        reader: where it comes from.
        kind: type of message, or a union of them.

    Raises:
        asyncio.IncompleteReadError: there is none any more.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return msgspec.msgpack.decode(await reader.readexactly(length), type=kind)
