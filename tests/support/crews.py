"""Threads of a store, and work for them that lasts as long as a test wants."""

import asyncio
import threading
from pathlib import Path

from headrace.store.crew import Crew
from headrace.store.database import Link
from headrace.store.sqlite import SqliteDatabase
from headrace.store.voice import Voice

LONG_S = 30.0


class Gate:
    """Work that lasts until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def __call__(self, _link: Link) -> str:
        self.begun.set()
        assert self.open.wait(LONG_S)
        return "done"


def make_crew(folder: Path, size: int = 1, waiting_max: int = 100) -> Crew:
    voice = Voice(None)
    database = SqliteDatabase(folder / "file", 1.0, voice)
    return Crew("test", size, waiting_max, lambda: Link(database, writes=False), voice)


async def begun(gate: Gate) -> None:
    assert await asyncio.get_running_loop().run_in_executor(None, gate.begun.wait, LONG_S)
