"""What an eviction policy is. Pure: keys, sizes and worths, never values."""

from collections.abc import Callable, Hashable
from typing import Final, Protocol, TypeVar

Key = TypeVar("Key", bound=Hashable)

# A use that saves nothing known counts as this much: then size and frequency decide.
WORTH_USD_MIN: Final = 1e-6
WORTH_USD_MAX: Final = 1e6


def bounded_worth(worth: float) -> float:
    """A worth that can be reckoned with, whatever is given: negative, infinite or no number."""
    if WORTH_USD_MIN <= worth <= WORTH_USD_MAX:
        return worth
    return WORTH_USD_MAX if worth > WORTH_USD_MAX else WORTH_USD_MIN


class Policy(Protocol[Key]):
    """Decides which key leaves next. Whoever holds the values tells it what happens to them."""

    @property
    def touch(self) -> Callable[[Key], None]:
        """A key that is held was used.

        An attribute to be called, so that a policy can bind the very function that does it, and
        the cache can keep it: every hit calls it.

        Raises:
            KeyError: it is not held.
        """
        ...

    def insert(self, key: Key, size: int, worth: float) -> None:
        """A key that was not held came in.

        Args:
            key: what the value is found by.
            size: bytes it takes.
            worth: dollars that its next use saves.
        """
        ...

    def remove(self, key: Key) -> None:
        """A key that is held left for another reason than eviction.

        Raises:
            KeyError: it is not held.
        """
        ...

    def evict(self) -> Key:
        """Name the key that leaves next, and forget it.

        It may be the one that came in last: then it was not worth anybody else's place.

        Raises:
            KeyError: nothing is held.
        """
        ...

    def resize(self, *, bytes_max: int, entries_max: int) -> None:
        """The cache has this much room from now on. What no longer fits is evicted by the cache.

        Args:
            bytes_max: bytes it may hold.
            entries_max: keys it may hold.
        """
        ...


class Successor(Policy[Key], Protocol):
    """A policy that can take over keys which another one held."""

    def adopt(self, key: Key, size: int, worth: float) -> None:
        """Hold a key that another policy held, as one that has shown its use.

        They come in the order in which they would have left.
        """
        ...
