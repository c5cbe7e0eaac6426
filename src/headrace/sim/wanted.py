"""What callers want of the simulator, by headers: how long an answer is, and how fast it comes."""

import math
from collections.abc import Mapping
from typing import Final

from headrace.errors import InvalidRequest
from headrace.sim.pace import Pace

Headers = Mapping[bytes, bytes]

_TOKENS_MAX: Final = 32_768
_MS_MAX: Final = 600_000.0
_NAMES: Final = frozenset((b"x-sim-tokens", b"x-sim-ttft-ms", b"x-sim-token-ms", b"x-sim-input-ms"))


def wants_anything(headers: Headers) -> bool:
    """Whether the answer is not to be the usual one."""
    return not _NAMES.isdisjoint(headers)


def wanted_tokens(headers: Headers) -> int | None:
    """How many tokens the answer is to have; `None` where that is the simulator's to say.

    Raises:
        InvalidRequest: it is no number, or too large.
    """
    value = headers.get(b"x-sim-tokens")
    return None if value is None else int(_number("x-sim-tokens", value, 1, _TOKENS_MAX))


def wanted_pace(headers: Headers, pace: Pace, inputs: int) -> Pace:
    """How fast the answer is to come.

    Args:
        headers: of the request.
        pace: that of the profile, which stays for what nothing is said of.
        inputs: how many texts there are, where each is to take its time.

    Raises:
        InvalidRequest: a time is no number of milliseconds, or too long.
    """
    ttft_ms = headers.get(b"x-sim-ttft-ms")
    token_ms = headers.get(b"x-sim-token-ms")
    input_ms = headers.get(b"x-sim-input-ms")
    if ttft_ms is not None:
        pace = Pace(_seconds("x-sim-ttft-ms", ttft_ms), pace.token_s)
    if token_ms is not None:
        pace = Pace(pace.ttft_s, _seconds("x-sim-token-ms", token_ms))
    if input_ms is not None:
        pace = Pace(pace.ttft_s + inputs * _seconds("x-sim-input-ms", input_ms), pace.token_s)
    return pace


def _seconds(name: str, value: bytes) -> float:
    return _number(name, value, 0, _MS_MAX) / 1000


def _number(name: str, value: bytes, low: float, high: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise InvalidRequest(f"{name} must be a number from {low} to {high}.", param=name)
    return number
