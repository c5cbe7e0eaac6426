"""Traces to replay: Mooncake's JSON lines (`timestamp, input_length, output_length, hash_ids`)."""

from array import array
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Final

import msgspec

from headrace.bench.load.faults import PlanInvalid
from headrace.bench.load.plan import REQUESTS_MAX, Trace

_LINE_BYTES_MAX: Final = 1 << 20
# Of Mooncake's blocks: each hash stands for so many tokens of the prompt.
_BLOCK_TOKENS: Final = 512
_WORDS_PER_BLOCK: Final = 380


class Row(msgspec.Struct, frozen=True, gc=False):
    """A request of a trace.

    Attributes:
        timestamp: milliseconds.
        input_length: tokens of the prompt.
        output_length: tokens of the answer.
        hash_ids: of the prompt's blocks; the same beginning is the same beginning.
    """

    timestamp: Annotated[float, msgspec.Meta(ge=0, le=1e15)]
    input_length: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    output_length: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    hash_ids: tuple[int, ...] = ()


def read_trace(trace: Trace, seconds: float) -> tuple["array[float]", list[Row]]:
    """When each request of a trace is sent, in seconds from the first, and what it is.

    Args:
        trace: the file, and how much faster than recorded.
        seconds: what comes later is left out.

    Raises:
        PlanInvalid: a line cannot be used; the message names it.
        OSError: the file cannot be read.
    """
    decoder = msgspec.json.Decoder(Row)
    rows: list[Row] = []
    with Path(trace.file).open("rb") as lines:
        number = 0
        while line := lines.readline(_LINE_BYTES_MAX + 1):
            number += 1
            if not line.strip():
                continue
            try:
                if len(line) > _LINE_BYTES_MAX or len(rows) >= REQUESTS_MAX:
                    raise msgspec.DecodeError("is longer than a run can hold")
                rows.append(decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise PlanInvalid(
                    f"{trace.file}:{number}: {error}; a line is like "
                    '{"timestamp": 27482, "input_length": 6955, "output_length": 52, '
                    '"hash_ids": [46, 47]}'
                ) from None
    if not rows:
        raise PlanInvalid(f"{trace.file}: holds no request.")
    rows.sort(key=lambda row: row.timestamp)
    first_ms = rows[0].timestamp
    times = array("d", ((row.timestamp - first_ms) / 1000 / trace.speed for row in rows))
    kept = sum(at_s < seconds for at_s in times)
    return times[:kept], rows[:kept]


def prompt_of(row: Row, number: int) -> str:
    """A prompt of about its length, whose beginning is the same where the hashes are.

    Args:
        row: what is asked.
        number: of the row; what no hash stands for is said to be the same by nobody, and is its
            own.
    """
    words_left = max(1, row.input_length * _WORDS_PER_BLOCK // _BLOCK_TOKENS)
    own = (f"{number}.{place}" for place in count())
    parts: list[str] = []
    for block in chain(row.hash_ids, own):
        words = min(words_left, _WORDS_PER_BLOCK)
        parts.append(f"block {block}" + " water" * max(0, words - 2))
        words_left -= words
        if words_left <= 0:
            break
    return " ".join(parts)
