"""What a cache may be told: checked where it comes in."""

from collections.abc import Callable, Hashable
from math import inf
from numbers import Real
from typing import Any, Final, TypeVar, get_args

from headrace.cache.policy import Policy, PolicyName, make_policy
from headrace.toolkit.weight import PLAIN, weight_of

Key = TypeVar("Key", bound=Hashable)
Weigh = Callable[[Any, Any], int]

# The first two are what nearly all are, and found at once.
_NUMBERS: Final = (float, int, Real)
# What an entry costs beyond key and value: its places in four tables.
OVERHEAD_BYTES: Final = 480


def bound(name: str, most: int | None) -> float:
    """A bound as a number, infinite where there is none.

    Raises:
        TypeError: it is no number.
        ValueError: nothing could be held within it.
    """
    if most is None:
        return inf
    if not number(name, most) >= 1:
        raise ValueError(f"{name} is {most}: it has to be 1 or more, or None for no bound")
    return most


def seconds(name: str, value_s: float) -> float:
    """A time to live as it is.

    Raises:
        TypeError: it is no number.
        ValueError: it is negative, or NaN.
    """
    if number(name, value_s) >= 0:
        return value_s
    raise ValueError(f"{name} is {value_s} seconds: it has to be 0 or more, math.inf for ever")


def number(name: str, value: float) -> float:
    """A number as it is.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, _NUMBERS):
        return value
    raise TypeError(f"{name} has to be a number, and is {value!r}")


def policy_of(
    policy: PolicyName | Policy[Key], max_size: int | None, max_bytes: int | None
) -> Policy[Key]:
    """A policy by its name, for a cache with these bounds, or as it is.

    Raises:
        TypeError: it is neither a name nor a policy.
        ValueError: there is none of that name.
    """
    if not isinstance(policy, str):
        if not callable(getattr(policy, "evict", None)):
            raise TypeError(f"policy is a name or a Policy, and not {policy!r}")
        return policy
    if policy not in get_args(PolicyName):
        names = ", ".join(get_args(PolicyName))
        raise ValueError(f"there is no policy {policy!r}: use {names}, or hand in a Policy")
    entries = entries_max(max_size, max_bytes)
    # Where nothing is weighed, every entry weighs one.
    return make_policy(policy, bytes_max=max_bytes or entries, entries_max=entries)


def entries_max(max_size: int | None, max_bytes: int | None) -> int:
    """How many entries a cache with these bounds can hold."""
    return max_size or (max_bytes or 0) // OVERHEAD_BYTES + 1


def weigher(bytes_max: int | None, weigh: Callable[[Any], int] | None) -> Weigh:
    """What an entry weighs by its key and value; nothing where no bound asks for it.

    What it gives raises `ValueError` where `weigh` says what nothing can weigh.
    """
    if bytes_max is None:
        return lambda _key, _value: 0

    def entry(key: object, value: object) -> int:
        of_key = key.__sizeof__() if type(key) in PLAIN else weight_of(key)
        if weigh is not None:
            told = weigh(value)
            if not told >= 0:  # below, or NaN: the bound would not hold any more
                raise ValueError(f"weigh said {told}: a weight is 0 bytes or more")
            return OVERHEAD_BYTES + of_key + told
        of_value = value.__sizeof__() if type(value) in PLAIN else weight_of(value)
        return OVERHEAD_BYTES + of_key + of_value

    return entry
