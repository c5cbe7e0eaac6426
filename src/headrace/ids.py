"""Ids of what is kept: they sort by the time they were made at, and cannot be guessed."""

import secrets
from collections.abc import Callable
from typing import Final

_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: none looks like another
_RANDOM_BITS: Final = 80
_ID_CHARS: Final = 26


class Ids:
    """Makes ids such as `batch_01jd3kq...`: 48 bits of milliseconds and 80 of chance, as ULIDs do
    (github.com/ulid/spec). Those of one maker grow, whatever the clock does.

    Args:
        wall_s: the time, seconds since the epoch.
        random_bits: gives so many bits of chance.
    """

    def __init__(
        self,
        wall_s: Callable[[], float],
        random_bits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        self._wall_s = wall_s
        self._random_bits = random_bits
        self._last = 0

    def new(self, prefix: str) -> str:
        """One that nobody else has.

        Args:
            prefix: what it is of, such as `job`.
        """
        time_ms = int(self._wall_s() * 1000)
        number = (time_ms << _RANDOM_BITS) | self._random_bits(_RANDOM_BITS)
        if number <= self._last:
            number = self._last + 1
        self._last = number
        digits = [_DIGITS[(number >> (5 * at)) & 31] for at in reversed(range(_ID_CHARS))]
        return f"{prefix}_{''.join(digits)}"
