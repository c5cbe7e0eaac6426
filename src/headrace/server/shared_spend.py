"""What workers spend together: a table in shared memory, and a lock on it."""

import fcntl
import mmap
import secrets
import tempfile
from pathlib import Path
from typing import Final

from headrace.identity.tallies import TallyTable
from headrace.server.life_file import LifeFile

_CELL_BYTES: Final = 8
_HOLDER_BYTES: Final = 12


def new_holder() -> str:
    """A name that no other gateway has."""
    return secrets.token_hex(_HOLDER_BYTES)


class FileLock:
    """A lock that processes share and that one which dies lets go of.

    Whoever holds it computes and writes to memory, and never waits; so nobody waits long for it.
    It does not part threads of one process.

    Args:
        fd: of a file that all of them have inherited.
    """

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_UN)


class Turn:
    """What one of several processes does at a time; who dies lets go of it.

    Args:
        fd: of a file that all of them have inherited, and that is used for nothing else.
    """

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def take(self) -> bool:
        """Take it, where nobody else has it; whoever has it keeps it."""
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def give_back(self) -> None:
        """Let another take it."""
        fcntl.lockf(self._fd, fcntl.LOCK_UN)


class SharedSpend:
    """The table of all workers, made before the first fork.

    Args:
        workers: how many count.
        folder: where data is kept; `None` for nowhere.

    Attributes:
        holder: names all of them together among gateways.
        turn: of the worker that speaks with the store for all of them.
        life: tells others on this machine that they live.
    """

    def __init__(self, workers: int, folder: Path | None = None) -> None:
        self._workers = workers
        memory = mmap.mmap(-1, TallyTable.cells_for(workers) * _CELL_BYTES)
        self._cells = memoryview(memory).cast("q")
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as there are workers
        self._turns = tempfile.TemporaryFile()  # noqa: SIM115
        self.holder = new_holder()
        self.life = None if folder is None else LifeFile(folder, self.holder)
        self.turn = Turn(self._turns.fileno())

    def table(self, worker: int) -> TallyTable:
        """The table as one worker has it; what one before it held, counts as spent."""
        lock = FileLock(self._file.fileno())
        return TallyTable(self._cells, self._workers, worker, lock)
