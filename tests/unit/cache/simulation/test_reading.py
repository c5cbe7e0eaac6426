"""Files of requests: both formats, packed or not, and every way in which a line can be bad."""

import gzip
from io import BufferedReader, BytesIO

import pytest

from headrace.cache.simulation.event import Event, TraceInvalid
from headrace.cache.simulation.reading import LINE_BYTES_MAX, Assumed, read_events

GOOD = b'{"key": "a", "bytes": 10, "cost_usd": 0.5}'
FULL = (
    b'{"t": 1.5, "key": "k", "tokens": 7, "cost_usd": 0.25, "latency_s": 2, "bytes": 30, '
    b'"tenant": "x", "category": "chat", "more": [1]}'
)
MOONCAKE = b'{"timestamp": 1500, "input_length": 1000, "output_length": 50, "hash_ids": [1, 2]}'


def read(data: bytes, assumed: Assumed | None = None) -> list[Event]:
    return list(read_events(BufferedReader(BytesIO(data)), "a.jsonl", assumed))  # type: ignore[arg-type]


def complaint(data: bytes) -> str:
    with pytest.raises(TraceInvalid) as caught:
        read(data)
    return caught.value.message


def test_reads_every_field_and_leaves_out_what_it_does_not_know() -> None:
    assert read(FULL) == [Event("k", 30, 0.25, 1.5, 7, 2.0, "x", "chat")]


def test_only_key_bytes_and_cost_are_needed() -> None:
    assert read(GOOD + b"\n\n  \r\n" + GOOD) == [Event("a", 10, 0.5)] * 2


def test_reads_what_is_packed() -> None:
    assert read(gzip.compress(GOOD + b"\n" + FULL)) == read(GOOD + b"\n" + FULL)


def test_reads_mooncake_with_prices_that_are_stated() -> None:
    assumed = Assumed(
        input_usd=2.0,
        output_usd=20.0,
        token_bytes=4,
        envelope_bytes=100,
        first_token_s=0.5,
        token_s=0.01,
    )
    [event] = read(MOONCAKE, assumed)
    assert (event.size, event.tokens, event.t_s, event.latency_s) == (300, 1050, 1.5, 1.0)
    assert event.cost_usd == pytest.approx(0.003)


def test_the_key_of_mooncake_is_all_hashes_in_their_order() -> None:
    def key(ids: str) -> str:
        [event] = read(MOONCAKE.replace(b"[1, 2]", ids.encode()))
        return event.key

    keys = [key(ids) for ids in ("[1, 2]", "[2, 1]", "[12]", "[1]", "[]", "[1,2]")]
    assert len(set(keys)) == 5
    assert keys[0] == keys[-1]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"nonsense", "malformed"),
        (b"[1]", "Expected `object`"),
        (b'{"key": "a", "bytes": 1}', "missing required field `cost_usd`"),
        (b'{"key": "", "bytes": 1, "cost_usd": 1}', "length >= 1"),
        (b'{"key": "a", "bytes": 0, "cost_usd": 1}', ">= 1"),
        (b'{"key": "a", "bytes": 1e30, "cost_usd": 1}', "`$.bytes`"),
        (b'{"key": "a", "bytes": 1.5, "cost_usd": 1}', "`$.bytes`"),
        (b'{"key": "a", "bytes": 1, "cost_usd": -1}', ">= 0"),
        (b'{"key": "a", "bytes": 1, "cost_usd": NaN}', "malformed"),
        (b'{"key": "a", "bytes": 1, "cost_usd": 1e999}', "out of range"),
        (b'{"key": "\\ud800", "bytes": 1, "cost_usd": 1}', "surrogate"),
        (b'{"key": "\xff", "bytes": 1, "cost_usd": 1}', "UTF-8"),
        (b'{"key": "' + b"a" * LINE_BYTES_MAX + b'"}', "longer than 1048576 bytes"),
        (b'{"key": "a", "bytes": 1, "cos', "truncated"),
        (MOONCAKE, "missing required field `key`"),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else "",
)
def test_a_bad_line_is_told_with_its_number(line: bytes, words: str) -> None:
    told = complaint(GOOD + b"\n\n" + line)
    assert told.startswith("a.jsonl:3: ")
    assert words in told


def test_what_a_line_should_be_like_is_shown() -> None:
    assert '"cost_usd": 0.002' in complaint(b"{}")


@pytest.mark.parametrize("cut", ["end", "middle"])
def test_a_damaged_file_is_told_with_the_line_it_got_to(cut: str) -> None:
    packed = gzip.compress(b"\n".join([GOOD] * 3))
    half = len(packed) // 2
    data = packed[:-4] if cut == "end" else packed[:half] + b"\0\0\0" + packed[half + 3 :]
    told = complaint(data)
    assert "the compressed file is damaged" in told


def test_a_bad_mooncake_line_is_no_line_of_ours() -> None:
    told = complaint(MOONCAKE + b'\n{"timestamp": 1}')
    assert told == "a.jsonl:2: Object missing required field `input_length`"


def test_events_before_a_bad_line_are_given() -> None:
    events = read_events(BufferedReader(BytesIO(GOOD + b"\nx")), "a")  # type: ignore[arg-type]
    assert next(events) == Event("a", 10, 0.5)
