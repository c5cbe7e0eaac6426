"""Results that were written are found again, wherever the writing broke off."""

import errno
import json
import os
from pathlib import Path

import pytest

from headrace.batches.results import Result, ResultFile, Totals, Writing, usage_of
from headrace.model import Usage

WORDS = Writing("01hf7yat00")
BODY = json.dumps({"usage": {"prompt_tokens": 3, "completion_tokens": 5}}, indent=1).encode()


def written(*numbers: int) -> bytes:
    return b"".join(WORDS.answered(n, f"c{n}", 200, BODY) for n in numbers)


def recovered(path: Path, *, lines: int = 10, is_good: bool = True) -> tuple[list[int], Totals]:
    file, done, totals = ResultFile(path), bytearray(lines), Totals()
    file.recover(done, is_good=is_good, totals=totals)
    assert file.bytes == path.stat().st_size
    file.close()
    return [n for n, is_done in enumerate(done) if is_done], totals


def test_wherever_it_broke_off_whole_lines_are_there_and_nothing_else(tmp_path: Path) -> None:
    path, whole = tmp_path / "file", written(3, 1, 7)
    ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        there = sum(end <= cut for end in ends)
        numbers, totals = recovered(path)
        assert numbers == sorted((3, 1, 7)[:there])
        assert path.read_bytes() == whole[: ([0, *ends])[there]]
        assert totals == Totals(there, 0, 3 * there, 5 * there, 0)


def test_what_is_recovered_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(written(1) + b'{"id":"batch_req_01hf7yat00_2","cust')
    file = ResultFile(path)
    file.recover(bytearray(10), is_good=True, totals=Totals())
    file.append(written(2))
    file.sync()
    file.close()
    assert path.read_bytes() == written(1, 2)


def test_a_line_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(written(1, 2, 1))
    numbers, totals = recovered(tmp_path / "file")
    assert (numbers, totals.completed) == ([1, 2], 2)


def test_lines_of_others_and_beyond_the_last_count_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"something\n{}\n" + written(11, 999_999_999, 4))
    assert recovered(tmp_path / "file")[0] == [4]


def test_a_large_file_is_read_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(written(*range(1, 20_000)))
    numbers, totals = recovered(tmp_path / "file", lines=20_000)
    assert len(numbers) == totals.completed == 19_999
    assert totals.input_tokens == 3 * 19_999


def test_a_disk_that_takes_half_of_it_has_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ResultFile(tmp_path / "file")
    file.append(written(1))
    write = os.pwrite

    def half(fd: int, data: bytes, at: int) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "full")
        return write(fd, data[: len(data) // 2], at)

    monkeypatch.setattr("headrace.batches.results.os.pwrite", half)
    with pytest.raises(OSError, match="full"):
        file.append(written(2))
    monkeypatch.undo()
    assert (tmp_path / "file").read_bytes() == written(1)
    file.append(written(2))
    assert (tmp_path / "file").read_bytes() == written(1, 2)


@pytest.mark.parametrize("body", [b"no json", b'{"a":\n1}', b"\xff\xfe", b"", b'"\xe2\x80\xa8"'])
def test_every_result_is_one_line_of_json(body: bytes) -> None:
    line = WORDS.answered(1, "c\n1", 502, body)
    assert line.count(b"\n") == 1
    assert json.loads(line)["custom_id"] == "c\n1"
    assert json.loads(line)["response"]["status_code"] == 502


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (None, Usage()),
        ([], Usage()),
        ({"prompt_tokens": 2, "completion_tokens": 3}, Usage(2, 3)),
        ({"input_tokens": 2, "output_tokens": 3}, Usage(2, 3)),
        ({"prompt_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}, Usage(2, 0, 1)),
        ({"prompt_tokens": "2", "completion_tokens": -3, "prompt_tokens_details": []}, Usage()),
    ],
)
def test_usage_is_read_in_any_dialect(told: object, usage: Usage) -> None:
    assert usage_of(told) == usage


def test_totals_add_up() -> None:
    totals = Totals()
    for result in (Result(b"", True, Usage(2, 3, 1)), Result(b"", False)):
        totals.add(result)
    assert totals == Totals(1, 1, 2, 3, 1)
