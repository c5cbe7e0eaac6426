"""Values as parts of keys: hashable, equal only where the values say the same, or bytes.

What a frozen value is made of: text, bytes, integers and `None` as they are, everything else as a
tuple that begins with its type. So 1, 1.0 and True are three, wherever they stand.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable
from enum import Enum
from types import NoneType
from typing import Any, Final

from headrace.toolkit.weight import Shared

_ALONE: Final = frozenset({str, bytes, int, NoneType})

Freeze = Callable[[Any], Hashable]


class Mark(Shared):
    """A spelling that is compared by identity, because it is compared for every call.

    Args:
        spelling: what it stands for.
    """

    __slots__ = ("spelling",)

    def __init__(self, spelling: tuple[Hashable, ...]) -> None:
        self.spelling = spelling


def freeze(value: Any) -> Hashable:
    """`value` as part of a key.

    Raises:
        TypeError: it, or a part of it, cannot be hashed.
    """
    kind = type(value)
    if kind in _ALONE:
        return value  # type: ignore[no-any-return]
    inner = freezer(kind)
    return (kind, value if inner is None else inner(value))


def freezer(kind: type) -> Freeze | None:
    """What makes values of this type part of a key where their type stands beside them.

    Returns:
        `None` where a value does as it is.

    Raises:
        TypeError: such values cannot be hashed.
    """
    for known, inner in _FREEZERS:
        if issubclass(kind, known):
            return inner
    if kind.__hash__ is None:
        raise TypeError(
            f"{kind.__qualname__} cannot be part of a key, since it cannot be hashed: "
            "give a function `key=` that makes a key of the arguments"
        )
    return None


def _ordered(value: Iterable[Any]) -> Hashable:
    return tuple(map(freeze, value))


def _ordered_mapping(value: dict[Any, Any]) -> Hashable:
    return tuple((freeze(key), freeze(inner)) for key, inner in value.items())


def _mapping(value: dict[Any, Any]) -> Hashable:
    return _whole(frozenset((freeze(key), freeze(inner)) for key, inner in value.items()), value)


def _unordered(value: Collection[Any]) -> Hashable:
    return _whole(frozenset(map(freeze, value)), value)


def _whole(frozen: frozenset[Any], value: Collection[Any]) -> frozenset[Any]:
    if len(frozen) < len(value):
        raise TypeError("several NaN in one set or mapping cannot be part of a key")
    return frozen


def _number(value: float) -> Hashable:
    # Zeros with either sign are equal, and NaN is not equal to itself.
    return value if value > 0 or value < 0 else repr(value)


_FREEZERS: Final[tuple[tuple[type, Freeze], ...]] = (
    (float, _number),
    (list, _ordered),
    (OrderedDict, _ordered_mapping),
    (dict, _mapping),
    (tuple, _ordered),
    (set, _unordered),
    (frozenset, _unordered),
    (complex, repr),
    (bytearray, bytes),
)


def frozen_bytes(frozen: Hashable) -> bytes:
    """A frozen value as bytes, the same in every process, and of no other value.

    Raises:
        TypeError: it holds an object that only its own process knows.
    """
    match frozen:
        case Enum():
            return _delimited(b"e", frozen.name.encode())
        case str():
            return _delimited(b"s", frozen.encode("utf-8", "surrogatepass"))
        case bytes():
            return _delimited(b"b", frozen)
        case None:
            return b"n"
        case tuple():
            return _delimited(b"t", b"".join(map(frozen_bytes, frozen)))
        case frozenset():
            return _delimited(b"f", b"".join(sorted(map(frozen_bytes, frozen))))
        case type():
            return _delimited(b"k", f"{frozen.__module__}.{frozen.__qualname__}".encode())
        case Mark():
            return frozen_bytes(frozen.spelling)
        case int() | float():
            return _delimited(b"i", repr(frozen).encode())
    raise TypeError(
        f"{type(frozen).__qualname__} cannot be part of a key that other processes understand: "
        "give a function `key=` that makes a key of the arguments"
    )


def _delimited(tag: bytes, content: bytes) -> bytes:
    return b"%b%d:%b" % (tag, len(content), content)
