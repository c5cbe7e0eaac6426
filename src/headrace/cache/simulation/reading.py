"""Traces from files: a line of JSON for each request, in our format or in Mooncake's."""

import gzip
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from io import BufferedReader
from typing import Annotated

import msgspec

from headrace.cache.simulation.event import Count, Event, TraceInvalid

LINE_BYTES_MAX = 1024 * 1024
EXAMPLE = '{"key": "a1", "bytes": 1200, "cost_usd": 0.002, "t": 0.5, "latency_s": 1.2}'

_GZIP_MAGIC = b"\x1f\x8b"


class Assumed(msgspec.Struct, frozen=True):
    """What Mooncake traces do not tell.

    Attributes:
        input_usd: dollars for a million tokens of a question.
        output_usd: dollars for a million tokens of an answer.
        token_bytes: bytes of a token in a stored answer.
        envelope_bytes: bytes of a stored answer besides its tokens.
        first_token_s: seconds to the first token.
        token_s: seconds from one token to the next.
    """

    input_usd: float = 2.5
    output_usd: float = 10.0
    token_bytes: int = 4
    envelope_bytes: int = 600
    first_token_s: float = 0.35
    token_s: float = 0.02


class MooncakeLine(msgspec.Struct, frozen=True):
    """A request of a Mooncake trace; the hashes are of the question's blocks.

    Attributes:
        timestamp: milliseconds from the first request.
        input_length: tokens of the question.
        output_length: tokens of the answer.
        hash_ids: the same ids in the same order are the same question.
    """

    timestamp: Annotated[float, msgspec.Meta(ge=0, le=1e15)]
    input_length: Count
    output_length: Count
    hash_ids: tuple[int, ...]


def read_events(
    stream: BufferedReader, name: str, assumed: Assumed | None = None
) -> Iterator[Event]:
    """The events of a file, one by one.

    Args:
        stream: its bytes, gzip or plain. The first line tells the format: with `hash_ids` it is
            a Mooncake trace. Empty lines and unknown fields do not matter.
        name: what it is called, for messages.
        assumed: prices and sizes for a Mooncake trace.

    Raises:
        TraceInvalid: a line cannot be used; the message names it.
    """
    ours = msgspec.json.Decoder(Event)
    theirs = msgspec.json.Decoder(MooncakeLine)
    is_theirs: bool | None = None
    for number, line in _lines(stream, name):
        if is_theirs is None:
            is_theirs = b'"hash_ids"' in line
        try:
            if is_theirs:
                yield _event(theirs.decode(line), assumed or Assumed())
            else:
                yield ours.decode(line)
        except msgspec.DecodeError as error:
            like = "" if is_theirs else f"; a line is like {EXAMPLE}"
            raise TraceInvalid(f"{name}:{number}: {error}{like}") from None
        except UnicodeDecodeError:
            raise TraceInvalid(f"{name}:{number}: is not UTF-8 text") from None


def _lines(stream: BufferedReader, name: str) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        is_packed = stream.peek(2)[:2] == _GZIP_MAGIC
        plain = gzip.GzipFile(fileobj=stream) if is_packed else stream
        while line := plain.readline(LINE_BYTES_MAX + 1):
            number += 1
            if len(line) > LINE_BYTES_MAX:
                raise TraceInvalid(f"{name}:{number}: is longer than {LINE_BYTES_MAX} bytes")
            if line.strip():
                yield number, line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TraceInvalid(
            f"{name}:{number + 1}: the compressed file is damaged here: {error}"
        ) from None


def _event(line: MooncakeLine, assumed: Assumed) -> Event:
    ids = ",".join(map(str, line.hash_ids))
    return Event(
        key=blake2b(ids.encode(), digest_size=16).hexdigest(),
        size=assumed.envelope_bytes + assumed.token_bytes * line.output_length,
        cost_usd=(line.input_length * assumed.input_usd + line.output_length * assumed.output_usd)
        / 1e6,
        t_s=line.timestamp / 1000,
        tokens=line.input_length + line.output_length,
        latency_s=assumed.first_token_s + assumed.token_s * line.output_length,
    )
