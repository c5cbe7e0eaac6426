"""Keys of calls: the same for the same, different for all else."""

import enum
import functools
import gc
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from headrace.toolkit.call_key import SPELLINGS_MAX, CallKeys
from headrace.toolkit.freezing import freeze, frozen_bytes


def function(a: Any = 0, b: Any = 0, /, c: Any = 0, *rest: Any, d: Any = 0, **more: Any) -> None:
    """One of every kind of parameter."""


def key(*args: Any, **kwargs: Any) -> Hashable:
    made = KEYS.key(args, kwargs)
    hash(made)
    return made


KEYS = CallKeys(function)


class Point(NamedTuple):
    x: float


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    __slots__ = ()


@dataclass(frozen=True)
class Frozen:
    value: int


DIFFERENT: tuple[Any, ...] = (
    None,
    0,
    False,
    0.0,
    -0.0,
    0j,
    "",
    b"",
    bytearray(),
    1,
    True,
    1.0,
    1 + 0j,
    float("nan"),
    float("inf"),
    "1",
    b"1",
    Name("1"),
    Colour.RED,
    [],
    (),
    {},
    set(),
    frozenset(),
    OrderedDict(),
    defaultdict(list),
    [1],
    [True],
    [1.0],
    (1,),
    (True,),
    Point(1),
    Point(1.0),
    [[1], 2],
    [[1, 2]],
    [1, 2],
    [1, [2]],
    {1},
    {True},
    {1: 1},
    {True: 1},
    {"1": 1},
    {"1": True},
    {"a": {"b": 1}},
    {"a": {"b": [1]}},
    [float("nan")],
    [0.0],
    [-0.0],
    Frozen(1),
    int,
    float,
    (int, 1),
    ("a", "b"),
    "ab",
    ["ab"],
    ["a", "b"],
    [("a", "b")],
)


def test_different_values_have_different_keys() -> None:
    made = [key(value) for value in DIFFERENT]
    again = [key(value) for value in DIFFERENT]
    assert made == again
    assert len(set(made)) == len(DIFFERENT)
    nested = [freeze(value) for value in DIFFERENT]
    assert len(set(nested)) == len(DIFFERENT)


def test_different_values_have_different_bytes() -> None:
    known = [value for value in DIFFERENT if not isinstance(value, Frozen)]
    assert len({frozen_bytes(freeze(value)) for value in known}) == len(known)
    assert len({frozen_bytes(key(value)) for value in known}) == len(known)


def test_the_order_of_mappings_sets_and_names_does_not_matter() -> None:
    assert key({"a": 1, "b": 2}) == key({"b": 2, "a": 1})
    assert key({"x", "y", "z"}) == key({"z", "y", "x"})
    assert key(1, x=1, y="2") == key(1, y="2", x=1)
    assert key(OrderedDict(a=1, b=2)) != key(OrderedDict(b=2, a=1))


def test_names_of_positional_parameters_are_positions() -> None:
    assert key(1, 2, 3) == key(1, 2, c=3)
    assert key(1, 2, c=3, d=4) == key(1, 2, 3, d=4)


def test_places_and_names_are_not_confused() -> None:
    spellings: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}),
        ((1,), {}),
        ((1, 2), {}),
        ((1, 2, 3), {}),
        ((1, 2, 3, 4), {}),
        ((), {"a": 1}),
        ((), {"b": 1}),
        ((), {"a": 1, "b": 2}),
        ((), {"a": 2, "b": 1}),
        ((1,), {"a": 1}),
        ((1,), {"c": 1}),
        ((("c", 1),), {}),
        (("c", 1), {}),
        ((1, "c"), {}),
        (((1, 2),), {}),
        (([1, 2],), {}),
        ((1, 2), {"d": 3}),
        ((1, 2), {"e": 3}),
    ]
    assert len({key(*args, **kwargs) for args, kwargs in spellings}) == len(spellings)


def test_more_spellings_than_are_remembered_have_keys_as_well() -> None:
    keys = CallKeys(function)
    names = [f"n{number}" for number in range(SPELLINGS_MAX + 50)]
    made = [keys.key((), {name: 1, "x": 2}) for name in names]
    assert len(set(made)) == len(names)
    assert made == [keys.key((), {"x": 2, name: 1}) for name in names]


def test_what_cannot_be_hashed_is_told_with_a_way_out() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

    for argument in (Unhashable(), [Unhashable()], {"a": (Unhashable(),)}):
        with pytest.raises(TypeError, match=r"Unhashable cannot be part of a key.*key="):
            key(argument)


def test_several_nan_in_one_set_are_refused() -> None:
    with pytest.raises(TypeError, match="NaN"):
        key({float("nan"), float("nan")})


def test_what_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TypeError, match="holds itself"):
        key(endless)


def test_functions_that_tell_no_signature_have_keys() -> None:
    keys = CallKeys(max)
    assert keys.key((1, 2), {}) != keys.key((2, 1), {})
    partial = CallKeys(functools.partial(function, 1))
    assert partial.key((2,), {}) == partial.key((2,), {})


class Instance:
    def method(self, value: int) -> None: ...


def test_self_is_not_kept_alive_and_never_taken_for_another() -> None:
    keys = CallKeys(Instance.method)
    instance, other = Instance(), Instance()
    gone = weakref.ref(instance)
    made = keys.key((instance, 1), {})
    hash(made)
    assert made == keys.key((instance, 1), {})
    assert made != keys.key((other, 1), {})
    del instance
    gc.collect()
    assert gone() is None
    assert all(keys.key((Instance(), 1), {}) != made for _ in range(50))


def test_objects_of_one_process_are_no_keys_for_others() -> None:
    with pytest.raises(TypeError, match="other processes"):
        frozen_bytes(key(Frozen(1)))


def test_bytes_are_the_same_in_every_order() -> None:
    assert frozen_bytes(key({"a": 1, "b": 2})) == frozen_bytes(key({"b": 2, "a": 1}))
    assert frozen_bytes(freeze({"z", "y", "x"})) == frozen_bytes(freeze({"x", "y", "z"}))
    assert frozen_bytes(freeze("\ud800")) != frozen_bytes(freeze("?"))
