"""How far tenants have written, as the workers of a machine keep it together."""

import mmap
from typing import Final

from headrace.store.records.sessions import SessionTable

_CELL_BYTES: Final = 8


class SharedSessions:
    """The sessions of all workers, made before the first fork.

    Args:
        workers: how many write.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        memory = mmap.mmap(-1, SessionTable.cells_for(workers) * _CELL_BYTES)
        self._cells = memoryview(memory).cast("q")

    def table(self, worker: int) -> SessionTable:
        """The sessions as one worker has them."""
        return SessionTable(self._cells, self._workers, worker)
