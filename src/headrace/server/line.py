"""What exchanges know of connections."""

from collections.abc import Callable
from typing import Protocol

from headrace.errors import HeadraceError

WriteFailure = Callable[[HeadraceError], bytes]
"""Writes the last event of a stream that fails."""


class Line(Protocol):
    """The connection as an exchange sees it."""

    peer: str
    write: Callable[[bytes], None]
    writelines: Callable[[tuple[bytes, bytes]], None]

    def finished(self, *, keep_alive: bool) -> None: ...
    def broken(self) -> None: ...
