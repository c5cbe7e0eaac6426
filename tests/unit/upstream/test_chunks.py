"""Bytes that are exactly one chunk are told from all others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.upstream.chunks import payload_start


def framed(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


@pytest.mark.parametrize("size", [16, 17, 255, 256, 257, 4095, 4096, 65535])
def test_a_whole_chunk_is_seen_at_every_number_of_digits(size: int) -> None:
    data = framed(b"x" * size)
    start = payload_start(data)
    assert data[start:-2] == b"x" * size
    assert start > 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"0\r\n\r\n",
        framed(b"x" * 40) + framed(b"y" * 40),
        framed(b"x" * 40)[:-1],
        framed(b"x" * 40)[:-2] + b"xx",
        framed(b"x" * 40) + b"0\r\n\r\n",
        b"0" + framed(b"x" * 40),
        b"28;a=b\r\n" + b"x" * 40 + b"\r\n",
        b"1E\r\n" + b"x" * 30 + b"\r\n",
        b"0x1e\r\n" + b"x" * 30 + b"\r\n",
    ],
)
def test_anything_else_is_left_to_the_parser(data: bytes) -> None:
    assert payload_start(data) == 0


@given(st.binary(max_size=300))
def test_what_is_taken_is_one_chunk(data: bytes) -> None:
    start = payload_start(data)
    if start:
        assert framed(data[start:-2]) == data
