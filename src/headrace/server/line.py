"""What exchanges know of connections."""

from collections.abc import Callable
from typing import Protocol


class Line(Protocol):
    """The connection as an exchange sees it."""

    peer: str
    write: Callable[[bytes], None]
    writelines: Callable[[tuple[bytes, bytes]], None]

    def finished(self, *, keep_alive: bool) -> None: ...
    def broken(self) -> None: ...
