"""What Valkey says is read the same however it is cut, and garbage is never taken for an answer."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cache.resp import NOTHING, NotSpoken, Push, Reader, Refusal, pack

WORDS = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=20)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False),
    st.binary(max_size=300),
    WORDS.map(Refusal),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=9), inner, max_size=3)
    ),
    max_leaves=12,
)
ANSWERS = st.lists(VALUES | st.lists(VALUES, max_size=3).map(Push), max_size=6)


def said(value: Any) -> bytes:
    """How a server words it."""
    match value:
        case None:
            return b"_\r\n"
        case bool():
            return b"#t\r\n" if value else b"#f\r\n"
        case int():
            return (b":%d\r\n" if abs(value) < 1 << 63 else b"(%d\r\n") % value
        case float():
            return f",{value!r}\r\n".encode()
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(value), value)
        case Refusal():
            return f"-{value.text}\r\n".encode()
        case Push():
            return b">%d\r\n" % len(value.parts) + b"".join(map(said, value.parts))
        case list():
            return b"*%d\r\n" % len(value) + b"".join(map(said, value))
        case dict():
            pairs = (said(key) + said(one) for key, one in value.items())
            return b"%%%d\r\n" % len(value) + b"".join(pairs)
    raise AssertionError(value)


def read_all(reader: Reader) -> list[Any]:
    """Everything that is whole."""
    answers = []
    while (answer := reader.next()) is not NOTHING:
        answers.append(answer)
    return answers


def depth(value: Any) -> int:
    """How many lists stand in each other."""
    inner = value.parts if isinstance(value, Push) else value
    if isinstance(inner, dict):
        inner = list(inner.values())
    return 1 + max(map(depth, inner), default=0) if isinstance(inner, list) else 0


@given(ANSWERS, st.lists(st.integers(0, 2000), max_size=8))
def test_however_it_is_cut(answers: list[Any], cuts: list[int]) -> None:
    answers = [answer for answer in answers if depth(answer) <= 8]
    whole = b"".join(map(said, answers))
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    reader, read = Reader(), []
    for begin, end in pairwise(places):
        reader.feed(whole[begin:end])
        read += read_all(reader)
    assert read == answers


@given(ANSWERS.filter(bool))
def test_byte_by_byte(answers: list[Any]) -> None:
    answers = [answer for answer in answers if depth(answer) <= 8]
    reader, read = Reader(), []
    for byte in b"".join(map(said, answers)):
        reader.feed(bytes([byte]))
        read += read_all(reader)
    assert read == answers


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_garbage_is_refused_or_waited_for(pieces: list[bytes]) -> None:
    reader = Reader()
    try:
        for piece in pieces:
            reader.feed(piece)
            read_all(reader)
    except NotSpoken:
        pass


@given(st.sampled_from([b"*", b"$", b"%", b">", b"~", b"="]), st.binary(max_size=12))
def test_lengths_that_are_none(kind: bytes, length: bytes) -> None:
    reader = Reader()
    reader.feed(kind + length.replace(b"\n", b"") + b"\r\n")
    if not length.isdigit() and length != b"-1":
        with pytest.raises(NotSpoken):
            read_all(reader)


@given(st.lists(st.binary(max_size=30) | WORDS | st.integers(), min_size=1, max_size=6))
def test_commands_are_lists_of_texts(command: list[Any]) -> None:
    reader = Reader()
    reader.feed(pack(tuple(command)))
    texts = [
        part
        if isinstance(part, bytes)
        else str(part).encode()
        if isinstance(part, int)
        else part.encode()
        for part in command
    ]
    assert read_all(reader) == [texts]


@pytest.mark.parametrize(
    "said_by_no_server",
    [
        b"*1\r\n" * 9 + b":1\r\n",
        b"$3\r\nabcd\r\n",
        b"$9999999999\r\n",
        b"%1\r\n:1\r\n:2\r\n",
        b":1x\r\n",
        b"#x\r\n",
        b"_x\r\n",
        b"hello\r\n",
        b"+" + b"x" * 70_000,
    ],
    ids=["deep", "longer", "huge", "map", "number", "truth", "nil", "words", "line"],
)
def test_what_no_server_says(said_by_no_server: bytes) -> None:
    reader = Reader()
    reader.feed(said_by_no_server)
    with pytest.raises(NotSpoken):
        read_all(reader)


@pytest.mark.parametrize(
    ("text", "code"),
    [("OOM command not allowed", "OOM"), ("ERR x", "ERR"), ("s3cret is wrong", "ERR"), ("", "ERR")],
)
def test_the_code_of_a_refusal_holds_no_secret(text: str, code: str) -> None:
    assert Refusal(text).code == code
