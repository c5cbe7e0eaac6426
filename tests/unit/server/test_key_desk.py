"""More budgets than can be counted: those keys wait which there is no room for, and no others."""

import asyncio
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.stores import NOW_S, Place

from headrace.clock import ManualClock
from headrace.errors import Conflict, KeysUnavailable
from headrace.identity.budget_terms import terms_of
from headrace.identity.key_records import KeyWish
from headrace.identity.key_store import NewKey
from headrace.identity.purse import claimed, has_room
from headrace.identity.tallies import TallyTable
from headrace.server.key_desk import KeyDesk
from headrace.settings import Settings, parse_settings
from headrace.store.records.records import Records

BUDGETS_MAX = 3


class House:
    """A desk of keys, and a table with room for a few budgets."""

    def __init__(self, records: Records, folder: Path) -> None:
        self.events: list[str] = []
        self.settings: Settings = parse_settings(
            '{"providers": {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}},'
            f'"data_dir": "{folder}"}}',
            {},
        )
        cells = array("q", bytes(8 * TallyTable.cells_for(1, BUDGETS_MAX)))
        self.table = TallyTable(memoryview(cells))
        self.room: Callable[[str], bool] = lambda name: has_room(self.table, name)
        self.desk = KeyDesk(
            self.settings,
            records,
            clock=ManualClock(wall_s=NOW_S),
            say=lambda level, event, about="", **fields: self.events.append(event),
            on_change=self._adopt,
            uses=lambda: (),
            has_room=self._has_room,
        )

    def _has_room(self, name: str) -> bool:
        return self.room(name)

    def _adopt(self) -> None:
        self.desk.adopt(self.settings, lambda merged: claimed(self.table, terms_of(merged)))

    async def create(self, name: str, **wish: Any) -> NewKey:
        return await self.desk.create(KeyWish(name=name, **wish))

    def tenant_of(self, made: NewKey) -> str:
        return self.desk.ring(self.settings).authenticate(made.key.encode()).tenant


def test_one_budget_too_many_keeps_out_the_last_key_and_no_other(tmp_path: Path) -> None:
    async def main() -> None:
        async with Place("sqlite", tmp_path).records() as records:
            house = House(records, tmp_path)
            house.room = lambda name: True  # as of a command that asks no gateway
            made = [await house.create(f"k{at}", day_usd=1.0) for at in range(BUDGETS_MAX + 1)]
            free = await house.create("free")
            assert {house.tenant_of(each) for each in (*made[:-1], free)} == {"default"}
            with pytest.raises(KeysUnavailable, match="no room to count"):
                house.tenant_of(made[-1])
            ring = house.desk.ring(house.settings)
            with pytest.raises(KeysUnavailable, match="no room to count"):
                ring.of_digest(made[-1].record.digest)
            assert set(house.events) == {"keys_left_out"}
            await house.desk.alter(made[-1].record.id, KeyWish(day_usd=None))
            assert house.tenant_of(made[-1]) == "default"

    asyncio.run(main())


def test_a_budget_that_there_is_no_room_for_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with Place("sqlite", tmp_path).records() as records:
            house = House(records, tmp_path)
            made = [await house.create(f"k{at}", day_usd=1.0) for at in range(BUDGETS_MAX)]
            free = await house.create("free")
            with pytest.raises(Conflict, match="no room"):
                await house.create("late", month_usd=1.0)
            with pytest.raises(Conflict, match="no room"):
                await house.desk.alter(free.record.id, KeyWish(day_usd=1.0))
            altered = await house.desk.alter(made[0].record.id, KeyWish(day_usd=2.0))
            assert (altered.terms.day_usd, house.events) == (2.0, [])

    asyncio.run(main())
