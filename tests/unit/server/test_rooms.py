"""Rooms close, each whatever goes wrong in another, and only those that have started."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from headrace.server.rooms import Rooms
from headrace.settings import Settings


class House:
    """A room that notes what is asked of it."""

    def __init__(self, name: str, told: list[str], fails_at: str = "") -> None:
        self.routes: Sequence[Any] = ()
        self.is_busy = False
        self._name = name
        self._told = told
        self._fails_at = fails_at

    async def start(self) -> None:
        self._note("start")

    def adopt(self, settings: Settings) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        self._note("close")

    def _note(self, what: str) -> None:
        if what == self._fails_at:
            raise OSError(self._name)
        self._told.append(f"{what} {self._name}")


def test_a_room_that_fails_to_close_keeps_no_other_open() -> None:
    async def main() -> None:
        told: list[str] = []
        rooms = Rooms([House("a", told), House("b", told, "close"), House("c", told)])
        await rooms.start()
        with pytest.raises(OSError, match="b"):
            await rooms.close()
        assert told == ["start a", "start b", "start c", "close c", "close a"]

    asyncio.run(main())


def test_what_has_not_started_is_not_closed() -> None:
    async def main() -> None:
        told: list[str] = []
        rooms = Rooms([House("a", told), House("b", told, "start"), House("c", told)])
        with pytest.raises(OSError, match="b"):
            await rooms.start()
        await rooms.close()
        assert told == ["start a", "close a"]

    asyncio.run(main())
