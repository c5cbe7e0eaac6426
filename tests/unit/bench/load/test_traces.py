"""Mooncake's traces: read, cut, sped up, and refused by the line."""

from pathlib import Path

import pytest

from headrace.bench.load.faults import PlanInvalid
from headrace.bench.load.plan import Trace
from headrace.bench.load.traces import Row, prompt_of, read_trace

LINE = '{"timestamp": %d, "input_length": 40, "output_length": 7, "hash_ids": [%s]}\n'


def write(folder: Path, text: str) -> str:
    file = folder / "trace.jsonl"
    file.write_text(text)
    return str(file)


def test_times_count_from_the_first_request_and_are_sped_up(tmp_path: Path) -> None:
    text = "".join(LINE % (ms, "1,2") for ms in (5000, 4000, 9000, 90_000)) + "\n"
    times, rows = read_trace(Trace(file=write(tmp_path, text), speed=2.0), seconds=10)
    assert list(times) == [0.0, 0.5, 2.5]
    assert [row.timestamp for row in rows] == [4000, 5000, 9000]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no request"),
        (LINE % (1, "1") + "{}\n", ":2: Object missing required field `timestamp`"),
        (LINE % (1, "1") + "\nnonsense\n", ":3: "),
        (LINE % (-1, "1"), ":1: Expected `float` >= 0"),
        ("x" * (1 << 20) + "y\n", ":1: is longer"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PlanInvalid) as refused:
        read_trace(Trace(file=write(tmp_path, text)), seconds=10)
    assert message in refused.value.message


def test_prompts_with_the_same_first_blocks_begin_alike() -> None:
    first = prompt_of(Row(timestamp=0, input_length=1024, output_length=1, hash_ids=(1, 2)), 0)
    other = prompt_of(Row(timestamp=0, input_length=1024, output_length=1, hash_ids=(1, 3)), 1)
    assert first != other
    assert first[:1000] == other[:1000]
    assert len(first.split()) == 760


def test_a_row_without_hashes_or_length_still_asks_something() -> None:
    assert prompt_of(Row(timestamp=0, input_length=0, output_length=0), 0)


@pytest.mark.parametrize("hash_ids", [(), (4,)])
def test_what_no_hash_stands_for_is_as_long_as_it_was_and_in_no_other_prompt(
    hash_ids: tuple[int, ...],
) -> None:
    row = Row(timestamp=0, input_length=2048, output_length=1, hash_ids=hash_ids)
    first, other = prompt_of(row, 0), prompt_of(row, 1)
    assert len(first.split()) == len(other.split()) == 4 * 380
    assert first != other
    assert prompt_of(row, 0) == first
