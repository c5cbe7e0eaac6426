"""How much memory a value takes: an estimate whose cost is bounded.

Plain values are asked, everything else is looked into: items of lists, tuples, sets and mappings,
attributes of objects. Some `PARTS_MAX` parts are looked at, shared out evenly: of a long container
a sample stands for the whole, and the deeper, the smaller it is. So it takes some 100 µs at most,
and is wrong where few parts are large and not in the sample. What two values share counts for both;
what lies outside of Python's memory only where its owner tells its `nbytes`, as arrays do.
"""

from collections.abc import Iterator, Mapping, Sized
from itertools import chain, islice
from math import isqrt
from sys import getsizeof
from types import BuiltinFunctionType, FunctionType, ModuleType, NoneType
from typing import Any, Final

from headrace.toolkit.containment import Containment

PARTS_MAX: Final = 400
FLAT_MAX: Final = 16

PLAIN: Final = frozenset({str, bytes, int, float, bool, NoneType, bytearray, complex})


class Shared:
    """Base of what many values hold in common: it counts as nobody's."""

    __slots__ = ()


_SHARED: Final = (Shared, type, ModuleType, FunctionType, BuiltinFunctionType)
_BUILT_IN: Final = frozenset({list, tuple, dict, set, frozenset})
_UNTOLD_BYTES: Final = 64


def weight_of(value: object) -> int:
    """Bytes that `value` takes in memory, estimated.

    Args:
        value: anything; it is not changed, and code of its own runs only where it has a
            `__sizeof__`, `__len__`, `__iter__`, `items` or `nbytes` of its own. Where that
            raises, the value counts as an empty object.
    """
    if type(value) in PLAIN:
        return value.__sizeof__()  # a quarter of what getsizeof takes, and the same
    flat = _flat_weight(value) if type(value) is tuple and len(value) <= FLAT_MAX else 0
    if flat:
        return flat
    with Containment():
        return int(_weigh(value, PARTS_MAX, set()))
    return _UNTOLD_BYTES


def _flat_weight(value: tuple[Any, ...]) -> int:
    """What a tuple of plain values weighs, as most keys are; 0 for any other."""
    weight = getsizeof(value)
    for part in value:
        if type(part) in PLAIN:
            weight += part.__sizeof__()
        elif not isinstance(part, Shared):
            return 0
    return weight


def _weigh(value: Any, parts_max: int, seen: set[int]) -> float:
    """What `value` weighs with its parts, but for those that were seen already."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    own_bytes = _own_bytes(value)
    if parts_max < 1 or isinstance(value, _SHARED):
        return own_bytes
    sample = 1 + isqrt(parts_max // 2)
    parts = _items(value, sample)
    share = (parts_max - 1) // max(1, len(parts))
    inside = 0.0
    for part in parts:
        inside += part.__sizeof__() if type(part) in PLAIN else _weigh(part, share, seen)
    if type(value) in _BUILT_IN:
        return own_bytes + inside * max(1.0, len(value) / sample)
    if isinstance(value, Sized) and parts:
        inside *= max(1.0, len(value) / sample)
    return own_bytes + inside + sum(_weigh(part, share, seen) for part in _attributes(value))


def _own_bytes(value: object) -> int:
    own = getsizeof(value, _UNTOLD_BYTES)
    if type(value) in _BUILT_IN or not hasattr(type(value), "nbytes"):
        return own
    outside = getattr(value, "nbytes", 0)
    return max(own, outside) if isinstance(outside, int) else own


def _items(value: Any, sample: int) -> list[Any]:
    """The first of what a container holds; keys and values of a mapping in turn."""
    if isinstance(value, dict | Mapping):
        return list(chain.from_iterable(islice(value.items(), sample)))
    if isinstance(value, list | tuple | set | frozenset):
        return list(islice(value, sample))
    return []


def _attributes(value: object) -> Iterator[object]:
    named = getattr(value, "__dict__", None)
    if isinstance(named, dict):
        yield named
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            attribute = getattr(value, name, None) if isinstance(name, str) else None
            if attribute is not None:
                yield attribute
