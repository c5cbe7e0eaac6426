"""What an eviction policy is. Pure: keys, sizes and worths, never values."""

from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Policy(Protocol[Key]):
    """Decides which key leaves next. Whoever holds the values tells it what happens to them.

    Attributes:
        touch: a key that is held was used. An attribute and not a method, so that a policy can
            bind the very function that does it: every hit calls it.
    """

    touch: Callable[[Key], None]

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
