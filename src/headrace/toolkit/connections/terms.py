"""What a pool is told, checked where it comes in."""

from collections.abc import Mapping
from math import inf
from typing import Final

import msgspec

MAX_BYTES_DEFAULT: Final = 64 * 1024 * 1024
RETRIES_MAX: Final = 100


class Terms(msgspec.Struct, frozen=True):
    """The bounds of a pool; times in seconds, infinite where there is no limit.

    Attributes:
        pool_size: connections to one origin.
        max_keepalive: how many of them may idle.
        keepalive_s: how long each may.
        connect_timeout_s: to open one, TLS included.
        read_timeout_s: between any two bytes of an answer, and before the first.
        total_timeout_s: of a whole call, retries and waiting included.
        pool_timeout_s: to wait for a connection.
        retries: attempts beyond the first.
        answer_bytes_max: bound on the body of an answer that is read as a whole.
    """

    pool_size: int
    max_keepalive: int
    keepalive_s: float
    connect_timeout_s: float
    read_timeout_s: float
    total_timeout_s: float
    pool_timeout_s: float
    retries: int
    answer_bytes_max: int

    @classmethod
    def checked(cls, times: Mapping[str, float | None], **counts: int) -> "Terms":
        """Terms that make sense.

        Args:
            times: the times by their names, `None` for no limit.
            counts: the rest.

        Raises:
            TypeError: one is no number.
            ValueError: one is out of its bounds.
        """
        for name in ("pool_size", "answer_bytes_max"):
            count(name, counts[name], least=1)
        count("max_keepalive", counts["max_keepalive"])
        count("retries", counts["retries"])
        limits = {name: limit(name, value_s) for name, value_s in times.items()}
        return msgspec.convert({**counts, **limits}, cls)


def limit(name: str, value_s: float | None) -> float:
    """A time limit, infinite where there is none.

    Raises:
        TypeError: it is no number.
        ValueError: it is not above zero.
    """
    if value_s is None:
        return inf
    if isinstance(value_s, bool) or not isinstance(value_s, int | float):
        raise TypeError(f"{name} has to be seconds, or None for no limit, and is {value_s!r}")
    if not value_s > 0:
        raise ValueError(f"{name} is {value_s}: it has to be above 0, or None for no limit")
    return float(value_s)


def count(name: str, value: int, *, least: int = 0) -> int:
    """A number of things.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is too small.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} has to be a whole number, and is {value!r}")
    if value < least:
        raise ValueError(f"{name} is {value}: it has to be {least} or more")
    return value
