"""What is said to Valkey and Redis, and what they say: RESP3, as far as a cache needs it.

Source: the protocol's specification, https://redis.io/docs/latest/develop/reference/protocol-spec/.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

Argument = bytes | str | int
Command = tuple[Argument, ...]

# Lengths, numbers, words and errors stand in one line; nothing longer than this is one.
_LINE_BYTES_MAX: Final = 64 * 1024
# The largest that a server takes in by default; answers of a cache are far smaller.
_BULK_BYTES_MAX: Final = 512 * 1024 * 1024
_DEPTH_MAX: Final = 8

_END: Final = b"\r\n"
_NIL: Final = -1


class Refusal(msgspec.Struct, frozen=True):
    """An error that a server answers a command with.

    Attributes:
        text: what it said: a code in capitals, and words.
    """

    text: str

    @property
    def code(self) -> str:
        """The code alone, `ERR` where there is none."""
        code = self.text.partition(" ")[0]
        return code if code.isalpha() and code.isupper() and len(code) <= 20 else "ERR"


class Push(msgspec.Struct, frozen=True):
    """Something that was said without having been asked for.

    Attributes:
        parts: the kind of it first.
    """

    parts: list[Any]


class NotSpoken(ValueError):  # what is not spoken is the protocol
    """Whoever is there does not speak the protocol."""


class _Cut(Exception):  # what was cut, not what went wrong
    """There is more to come; `args[0]` is how many bytes there are then at least."""


NOTHING: Final = object()
"""What `Reader.next` returns where there is no whole answer yet."""


def pack(command: Command) -> bytes:
    """A command as it is sent."""
    parts = [b"*%d\r\n" % len(command)]
    for argument in command:
        if isinstance(argument, int):
            argument = b"%d" % argument
        elif isinstance(argument, str):
            argument = argument.encode()
        parts += (b"$%d\r\n" % len(argument), argument, _END)
    return b"".join(parts)


class Reader:
    """Takes in bytes as they come, and gives out answers as they are whole."""

    __slots__ = ("_at", "_buffer", "_needed")

    def __init__(self) -> None:
        self._buffer: bytes | bytearray = b""
        self._at = 0
        self._needed = 1

    def feed(self, data: bytes) -> None:
        """Take in what has come."""
        rest = len(self._buffer) - self._at
        if not rest:
            self._buffer = data
        elif isinstance(self._buffer, bytearray) and not self._at:
            self._buffer += data
            return
        else:
            self._buffer = bytearray(memoryview(self._buffer)[self._at :])
            self._buffer += data
        self._needed -= self._at
        self._at = 0

    def next(self) -> Any:
        """The next answer, or `NOTHING` where it is not whole yet.

        Returns:
            `bytes` of texts, `int`, `float`, `bool` and `None`; lists; maps as dictionaries; errors
            as `Refusal`; what nobody asked for as `Push`.

        Raises:
            NotSpoken: that is no answer; nothing more can be read.
        """
        if len(self._buffer) < self._needed:
            return NOTHING
        try:
            value, self._at = _value(self._buffer, self._at, 0)
        except _Cut as cut:
            self._needed = cut.args[0]
            return NOTHING
        if self._at == len(self._buffer):
            self._buffer, self._at = b"", 0  # a large answer is not held until the next one comes
        self._needed = self._at + 1
        return value


def _value(buffer: bytes | bytearray, at: int, depth: int) -> tuple[Any, int]:
    """The value that begins at `at`, and where the next one does."""
    if at >= len(buffer):
        raise _Cut(at + 1)
    end = buffer.find(_END, at + 1, at + _LINE_BYTES_MAX)
    if end < 0:
        if len(buffer) - at >= _LINE_BYTES_MAX:
            raise NotSpoken("a line without end")
        raise _Cut(len(buffer) + 1)
    kind = bytes(buffer[at : at + 1])
    line = bytes(buffer[at + 1 : end])
    after = end + 2
    if kind == b"$":
        return _bulk(buffer, after, _length(line))
    if kind in _AGGREGATES:
        return _aggregate(buffer, after, kind, _length(line), depth)
    if kind in (b"=", b"!"):
        text, after = _bulk(buffer, after, _length(line))
        return (Refusal(_text(text)) if kind == b"!" else text), after
    return _scalar(kind, line), after


_AGGREGATES: Final = frozenset((b"*", b"~", b">", b"%"))


def _bulk(buffer: bytes | bytearray, at: int, length: int) -> tuple[bytes | None, int]:
    if length == _NIL:
        return None, at
    if length > _BULK_BYTES_MAX:
        raise NotSpoken("a text that is too long")
    end = at + length
    if len(buffer) < end + 2:
        raise _Cut(end + 2)
    if buffer[end : end + 2] != _END:
        raise NotSpoken("a text without end")
    return bytes(buffer[at:end]), end + 2


def _aggregate(
    buffer: bytes | bytearray, at: int, kind: bytes, length: int, depth: int
) -> tuple[Any, int]:
    if length == _NIL:
        return None, at
    if depth >= _DEPTH_MAX:
        raise NotSpoken("lists in lists in lists")
    values: list[Any] = []
    for _ in range(length * 2 if kind == b"%" else length):
        value, at = _value(buffer, at, depth + 1)
        values.append(value)
    if kind == b"%":
        return dict(_pairs(values)), at
    return (Push(values) if kind == b">" else values), at


def _pairs(values: Sequence[Any]) -> list[tuple[bytes, Any]]:
    if not all(isinstance(key, bytes) for key in values[::2]):
        raise NotSpoken("a map of something else than texts")
    return list(zip(values[::2], values[1::2], strict=True))


def _scalar(kind: bytes, line: bytes) -> Any:
    if kind == b"+":
        return line
    if kind == b"-":
        return Refusal(_text(line))
    if kind == b"_" and not line:
        return None
    if kind == b"#" and line in (b"t", b"f"):
        return line == b"t"
    try:
        if kind in (b":", b"("):
            return int(line)
        if kind == b",":
            return float(line)
    except ValueError:
        raise NotSpoken("a number that is none") from None
    raise NotSpoken("an answer of no kind")


def _length(line: bytes) -> int:
    if line == b"-1":
        return _NIL
    if not line.isdigit() or len(line) > 10:
        raise NotSpoken("a length that is none")
    return int(line)


def _text(said: bytes | None) -> str:
    return (said or b"").decode("utf-8", "replace")
