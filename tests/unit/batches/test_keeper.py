"""Batches are begun, left alone for a while, and given up."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from headrace.batches.files import Files, Taking
from headrace.batches.gear import Gear
from headrace.batches.hold import Hold
from headrace.batches.keeper import LOST_S, REST_S, STRAYS_S, Keeper
from headrace.batches.nouns import Batch
from headrace.batches.results import Totals, Writing
from headrace.batches.run import FAILURES_MAX
from headrace.batches.shelf import Shelf
from headrace.batches.tables import BatchTable, FileTable
from headrace.batches.work import Work
from headrace.clock import ManualClock
from headrace.gateway.asking import Asked
from headrace.gateway.tasks import Tasks
from headrace.ids import Ids
from headrace.observe.batch_metrics import BatchMetrics
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.settings import Settings
from headrace.settings.batches import FileSettings
from headrace.store.faults import StoreFault
from headrace.store.records.bounds import RecordBounds
from headrace.store.records.leases import RecordLeases
from headrace.store.records.open import open_records

FIRST = asyncio.FIRST_COMPLETED
LINE = b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model":"m"}}\n'
FORM = (
    b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    + LINE
    + b"\r\n--b--\r\n"
)


class Broken:
    """Whoever asks it finds a bug."""

    tracer = None

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, *_words: Any, **_fields: Any) -> Asked:
        self.asked += 1
        raise ZeroDivisionError


class House:
    """A keeper, and what it keeps, on a file."""

    def __init__(self, folder: Path, disk: Path | None = None) -> None:
        self.clock, self.said, self.bugs = ManualClock(), list[str](), list[BaseException]()
        self.asker, self.spoke = Broken(), asyncio.Event()
        self.revoked: set[str] = set()
        self.records = open_records(
            "sqlite",
            folder,
            clock=self.clock,
            bounds=RecordBounds(read_limit_s=30.0, write_limit_s=30.0),
        )
        self.table, self.shelf = BatchTable(self.records), Shelf(disk or folder)
        self.ids = Ids(self.clock.wall_s)
        self.files = Files(
            FileTable(self.records), self.table, self.shelf, self.ids, self.clock, FileSettings
        )
        layout = Layout()
        cells = Cells(layout.size)
        self.gear = Gear(
            table=self.table,
            shelf=self.shelf,
            asker=cast("Any", self.asker),
            counts=BatchMetrics(Metrics(layout, cells.row(0), cells.slots, self.clock)),
            clock=self.clock,
            may_ask=lambda who: who.key_name not in self.revoked,
            uniform=lambda: 0.0,
            spawn=Tasks(self.bugs.append).spawn,
            say=self._say,
            settings=lambda: Settings(providers={}),
        )
        self.leases = RecordLeases(self.records, self.clock, "me")
        self.keeper = Keeper(self.files, self.leases, self.gear)

    def _say(self, _level: str, event: str, about: str = "", **_fields: Any) -> None:
        self.said.append(event)
        self.spoke.set()

    async def form(self) -> AsyncIterator[bytes]:
        yield FORM

    async def take(self, parts: AsyncIterator[bytes] | None = None) -> str:
        taking = Taking("app", "multipart/form-data; boundary=b", None)
        return (await self.files.take(taking, parts or self.form())).id

    async def begin(self) -> str:
        batch = Batch(
            id=self.ids.new("batch"),
            tenant="app",
            key_name="k",
            key_digest=b"",
            key_models="[]",
            place=await self.files.place(),
            state="validating",
            endpoint="/v1/embeddings",
            input_file=await self.take(),
            output_file=self.ids.new("file"),
            error_file=self.ids.new("file"),
            has_output=0,
            has_errors=0,
            keep_s=3600.0,
            metadata="null",
            faults="[]",
            total=0,
            completed=0,
            failed=0,
            input_tokens=0,
            output_tokens=0,
            cached_tokens=0,
            window_s=3600.0,
            created_s=self.clock.wall_s(),
        )
        await self.table.add(batch)
        return batch.id

    async def look(self) -> None:
        """Look once, and wait until nothing runs."""
        await self.keeper._look()
        await asyncio.gather(*self.keeper._tasks, return_exceptions=True)

    def leave(self, age_s: float) -> str:
        """Leave a file that nothing is known of, and that was written to so long ago."""
        file_id = self.ids.new("file")
        path = self.shelf.path(file_id)
        path.write_bytes(LINE)
        self.age(path, age_s)
        return file_id

    def age(self, path: Path, age_s: float) -> None:
        """Nobody has written to it for so long."""
        written_s = self.clock.wall_s() - age_s
        os.utime(path, (written_s, written_s))

    def there(self) -> set[str]:
        """The files on the disk."""
        return {path.name for path in self.shelf.folder.glob("file_*")}

    async def read(self, batch_id: str) -> Batch:
        batch = await self.table.read(batch_id)
        assert batch is not None
        return batch


def keeping(
    use: Callable[[House], Awaitable[None]], folder: Path, disk: Path | None = None
) -> None:
    async def main() -> None:
        house = House(folder, disk)
        try:
            await use(house)
        finally:
            await house.records.close(30.0)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_batch_that_a_bug_ends_is_left_alone_for_a_while_and_then_has_failed(
    tmp_path: Path,
) -> None:
    async def use(house: House) -> None:
        batch_id = await house.begin()
        for runs in range(1, FAILURES_MAX + 1):
            for _ in range(5):
                await house.look()
            assert house.asker.asked == runs
            house.clock.advance(REST_S)
        assert (await house.read(batch_id)).state == "in_progress"
        await house.look()
        batch = await house.read(batch_id)
        assert house.asker.asked == FAILURES_MAX
        assert (batch.state, batch.total) == ("failed", 1)
        (told,) = msgspec.json.decode(batch.faults)
        assert told["code"] == "gateway_failed"
        assert house.bugs

    keeping(use, tmp_path)


def test_a_batch_that_has_failed_keeps_what_was_answered(tmp_path: Path) -> None:
    async def use(house: House) -> None:
        batch_id = await house.begin()
        await house.look()
        batch = await house.read(batch_id)
        line = Writing(batch_id.partition("_")[2]).answered(7, "z", 200, b"{}")
        house.shelf.path(batch.output_file).write_bytes(line)
        for _ in range(FAILURES_MAX):
            house.clock.advance(REST_S)
            await house.look()
        batch = await house.read(batch_id)
        assert (batch.state, batch.has_output, batch.completed) == ("failed", 1, 1)
        assert (await house.files.find(batch.output_file, "app")).bytes == len(line)

    keeping(use, tmp_path)


def test_a_batch_whose_time_is_over_ends_before_anything_is_asked(tmp_path: Path) -> None:
    async def use(house: House) -> None:
        batch_id = await house.begin()
        await house.look()
        house.clock.advance(3600.0)
        await house.look()
        batch = await house.read(batch_id)
        assert (house.asker.asked, batch.state, batch.failed) == (1, "expired", 1)

    keeping(use, tmp_path)


def test_a_batch_whose_key_is_revoked_asks_nothing_more(tmp_path: Path) -> None:
    async def use(house: House) -> None:
        batch_id = await house.begin()
        house.revoked.add("k")
        await house.look()
        batch = await house.read(batch_id)
        assert (house.asker.asked, batch.state, batch.completed) == (0, "cancelled", 0)
        assert [each["code"] for each in batch.told()["errors"]["data"]] == ["key_revoked"]

    keeping(use, tmp_path)


def test_who_is_told_to_stop_while_it_takes_a_batch_leaves_it_to_others(tmp_path: Path) -> None:
    async def use(house: House) -> None:
        class Stopping(BatchTable):
            async def read(self, batch_id: str) -> Batch | None:
                keeper.stop()
                return await super().read(batch_id)

        gear = msgspec.structs.replace(house.gear, table=Stopping(house.records))
        keeper = Keeper(house.files, house.leases, gear)
        batch_id = await house.begin()
        await keeper._look()
        assert not keeper.is_busy
        hold = Hold(RecordLeases(house.records, house.clock, "other"), batch_id, 9.0, lambda: 0.0)
        assert await hold.take()

    keeping(use, tmp_path)


def test_counts_of_a_batch_do_not_fall_when_another_process_takes_it_over(tmp_path: Path) -> None:
    async def use(house: House) -> None:
        batch_id = await house.begin()
        told = Totals(3, 1, 30, 20, 10)
        await house.table.tell(batch_id, told)
        hold = Hold(house.leases, batch_id, 9.0, house.clock.monotonic_s)
        batch = await house.read(batch_id)
        assert Work(batch, house.gear, may_write=lambda: hold.is_held).totals == told

    keeping(use, tmp_path)


def test_who_held_a_batch_before_tells_nothing_of_it_once_it_is_over(tmp_path: Path) -> None:
    async def use(house: House) -> None:
        batch_id = await house.begin()
        batch = await house.read(batch_id)
        await house.table.end(batch, "completed", Totals(1), [], house.clock.wall_s())
        await house.table.tell(batch_id, Totals())
        assert (await house.read(batch_id)).completed == 1

    keeping(use, tmp_path)


def test_a_folder_that_cannot_be_cleaned_does_not_end_the_keeping(tmp_path: Path) -> None:
    async def use(house: House) -> None:
        await house.take()
        odd = house.shelf.folder / "odd.part"
        odd.mkdir()
        os.utime(odd, (0, 0))
        keeping = asyncio.ensure_future(house.keeper.keep())
        await asyncio.wait((keeping, asyncio.ensure_future(house.spoke.wait())), return_when=FIRST)
        assert house.said == ["batches_wait"]
        assert not keeping.done()
        house.keeper.stop()
        await keeping

    keeping(use, tmp_path)


def test_a_file_that_cannot_be_noted_is_not_left_behind(tmp_path: Path) -> None:
    async def use(house: House) -> None:
        kept = await house.take()

        async def form() -> AsyncIterator[bytes]:
            await house.records.close(30.0)
            yield FORM

        with pytest.raises(StoreFault):
            await house.take(form())
        left = {each.name for each in house.shelf.folder.iterdir()}
        assert {each for each in left if re.match("file_", each)} == {kept}

    keeping(use, tmp_path)


def test_a_file_that_nothing_is_known_of_goes_once_it_is_old_enough(tmp_path: Path) -> None:
    async def use(house: House) -> None:
        kept = await house.take()
        house.age(house.shelf.path(kept), 2 * LOST_S)
        house.leave(LOST_S + 1.0)
        young = house.leave(LOST_S - 1.0)
        await house.look()
        assert house.there() == {kept, young}
        assert house.said == ["files_swept"]

    keeping(use, tmp_path)


def test_another_store_leaves_what_it_never_knew_alone(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    kept = set[str]()

    async def use_right(house: House) -> None:
        kept.update([await house.take(), await house.take()])
        for each in kept:
            house.age(house.shelf.path(each), 2 * LOST_S)

    async def use_wrong(house: House) -> None:
        house.clock.advance(LOST_S)  # ids sort by time
        await house.look()
        assert house.there() == kept
        kept.add(await house.take())  # from now on it knows the directory
        house.leave(LOST_S + 1.0)
        house.clock.advance(STRAYS_S)
        await house.look()
        assert house.there() == kept

    for store, use in (("right", use_right), ("wrong", use_wrong)):
        folder = tmp_path / store
        folder.mkdir()
        keeping(use, folder, disk)


def test_a_store_that_forgot_a_file_leaves_it_alone_while_it_is_young(tmp_path: Path) -> None:
    async def use(house: House) -> None:
        await house.take()
        forgotten = await house.take()
        house.age(house.shelf.path(forgotten), LOST_S / 2)
        await house.files.table.remove(forgotten, "app")  # as a copy from before it came
        await house.look()
        assert forgotten in house.there()

    keeping(use, tmp_path)
