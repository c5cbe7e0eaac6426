"""Answers are read the same, however the bytes come; what is wrong with them is told."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.upstream.answer_reader import OVERHEAD_BYTES_MAX, AnswerReader

SIZED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b"3\r\nhel\r\n2;x=1\r\nlo\r\n0\r\nx-trailer: 1\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + SIZED
NO_BODY = b"HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n"
NOT_MODIFIED = b'HTTP/1.1 304 Not Modified\r\netag: "1"\r\ncontent-length: 5\r\n\r\n'


def read(
    data: bytes, *, is_head: bool = False, step: int = 1 << 20, body_bytes_max: float = 1 << 20
) -> tuple[AnswerReader, str | None]:
    reader = AnswerReader()
    reader.begin(is_head=is_head, body_bytes_max=body_bytes_max)
    for start in range(0, len(data), step):
        fault = reader.feed(data[start : start + step])
        if fault is not None:
            return reader, fault
    return reader, None


@pytest.mark.parametrize("step", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (SIZED, 200, b"hello"),
        (CHUNKED, 200, b"hello"),
        (INTERIM, 200, b"hello"),
        (NO_BODY, 204, b""),
        (NOT_MODIFIED, 304, b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b""),
    ],
)
def test_whole_answers_are_read_in_any_pieces(
    data: bytes, status: int, body: bytes, step: int
) -> None:
    reader, fault = read(data, step=step)
    assert (fault, reader.is_complete, reader.keeps_alive) == (None, True, True)
    assert (reader.status, reader.take()) == (status, body)


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), min_size=1))
def test_any_body_in_any_chunks_comes_as_it_is(body: bytes, sizes: list[int]) -> None:
    def chunks() -> Iterator[bytes]:
        start = 0
        for number in range(len(body)):
            size = sizes[number % len(sizes)]
            piece = body[start : start + size]
            if piece:
                yield b"%x\r\n%b\r\n" % (len(piece), piece)
            start += size
        yield b"0\r\n\r\n"

    reader = AnswerReader()
    for piece in (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *chunks()):
        assert reader.feed(piece) is None
    assert reader.is_complete
    assert reader.take() == body


@given(st.binary(max_size=200))
def test_garbage_never_raises(data: bytes) -> None:
    reader, fault = read(data)
    assert fault in (None, "garbage", "cut", "too_large")
    reader.end()


def test_answers_come_one_after_the_other() -> None:
    reader = AnswerReader()
    for data, is_head in ((NOT_MODIFIED, False), (SIZED, True), (SIZED, False), (CHUNKED, False)):
        reader.begin(is_head=is_head)
        assert reader.feed(SIZED[:-5] if is_head else data) is None
        assert reader.is_complete
        assert reader.keeps_alive
    assert reader.take() == b"hello"


def test_head_has_no_body_whatever_it_says() -> None:
    reader, fault = read(SIZED[:-5], is_head=True)
    assert (fault, reader.is_complete, reader.keeps_alive, reader.take()) == (None, True, True, b"")


def test_head_without_a_length_keeps_the_connection() -> None:
    reader, _ = read(b"HTTP/1.1 200 OK\r\nx: 1\r\n\r\n", is_head=True)
    assert (reader.is_complete, reader.keeps_alive) == (True, True)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n"]
)
def test_head_that_closes_is_told(head: bytes) -> None:
    reader, _ = read(head, is_head=True)
    assert (reader.is_complete, reader.keeps_alive) == (True, False)


def test_body_after_head_ends_the_connection() -> None:
    reader, fault = read(SIZED, is_head=True)
    assert (fault, reader.is_complete, reader.keeps_alive, reader.take()) == (
        None,
        True,
        False,
        b"",
    )


def test_second_answer_ends_the_connection() -> None:
    reader, fault = read(SIZED + SIZED)
    assert (fault, reader.is_complete, reader.keeps_alive) == (None, True, False)
    assert reader.take() == b"hello"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_connection_that_closes_is_told(head: bytes) -> None:
    reader, _ = read(head)
    assert (reader.is_complete, reader.keeps_alive) == (True, False)


def test_body_without_framing_ends_with_the_connection() -> None:
    reader, fault = read(b"HTTP/1.1 200 OK\r\n\r\nhel")
    assert (fault, reader.is_complete) == (None, False)
    reader.feed(b"lo")
    assert reader.end() is None
    assert (reader.is_complete, reader.keeps_alive, reader.take()) == (True, False, b"hello")


@pytest.mark.parametrize(
    ("data", "missing"),
    [(b"", "reset"), (SIZED[:9], "cut"), (SIZED[:-1], "cut"), (CHUNKED[:-2], "cut")],
)
def test_what_is_missing_at_the_end_is_told(data: bytes, missing: str) -> None:
    reader, _ = read(data)
    assert reader.end() == missing
    assert not reader.is_complete


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "garbage"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            "garbage",
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "garbage"),
        (CHUNKED[:47] + b"zz\r\n", "cut"),
    ],
)
def test_what_makes_no_sense_is_told(data: bytes, fault: str) -> None:
    assert read(data)[1] == fault


def test_two_framings_are_refused() -> None:
    both = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
    assert read(both)[1] in ("garbage", "cut")


def test_bodies_are_bounded() -> None:
    assert read(SIZED, body_bytes_max=4)[1] == "too_large"
    assert read(SIZED, body_bytes_max=5)[1] is None


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (OVERHEAD_BYTES_MAX // 5),
        b"HTTP/1.1 100 Continue\r\n\r\n" * (OVERHEAD_BYTES_MAX // 20),
        CHUNKED[:47] + b"1;" + b"x" * (OVERHEAD_BYTES_MAX + 10),
        CHUNKED[:47] + b"0\r\n" + b"x: y\r\n" * (OVERHEAD_BYTES_MAX // 5),
    ],
    ids=["head", "interim", "extension", "trailers"],
)
def test_what_comes_beside_a_body_is_bounded(endless: bytes) -> None:
    reader, fault = read(endless, step=1000)
    assert fault == "too_large"
    assert not reader.is_complete


def test_many_small_chunks_are_no_overhead() -> None:
    data = CHUNKED[:47] + b"1\r\nx\r\n" * 50_000
    reader, fault = read(data, step=4096)
    assert (fault, len(reader.take())) == (None, 50_000)


def test_trailers_are_not_headers() -> None:
    reader, _ = read(CHUNKED)
    assert reader.headers == [(b"transfer-encoding", b"chunked")]


def test_headers_of_interim_answers_are_not_those_of_the_answer() -> None:
    reader, _ = read(INTERIM)
    assert reader.headers == [(b"content-type", b"text/plain"), (b"content-length", b"5")]
