"""Values on disk come back as what they were, or are refused."""

import dataclasses
import datetime as dt
import decimal
import enum
import math
import uuid
from collections import Counter, OrderedDict
from typing import Any

import pytest

from headrace.errors import HeadraceError
from headrace.toolkit.values import NotStorable, decode, encode


class Name(enum.StrEnum):
    A = "a"


class UserLevel(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: int


GOOD: tuple[Any, ...] = (
    b"",
    bytes(range(256)),
    "",
    "text",
    "\u20ac\U0001f600",
    "\ud800 alone",
    "\x00",
    None,
    True,
    False,
    0,
    -1,
    2**63,
    2**64,
    -(2**200),
    0.0,
    -0.0,
    1.5,
    1e22,
    5e-324,
    [],
    {},
    [1, 1.0, True, None, "x", [[]], {"a": {}}],
    {"": 1, "a\ud800": ["\udfff"]},
    OrderedDict(b=1, a=2),
    Name.A,
)

BAD: tuple[Any, ...] = (
    (),
    (1, 2),
    [(1,)],
    {1: "number for a key"},
    {None: 1},
    {"a": {1: 2}},
    {1, 2},
    math.nan,
    math.inf,
    [math.nan],
    {"\ud800": math.nan},
    {"\ud800": (1,)},
    bytearray(b"x"),
    [b"x"],
    Point(1),
    dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    uuid.UUID(int=1),
    decimal.Decimal(1),
    object(),
    len,
    ["\ud800", object()],
    1j,
)


@pytest.mark.parametrize("value", GOOD, ids=repr)
def test_comes_back_as_it_was(value: Any) -> None:
    kind, encoded = encode(value)
    again = decode(kind, encoded)
    assert again == value
    if not isinstance(value, OrderedDict | Name):
        assert repr(again) == repr(value)


@pytest.mark.parametrize("value", BAD, ids=lambda value: type(value).__name__)
def test_what_would_come_back_otherwise_is_refused(value: Any) -> None:
    with pytest.raises(NotStorable, match=f"type {type(value).__name__}.*JSON") as told:
        encode(value)
    assert isinstance(told.value, HeadraceError)
    assert isinstance(told.value, TypeError)


class Word(str):
    __slots__ = ()


class Raw(bytes):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [Word("a"), Word("\ud800"), Raw(b"a"), Name.A, Counter("aab"), UserLevel.HIGH],
    ids=repr,
)
def test_a_subclass_comes_back_plain(value: Any) -> None:
    again = decode(*encode(value))
    assert again == value
    assert type(again) in (str, bytes, dict, int)


def test_numbers_with_more_digits_than_python_reads_are_refused() -> None:
    assert decode(*encode(10**4299)) == 10**4299
    with pytest.raises(NotStorable, match="4300 digits"):
        encode(10**4300)


def test_what_has_no_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(NotStorable):
        encode(endless)
    with pytest.raises(NotStorable):
        encode(["\ud800", endless])


def test_every_reading_gives_a_value_of_its_own() -> None:
    kind, encoded = encode([1])
    assert decode(kind, encoded) is not decode(kind, encoded)
