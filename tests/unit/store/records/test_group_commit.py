"""Writes share commits, and none is left behind, whoever has given up before it."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from headrace.store.crew import Crew
from headrace.store.faults import StoreClosed, StoreFault, StoreTimeout
from headrace.store.records.group_commit import GroupCommit
from headrace.store.records.queries import load_queries
from headrace.store.records.records import BoundStep, Row
from headrace.store.records.sqlite_link import RecordFile, RecordLink
from headrace.store.voice import Voice

TAKE = load_queries("sqlite")["leases.take"]


class HeldLink(RecordLink):
    """A link whose work waits until it may go on."""

    def __init__(self, path: Path, may_go_on: threading.Event) -> None:
        super().__init__(RecordFile(path, 5.0), writes=True)
        self._may_go_on = may_go_on

    def write_all(
        self, groups: Sequence[Sequence[BoundStep]]
    ) -> list[list[list[Row]] | StoreFault]:
        assert self._may_go_on.wait(30.0)
        return super().write_all(groups)


def step(name: str) -> list[BoundStep]:
    values = {"name": name, "holder": "it", "ttl_s": 1.0, "now_s": 1.0}
    return [BoundStep(TAKE, values)]


def crew(path: Path, may_go_on: threading.Event) -> Crew[RecordLink]:
    make: Callable[[], RecordLink] = lambda: HeldLink(path, may_go_on)  # noqa: E731
    return Crew("writer", 1, 1000, make, Voice(None))


def test_who_waits_behind_many_that_gave_up_is_served(tmp_path: Path) -> None:
    async def main() -> None:
        may_go_on = threading.Event()
        writer = crew(tmp_path / "a.sqlite3", may_go_on)
        commits = GroupCommit(writer, 1000, 30.0)
        first = asyncio.ensure_future(commits.write(step("first")))
        impatient = [asyncio.ensure_future(commits.write(step(f"{n}"))) for n in range(300)]
        await asyncio.sleep(0)
        last = asyncio.ensure_future(commits.write(step("last")))
        await asyncio.sleep(0)
        for each in impatient:
            each.cancel()
        await asyncio.wait(impatient)
        may_go_on.set()
        assert await first == [[{"token": 1}]]
        assert await asyncio.wait_for(last, 60.0) == [[{"token": 1}]]
        await commits.close(10.0)
        assert await writer.close(10.0)

    asyncio.run(main())


def test_a_thread_that_was_sent_home_is_told_to_all(tmp_path: Path) -> None:
    async def main() -> None:
        may_go_on = threading.Event()
        may_go_on.set()
        writer = crew(tmp_path / "a.sqlite3", may_go_on)
        commits = GroupCommit(writer, 1000, 30.0)
        await commits.write(step("first"))
        assert await writer.close(10.0)
        outcomes = await asyncio.gather(
            *(commits.write(step(f"{n}")) for n in range(5)), return_exceptions=True
        )
        assert all(isinstance(each, StoreClosed) for each in outcomes)

    asyncio.run(main())


def test_who_waits_too_long_is_told_so(tmp_path: Path) -> None:
    async def main() -> None:
        may_go_on = threading.Event()
        writer = crew(tmp_path / "a.sqlite3", may_go_on)
        commits = GroupCommit(writer, 1000, 0.05)
        with pytest.raises(StoreTimeout, match=r"longer than 0\.05 s"):
            await commits.write(step("first"))
        may_go_on.set()
        await commits.close(10.0)
        assert await writer.close(10.0)

    asyncio.run(main())
