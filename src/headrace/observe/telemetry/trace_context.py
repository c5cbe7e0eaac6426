"""W3C Trace Context: what `traceparent` and `tracestate` say, and how they are written. Pure.

The rules are those of the Recommendation "Trace Context" (W3C, 2021): a `traceparent` that is
invalid, or stands there twice, is as good as none, and its `tracestate` with it; a `tracestate`
that is invalid is left out alone; of one that is too long, whole entries are.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

TRACEPARENT: Final = b"traceparent"
TRACESTATE: Final = b"tracestate"
NAMES: Final = frozenset((TRACEPARENT, TRACESTATE))

_PARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_KEY: Final = rb"[a-z0-9][_0-9a-z*/-]{0,255}(?:@[a-z0-9][_0-9a-z*/-]{0,13})?"
_VALUE: Final = rb"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_ENTRY: Final = re.compile(b"(" + _KEY + b")=" + _VALUE)
_SAMPLED: Final = 0x01
_FLAGS_AT: Final = 54  # the digit that says it
_ENTRIES_MAX: Final = 32
_STATE_BYTES_MAX: Final = 512
_LONG_ENTRY_BYTES: Final = 128
_HEADER_BYTES_MAX: Final = 4096


class TraceContext(msgspec.Struct, frozen=True, gc=False):
    """Where a request stands in a trace.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 of the span that the request was sent by.
        is_sampled: whether who sent it records the trace.
        state: what vendors pass along, as one `tracestate`; empty for none.
    """

    trace_id: str
    span_id: str
    is_sampled: bool
    state: bytes = b""


def read_context(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """The context that a request brings; `None` where it brings none that is valid.

    Args:
        headers: names in lower case; others than the two are passed over.
    """
    parents, states = [], []
    for name, value in headers:
        if name == TRACEPARENT:
            parents.append(value.strip())
        elif name == TRACESTATE:
            states.append(value)
    if len(parents) != 1 or len(parents[0]) > _HEADER_BYTES_MAX:
        return None
    read = _PARENT.fullmatch(parents[0])
    if read is None or _is_void(*read.groups()):
        return None
    trace_id, span_id, flags = (read[at].decode() for at in (2, 3, 4))
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED), _read_state(states))


def says_unsampled(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether what a request brings, if it is valid, says that it is not recorded.

    One look at one digit: for who wants to know no more.
    """
    return any(
        name == TRACEPARENT and value[_FLAGS_AT] in b"02468ace" for name, value in _long(headers)
    )


def worded_parent(trace_id: str, span_id: str, *, is_sampled: bool) -> bytes:
    """A `traceparent` of version 00."""
    return f"00-{trace_id}-{span_id}-{is_sampled:02x}".encode()


def _long(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    return (pair for pair in headers if len(pair[1]) > _FLAGS_AT)


def _is_void(version: bytes, trace_id: bytes, span_id: bytes, _: bytes, more: bytes | None) -> bool:
    """Whether something that looks like a `traceparent` is none: only later versions say more."""
    if version == b"ff" or (version == b"00" and more is not None):
        return True
    return not trace_id.strip(b"0") or not span_id.strip(b"0")


def _read_state(values: list[bytes]) -> bytes:
    whole = b",".join(values)
    if len(whole) > _HEADER_BYTES_MAX:
        return b""
    entries = [entry for part in whole.split(b",") if (entry := part.strip(b" \t"))]
    read = [_ENTRY.fullmatch(entry) for entry in entries]
    keys = {each[1] for each in read if each is not None}
    if len(entries) > _ENTRIES_MAX or len(keys) != len(entries):  # invalid, or one key twice
        return b""
    if _length(entries) > _STATE_BYTES_MAX:
        entries = [entry for entry in entries if len(entry) <= _LONG_ENTRY_BYTES]
    while _length(entries) > _STATE_BYTES_MAX:
        entries.pop()
    return b",".join(entries)


def _length(entries: list[bytes]) -> int:
    return sum(map(len, entries)) + max(0, len(entries) - 1)
