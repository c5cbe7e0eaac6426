"""Lines of a file, whatever pieces it is read in."""

import json
from pathlib import Path

import pytest

from headrace.batches import line_file
from headrace.batches.line_file import LineFile
from headrace.batches.lines import Line, LineFault, LineReader

LONG = 300 * 1024


def read_all(path: Path, line_bytes_max: int = 1 << 20) -> list[tuple[int, bytes | None]]:
    file = LineFile(path, line_bytes_max)
    found = []
    while (lines := file.read()) is not None:
        found += lines
    assert file.read() is None
    file.close()
    return found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"one",
        b"one\n",
        b"one\ntwo",
        b"\n\none\n\n",
        b"x" * LONG,
        b"x" * LONG + b"\n" + b"y" * LONG,
        (b"z" * 100 + b"\n") * 9_000,
        b"x" * (line_file._PIECE_BYTES - 1) + b"\nend",
        b"x" * line_file._PIECE_BYTES + b"\nend\n",
    ],
)
def test_they_are_what_splitting_gives(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert read_all(path) == list(enumerate(expected, 1))


@pytest.mark.parametrize("size", [1025, LONG, 3 * LONG])
def test_a_line_that_is_too_long_is_told_by_its_number_only(size: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a\n" + b"x" * size + b"\nb\n" + b"x" * size)
    assert read_all(path, 1024) == [(1, b"a"), (2, None), (3, b"b"), (4, None)]


def test_requests_are_read_and_others_told() -> None:
    reader = LineReader("/v1/embeddings", 100)
    good = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m"}}
    raw = json.dumps({**good, "more": [1, {"of": "it"}]}).encode()
    assert reader.read(1, raw) == Line(1, "a", b'{"model": "m"}')
    twice, empty, too_long = reader.read(2, raw), reader.read(3, b" \r"), reader.read(4, None)
    assert isinstance(twice, LineFault)
    assert (twice.code, twice.custom_id) == ("duplicate_custom_id", "a")
    assert empty is None
    assert isinstance(too_long, LineFault)
    assert too_long.code == "line_too_long"


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"body":' * 100_000,
        b'{"custom_id":"\\ud800","method":"POST","url":"/v1/embeddings","body":{"model":"m"}}',
        b'{"custom_id":"a\xff","method":"POST","url":"/v1/embeddings","body":{"model":"m"}}',
        b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model":"\xff"}}',
        b"null",
        b'"text"',
        b"\x00",
        b'{"custom_id":{},"method":[],"url":1e999,"body":null}',
    ],
)
def test_nothing_that_a_line_holds_is_more_than_a_fault(raw: bytes) -> None:
    assert isinstance(LineReader("/v1/embeddings", 100).read(1, raw), LineFault)
