"""How far sessions have written: what a standby must have replayed before it answers them.

A position is PostgreSQL's LSN as a number. Sessions are those of tenants. All workers of a machine
keep them together in numbers that they share: of each session every worker writes a number of its
own, and the session is at the largest, so that nobody needs a lock and none is ever set back. Two
tenants whose names fall on one session wait for each other's writes; they never see too little.
"""

import re
from array import array
from hashlib import blake2b
from typing import Final

Cells = memoryview  # of signed 64-bit numbers

SESSIONS: Final = 1024
NOTHING: Final = 0

_POSITION_MAX: Final = (1 << 63) - 1
_LSN: Final = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
_TOKEN: Final = re.compile(r"h1-([0-9a-f]{1,16})")


def read_lsn(text: str) -> int:
    """A position from PostgreSQL's way of writing it, such as `0/3000148`.

    Raises:
        ValueError: this is none.
    """
    found = _LSN.fullmatch(text)
    if found is None:
        raise ValueError(f"not a position in the log: {text[:40]!r}")
    return (int(found[1], 16) << 32) | int(found[2], 16)


class Session:
    """How far one session has written.

    Args:
        cells: a number of each worker.
        own: which of them is written here.
        floor: it is at least there, for whom it was made.
        above: has written whatever this one has.
    """

    __slots__ = ("_above", "_cells", "_floor", "_own")

    def __init__(
        self,
        cells: "Cells | array[int] | None" = None,
        own: int = 0,
        floor: int = NOTHING,
        above: "Session | None" = None,
    ) -> None:
        self._cells = array("q", (NOTHING,)) if cells is None else cells
        self._own = own
        self._floor = floor
        self._above = above

    @property
    def position(self) -> int:
        """What a server must have replayed to answer it; 0 where any will do."""
        return max(self._floor, *self._cells)

    @property
    def is_ahead(self) -> bool:
        """Whether it is only by its floor as far as it is: nobody here has written so much."""
        return self._floor > max(self._cells)

    def wrote(self, position: int) -> None:
        """It has written, and the log was there after the commit."""
        if position > self._cells[self._own]:
            self._cells[self._own] = min(position, _POSITION_MAX)
        if self._above is not None:
            self._above.wrote(position)

    @property
    def token(self) -> str:
        """The same as a text that a client may carry to another machine."""
        return f"h1-{self.position:x}"


class SessionTable:
    """The sessions of all tenants.

    Args:
        cells: zeros at first, as many as `cells_for` says; shared by all who count together. None
            makes some for this process alone.
        places: how many processes they are.
        own: number of this one.

    Attributes:
        machine: the session of all of them together.
    """

    def __init__(self, cells: Cells | None = None, places: int = 1, own: int = 0) -> None:
        if cells is None:
            cells = memoryview(array("q", bytes(8 * self.cells_for(places))))
        self._cells = cells
        self._places = places
        self._own = own
        # The first place is everybody's.
        self._count = len(cells) // places - 1
        self.machine = self.seen(NOTHING)

    @staticmethod
    def cells_for(places: int, sessions: int = SESSIONS) -> int:
        """How many numbers a table has."""
        return places * (sessions + 1)

    def seen(self, floor: int) -> Session:
        """The session of all of them together, of a client that has seen more elsewhere.

        Args:
            floor: how much. It counts for this session object only.
        """
        return Session(self._cells[: self._places], self._own, floor)

    def session(self, tenant: str, token: str | None = None) -> Session:
        """The session of a tenant.

        Args:
            tenant: its name.
            token: what a client brings from another machine, as `Session.token` made it. It counts
                for this session object only: what clients claim holds nobody else up. One that
                cannot be read is none.
        """
        digest = blake2b(tenant.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        first = (1 + int.from_bytes(digest, "big") % self._count) * self._places
        cells = self._cells[first : first + self._places]
        return Session(cells, self._own, read_token(token or ""), self.machine)


def read_token(token: str) -> int:
    """The position that a token tells; `NOTHING` where it cannot be read."""
    found = _TOKEN.fullmatch(token)
    return NOTHING if found is None else min(int(found[1], 16), _POSITION_MAX)
