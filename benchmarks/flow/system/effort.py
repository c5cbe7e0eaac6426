"""How much is measured."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

Told = Callable[[str], object]


class Effort(msgspec.Struct, frozen=True):
    """How much is measured.

    Attributes:
        runs: of each experiment, each with another seed.
        abreast: runs at the same time, where they are long and use little of the machine.
        seed: of the first run.
    """

    runs: int = 10
    abreast: int = 5
    seed: int = 401

    def turns(self, abreast: int = 0) -> Iterator[Sequence[int]]:
        """The numbers of the runs, those together that are made at the same time."""
        together = abreast or self.abreast
        for first in range(0, self.runs, together):
            yield range(first, min(first + together, self.runs))


FULL: Final = Effort()
QUICK: Final = Effort(runs=2, abreast=2)
