"""An answer as what the wire does: which bytes when, and how it ends. Pure."""

import enum
import zlib
from collections.abc import Callable, Mapping

import msgspec

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.pace import AT_ONCE, Pace
from headrace.sim.reply import Reply

_LAST_CHUNK = b"0\r\n\r\n"
_GARBAGE = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is not HTTP \xff\xfe\r\n\r\n"
_BROKEN_EVENT = b'data: {"id": "broken", "choices": [{"del\n\n'
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Ending(enum.Enum):
    """What happens to the connection after the last byte."""

    KEEP = enum.auto()
    CLOSE = enum.auto()
    RESET = enum.auto()
    STALL = enum.auto()


class Play(msgspec.Struct, frozen=True):
    """What a connection does to answer one request.

    Attributes:
        writes: the bytes, one piece for each moment.
        delay_s: seconds before the first piece.
        interval_s: seconds between pieces.
        ending: what happens after the last.
        stream: whether this is a stream of events.
    """

    writes: tuple[bytes, ...]
    delay_s: float = 0.0
    interval_s: float = 0.0
    ending: Ending = Ending.KEEP
    stream: bool = False


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def sized_head(head: bytes, length: int) -> bytes:
    """The whole head of a JSON answer of `length` bytes; `head` ends with a line end."""
    return b"%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (head, length)


def chunked_head(head: bytes, content_type: bytes) -> bytes:
    """The whole head of a chunked answer; `head` ends with a line end."""
    return b"%bcontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % (head, content_type)


def event_head(head: bytes) -> bytes:
    """The whole head of a stream of events; `head` ends with a line end."""
    return chunked_head(head, b"text/event-stream; charset=utf-8")


def good(head: bytes, reply: Reply, pace: Pace) -> Play:
    """The answer as it should be.

    Args:
        head: status line and header lines without those of type and length.
        reply: the answer.
        pace: its latency.
    """
    if not reply.stream:
        wire = sized_head(head, len(reply.body)) + reply.body
        return Play((wire,), 0.0 if pace is AT_ONCE else pace.service_s(reply.tokens))
    writes = [event_head(head) + chunk(reply.lead), *map(chunk, reply.frames)]
    writes.append(chunk(reply.tail) + _LAST_CHUNK)
    return _paced(writes, pace, Ending.KEEP)


def _paced(writes: list[bytes], pace: Pace, ending: Ending) -> Play:
    """Head and first event go out together, and so do the last event and what ends the stream."""
    if len(writes) > 1:
        writes[:2] = [writes[0] + writes[1]]
    if len(writes) > 1 and ending is Ending.KEEP:
        writes[-2:] = [writes[-2] + writes[-1]]
    if not pace.token_s:
        writes = [b"".join(writes)]
    return Play(tuple(writes), pace.ttft_s, pace.token_s, ending, stream=True)


def faulty(fault: Fault, head: bytes, reply: Reply, pace: Pace) -> Play:
    """The answer as `fault` spoils it; not for `STATUS`, which is a reply of its own.

    Args:
        fault: what happens.
        head: status line and header lines without those of type and length.
        reply: the answer it happens to.
        pace: its latency; the fault's own delay comes on top.
    """
    pace = Pace(pace.ttft_s + fault.delay_s, pace.token_s)
    unsent = _UNSENT.get(fault.kind)
    if unsent is not None:
        writes, ending = unsent
        return Play(writes, fault.delay_s, 0.0, ending, reply.stream)
    if fault.kind in _BROKEN_OFF:
        ending = _BROKEN_OFF[fault.kind]
        if reply.stream:
            return _broken_stream(fault, head, reply, pace, ending)
        return _broken_whole(fault, head, reply, pace, ending)
    return _SPOILED[fault.kind](fault, head, reply, pace)


_UNSENT: Mapping[FaultKind, tuple[tuple[bytes, ...], Ending]] = {
    FaultKind.RESET_BEFORE: ((), Ending.RESET),
    FaultKind.STALL_BEFORE: ((), Ending.STALL),
    FaultKind.STALE: ((), Ending.CLOSE),
    FaultKind.GARBAGE: ((_GARBAGE,), Ending.CLOSE),
}
_BROKEN_OFF: Mapping[FaultKind, Ending] = {
    FaultKind.RESET_MID: Ending.RESET,
    FaultKind.CUT: Ending.CLOSE,
    FaultKind.STALL_MID: Ending.STALL,
    FaultKind.END_EARLY: Ending.KEEP,
}


def _broken_stream(fault: Fault, head: bytes, reply: Reply, pace: Pace, ending: Ending) -> Play:
    writes = [event_head(head)]
    if fault.after_chunks:
        writes[0] += chunk(reply.lead)
        writes.extend(map(chunk, reply.frames[: fault.after_chunks]))
    if ending is Ending.KEEP:
        writes.append(_LAST_CHUNK)
    return _paced(writes, pace, ending)


def _broken_whole(fault: Fault, head: bytes, reply: Reply, pace: Pace, ending: Ending) -> Play:
    half = reply.body[: len(reply.body) // 2]
    if ending is Ending.KEEP:
        wire = chunked_head(head, b"application/json") + chunk(half) + _LAST_CHUNK
    elif fault.kind is FaultKind.RESET_MID:
        wire = sized_head(head, len(reply.body))
    else:
        wire = sized_head(head, len(reply.body)) + half
    return Play((wire,), pace.service_s(reply.tokens), 0.0, ending)


def _malformed(fault: Fault, head: bytes, reply: Reply, pace: Pace) -> Play:
    if not reply.stream:
        half = reply.body[: len(reply.body) // 2]
        return Play((sized_head(head, len(half)) + half,), pace.service_s(reply.tokens))
    writes = [event_head(head) + chunk(reply.lead), *map(chunk, reply.frames)]
    writes.insert(1 + fault.after_chunks, chunk(_BROKEN_EVENT))
    writes.append(chunk(reply.tail) + _LAST_CHUNK)
    return _paced(writes, pace, Ending.KEEP)


def _zipped(fault: Fault, head: bytes, reply: Reply, pace: Pace) -> Play:
    del fault
    head += b"content-encoding: gzip\r\n"
    packer = zlib.compressobj(wbits=_GZIP_WINDOW)
    if not reply.stream:
        packed = packer.compress(reply.body) + packer.flush()
        wire = sized_head(head, len(packed)) + packed
        return Play((wire,), pace.service_s(reply.tokens))
    pieces = (reply.lead, *reply.frames, reply.tail)
    packed_pieces = [packer.compress(p) + packer.flush(zlib.Z_SYNC_FLUSH) for p in pieces]
    writes = [chunk(piece) for piece in packed_pieces]
    writes[0] = event_head(head) + writes[0]
    writes[-1] += chunk(packer.flush()) + _LAST_CHUNK
    return _paced(writes, pace, Ending.KEEP)


def _late(fault: Fault, head: bytes, reply: Reply, pace: Pace) -> Play:
    del fault  # its delay is in the pace
    return good(head, reply, pace)


_SPOILED: Mapping[FaultKind, Callable[[Fault, bytes, Reply, Pace], Play]] = {
    FaultKind.MALFORMED: _malformed,
    FaultKind.GZIP: _zipped,
    FaultKind.SLOW: _late,
}
