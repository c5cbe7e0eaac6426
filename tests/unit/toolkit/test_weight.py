"""Weights: near what is true, and never dear to find out."""

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from headrace import Cache
from headrace.toolkit.weight import PARTS_MAX, weight_of


@dataclasses.dataclass
class Plain:
    text: str


@dataclasses.dataclass(slots=True)
class Slotted:
    text: str
    absent: str = dataclasses.field(init=False)


class Frozen(msgspec.Struct, frozen=True):
    text: str


@pytest.mark.parametrize("value", ["", "a" * 99, "\u20ac" * 99, b"x" * 99, 1, 2**99, 1.5, None])
def test_plain_values_weigh_what_they_take(value: object) -> None:
    assert weight_of(value) == sys.getsizeof(value)


@pytest.mark.parametrize(
    "value",
    [
        ["x" * 10_000],
        ("x" * 10_000,),
        {"x" * 10_000},
        {"key": "x" * 10_000},
        {"x" * 10_000: None},
        Plain("x" * 10_000),
        Slotted("x" * 10_000),
        Frozen("x" * 10_000),
        [{"message": [{"content": "x" * 10_000}]}],
        np.zeros(10_000, dtype=np.uint8),
        np.zeros(20_000, dtype=np.uint8)[::2],
        bytearray(10_000),
        memoryview(bytes(10_000)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_inside_counts(value: object) -> None:
    assert 10_000 <= weight_of(value) < 12_000


@pytest.mark.parametrize("count", [100, 10_000, 300_000])
def test_long_lists_are_estimated_by_a_sample(count: int) -> None:
    value = [float(number) for number in range(count)]
    exact = sys.getsizeof(value) + sum(map(sys.getsizeof, value))
    assert weight_of(value) == pytest.approx(exact, rel=0.02)


def test_many_parts_are_estimated_by_those_looked_at() -> None:
    value = [{f"{row} {column}": "x" * 50 + str(row) for column in range(20)} for row in range(999)]
    exact = sys.getsizeof(value)
    for row in value:
        exact += sys.getsizeof(row) + sum(
            sys.getsizeof(part) for pair in row.items() for part in pair
        )
    assert 0.7 * exact < weight_of(value) < 1.4 * exact


def test_depth_does_no_harm() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    assert weight_of(value) > 0
    while value:  # or its end would come 100,000 calls deep
        value = value.pop()


def test_looking_has_an_end() -> None:
    looked = 0

    class Endless(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            nonlocal looked
            while True:
                looked += 1
                yield Endless()

        def __len__(self) -> int:
            return 10**9

    assert weight_of(Endless()) > 0
    assert looked < 3 * PARTS_MAX


def test_what_holds_itself_is_weighed_once() -> None:
    value: list[Any] = ["x" * 1000]
    value.append(value)
    assert weight_of(value) < 2000


def test_code_is_nobodys_weight() -> None:
    assert weight_of([test_code_is_nobodys_weight, sys, int]) < 1000


class Awkward:
    def __init__(self, name: str) -> None:
        self.name = name

    def __sizeof__(self) -> int:
        if self.name == "sizeof":
            raise RuntimeError(self.name)
        return 100

    @property
    def nbytes(self) -> int:
        raise RuntimeError(self.name)


class AwkwardMapping(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("items")


@pytest.mark.parametrize(
    "value", [Awkward("sizeof"), Awkward("nbytes"), AwkwardMapping(a=1), [Awkward("nbytes")]]
)
def test_what_cannot_be_weighed_weighs_something_and_is_held(value: Any) -> None:
    assert weight_of(value) > 0
    cache: Cache[str, Any] = Cache(max_size=5)
    assert cache.set("a", value)
