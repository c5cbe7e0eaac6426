"""From the journal to the tables, on SQLite and on PostgreSQL: each call once, whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.ledger import (
    NOW_S,
    Tally,
    assert_sums,
    call,
    shipper,
    write_journal,
)
from tests.support.stores import Place

from headrace.clock import ManualClock
from headrace.store.faults import StoreFault, StoreLost
from headrace.store.journal.journal import segment_paths
from headrace.store.ledger import models
from headrace.store.ledger.refused import look_aside, retry
from headrace.store.ledger.row import ContentRow
from headrace.store.ledger.shipper import BATCH_ROWS
from headrace.store.records.records import Records, Step

DAY_S = 86_400.0
QUERIES = """
-- name: calls
-- for: every call
SELECT * FROM headrace_calls ORDER BY at_s, id;

-- name: days
-- for: every day
SELECT * FROM headrace_usage_daily;

-- name: months
-- for: every month
SELECT * FROM headrace_usage_monthly;

-- name: contents
-- for: everything that was said
SELECT * FROM headrace_call_contents;

-- name: tables [postgresql]
-- for: the tables of months
SELECT relname AS name FROM pg_class WHERE relname LIKE 'headrace_calls_2%' AND relkind = 'r';

-- name: refuse [postgresql]
-- for: a database that takes all calls but one
ALTER TABLE headrace_calls ADD CHECK (id <> 'call-7');

-- name: refuse [sqlite]
-- for: a database that takes all calls but one
CREATE TRIGGER refuse BEFORE INSERT ON headrace_calls WHEN NEW.id = 'call-7'
BEGIN SELECT RAISE(ABORT, 'no'); END;

-- name: relent [postgresql]
-- for: a database that takes all calls again
ALTER TABLE headrace_calls DROP CONSTRAINT headrace_calls_id_check;

-- name: relent [sqlite]
-- for: a database that takes all calls again
DROP TRIGGER refuse;
"""


def use(place: Place, work: Callable[[Records], Awaitable[None]]) -> None:
    async def main() -> None:
        async with place.records() as records:
            await work(records)

    asyncio.run(main())


def looking(records: Records) -> Records:
    from headrace.store.records.queries import Queries, parse_queries

    dialect = records.dialect
    queries = Queries(dialect, parse_queries("t", QUERIES, dialect))
    return Records(records._driver, queries)


async def told(records: Records, query: str) -> list[dict[str, Any]]:
    return await looking(records).fetch(f"t.{query}")


async def assert_stored(records: Records, count: int) -> None:
    rows = await told(records, "calls")
    assert sorted(row["id"] for row in rows) == sorted(f"call-{n}" for n in range(count))
    assert_sums(rows, await told(records, "days"))
    assert_sums(rows, await told(records, "months"))


class Cut(Records):
    """Records whose connection is lost when a commit is on its way: nobody knows what became of it.

    Args:
        whole: where the commits go.
        cuts: numbers of the writes that are cut off, from 0 on.
        is_done: whether those took effect.
    """

    def __init__(self, whole: Records, cuts: set[int], *, is_done: bool) -> None:
        super().__init__(whole._driver, whole._queries)
        self._cuts = cuts
        self._is_done = is_done
        self._writes = 0

    async def write(self, *steps: Step) -> list[list[dict[str, Any]]]:
        number = self._writes
        self._writes += 1
        if number in self._cuts and not self._is_done:
            raise StoreLost("cut off")
        rows = await super().write(*steps)
        if number in self._cuts:
            raise StoreLost("cut off")
        return rows


def test_what_is_in_journals_comes_to_the_tables(place: Place, tmp_path: Path) -> None:
    async def work(records: Records) -> None:
        folder, tally = tmp_path / "ledger", Tally()
        count = BATCH_ROWS * 2 + 10
        write_journal(folder, [call(n) for n in range(count)])
        shipping = shipper(folder, records, tally)
        await shipping.ship()
        await assert_stored(records, count)
        assert tally.stored == count
        assert segment_paths(folder) == []
        await shipping.stop(1.0)

    use(place, work)


def test_rows_keep_what_they_say(place: Place, tmp_path: Path) -> None:
    async def work(records: Records) -> None:
        row = call(
            0, streams=True, is_estimated=True, cost_nano=None, asked="a\tb\n'\\N%s", error="x"
        )
        write_journal(tmp_path, [row])
        await shipper(tmp_path, records, Tally()).ship()
        (found,) = await told(records, "calls")
        assert {name: found[name] for name in row.__struct_fields__} == msgspec.structs.asdict(row)

    use(place, work)


def test_a_journal_is_taken_while_it_is_written(place: Place, tmp_path: Path) -> None:
    async def work(records: Records) -> None:
        shipping = shipper(tmp_path, records, Tally())
        journal = write_journal(tmp_path, [], is_closed=False)
        for number in range(30):
            journal.append(msgspec.msgpack.encode(call(number)))
            if number % 7 == 0:
                await shipping.ship()
        journal.close()
        await shipping.ship()
        await assert_stored(records, 30)
        assert segment_paths(tmp_path) == []

    use(place, work)


@pytest.mark.parametrize("is_done", [True, False], ids=["done", "not done"])
def test_a_commit_that_was_cut_off_counts_once(place: Place, tmp_path: Path, is_done: bool) -> None:
    async def work(records: Records) -> None:
        count = BATCH_ROWS * 3
        write_journal(tmp_path, [call(n) for n in range(count)])
        cut = Cut(records, {1, 3, 4, 7}, is_done=is_done)
        for _ in range(12):
            try:
                await shipper(tmp_path, cut, Tally()).ship()
            except StoreFault:
                continue
        await assert_stored(records, count)

    use(place, work)


def test_two_that_ship_the_same_count_it_once(place: Place, tmp_path: Path) -> None:
    async def work(records: Records) -> None:
        count = BATCH_ROWS * 4
        write_journal(tmp_path, [call(n) for n in range(count)])
        crew = [shipper(tmp_path, records, Tally()) for _ in range(3)]
        for _ in range(20):  # whoever is told that it was too late asks again
            await asyncio.gather(*(each.ship() for each in crew), return_exceptions=True)
        await assert_stored(records, count)

    use(place, work)


def test_calls_that_are_there_already_do_not_hold_up_others(place: Place, tmp_path: Path) -> None:
    async def work(records: Records) -> None:
        write_journal(tmp_path, [call(n) for n in range(10)])
        await shipper(tmp_path, records, Tally()).ship()
        write_journal(tmp_path, [call(n) for n in range(20)])
        await shipper(tmp_path, records, Tally()).ship()
        assert len(await told(records, "calls")) == 20

    use(place, work)


def test_damage_is_passed_over_and_told(place: Place, tmp_path: Path) -> None:
    async def work(records: Records) -> None:
        journal = write_journal(tmp_path, [call(n) for n in range(4)], is_closed=False)
        journal.append(b"no row")
        journal.append(msgspec.msgpack.encode(call(4)))
        journal.close()
        (path,) = segment_paths(tmp_path)
        data = bytearray(path.read_bytes())
        data[data.find(b"call-2")] ^= 1
        path.write_bytes(data)
        (tmp_path / "foreign.journal").write_bytes(b"something else altogether")
        tally = Tally()
        await shipper(tmp_path, records, tally).ship()
        assert [row["id"] for row in await told(records, "calls")] == [
            *("call-0", "call-1", "call-3", "call-4")
        ]
        assert tally.damaged == 3
        assert sorted(tally.said) == ["ledger_journal_damaged", "ledger_journal_unreadable"]
        assert segment_paths(tmp_path) == []

    use(place, work)


def test_a_row_that_the_database_refuses_holds_up_no_other(place: Place, tmp_path: Path) -> None:
    async def work(records: Records) -> None:
        await records.ready()
        await looking(records).write(Step("t.refuse"))
        write_journal(tmp_path, [call(n) for n in range(30)])
        tally = Tally()
        await shipper(tmp_path, records, tally).ship()
        rows = await told(records, "calls")
        assert {row["id"] for row in rows} == {f"call-{n}" for n in range(30) if n != 7}
        assert_sums(rows, await told(records, "days"))
        assert (tally.stored, tally.damaged, tally.said) == (29, 1, ["ledger_row_refused"])
        assert segment_paths(tmp_path) == []

        assert look_aside(tmp_path)[0] == 1
        # It is refused again, and then it is not.
        assert retry(tmp_path) == 1
        assert look_aside(tmp_path)[0] == 0
        await shipper(tmp_path, records, tally).ship()
        assert (look_aside(tmp_path)[0], tally.damaged) == (1, 2)
        await looking(records).write(Step("t.relent"))
        assert retry(tmp_path) == 1
        await shipper(tmp_path, records, tally).ship()
        rows = await told(records, "calls")
        assert {row["id"] for row in rows} == {f"call-{n}" for n in range(30)}
        assert_sums(rows, await told(records, "days"))
        assert tally.stored == 30
        assert (retry(tmp_path), segment_paths(tmp_path)) == (0, [])

    use(place, work)


def test_names_that_callers_make_up_do_not_fill_the_sums(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "MODELS_MAX", 5)
    monkeypatch.setattr(models, "_UNASKED", 3)

    async def work(records: Records) -> None:
        for part in range(3):  # each by a process that knows nothing of those before it
            names = (f"made-up-{part}-{n}" for n in range(10))
            calls = [call(100 * part + n, model=name) for n, name in enumerate(names)]
            write_journal(tmp_path, [*calls, call(100 * part + 50, tenant="other")])
            await shipper(tmp_path, records, Tally()).ship()
        rows = await told(records, "calls")
        assert len({row["model"] for row in rows if row["tenant"] == "app"}) == 30
        for query in ("days", "months"):
            groups = await told(records, query)
            ours = {group["model"]: group["calls"] for group in groups if group["tenant"] == "app"}
            assert len(ours) <= 5 + 2 * 3 + 1
            assert (sum(ours.values()), ours["(other)"] >= 19) == (30, True)
            assert {group["model"] for group in groups if group["tenant"] == "other"} == {
                "gpt-4o-mini"
            }
        # Names that are told apart go on being so.
        before = {row["model"]: row["calls"] for row in await told(records, "days")}
        write_journal(tmp_path, [call(900, model="made-up-0-0")])
        await shipper(tmp_path, records, Tally()).ship()
        after = {row["model"]: row["calls"] for row in await told(records, "days")}
        assert after == {**before, "made-up-0-0": before["made-up-0-0"] + 1}

    use(place, work)


def test_a_gateway_that_was_idle_opens_no_store_at_its_end(tmp_path: Path) -> None:
    class Untouched(Records):
        def __init__(self) -> None: ...

        async def fetch(self, *_: Any, **__: Any) -> Any:
            raise AssertionError("asked")

    async def main() -> None:
        journal = write_journal(tmp_path, [], is_closed=False)
        shipping = shipper(tmp_path, Untouched(), Tally())
        await shipping.ship()
        journal.close()
        await shipping.stop(5.0)
        assert segment_paths(tmp_path) == []

    asyncio.run(main())


def test_what_was_said_is_stored_apart(place: Place, tmp_path: Path) -> None:
    async def work(records: Records) -> None:
        write_journal(
            tmp_path, [call(1), ContentRow("call-1", NOW_S, "app", "a prompt", "an answer")]
        )
        await shipper(tmp_path, records, Tally()).ship()
        (found,) = await told(records, "contents")
        assert (found["id"], found["prompt"], found["answer"]) == (
            "call-1",
            "a prompt",
            "an answer",
        )

    use(place, work)


def test_only_one_ships_for_a_folder(place: Place, tmp_path: Path) -> None:
    async def work(records: Records) -> None:
        write_journal(tmp_path, [call(0)])
        one, other = (shipper(tmp_path, records, Tally()) for _ in range(2))
        assert one._is_in_charge()
        assert not other._is_in_charge()
        await other.stop(5.0)
        assert segment_paths(tmp_path)
        await one.stop(5.0)
        assert not segment_paths(tmp_path)
        assert other._is_in_charge()
        await other.stop(5.0)

    use(place, work)


def test_what_is_old_is_removed(place: Place, tmp_path: Path) -> None:
    async def work(records: Records) -> None:
        old = [call(n, at_s=NOW_S - 100 * DAY_S - n) for n in range(2500)]
        said = [ContentRow("call-1", NOW_S - 40 * DAY_S, "app", "a", "b")]
        new = [call(n) for n in range(10_000, 10_003)]
        write_journal(tmp_path, [*old, *said, *new])
        clock = ManualClock(NOW_S)
        shipping = shipper(tmp_path, records, Tally(), clock=clock, keep_days=60)
        await shipping.ship()
        assert len(await told(records, "calls")) == 2503
        for _ in range(4):
            await shipping._retention.keep(clock.wall_s())
            clock.advance(700.0)
        assert len(await told(records, "calls")) == 3
        assert await told(records, "contents") == []
        days = await told(records, "days")
        assert sum(day["calls"] for day in days) == 2503  # sums are kept

    use(place, work)


def test_months_have_tables_of_their_own(place: Place, tmp_path: Path) -> None:
    if place.dialect == "sqlite":
        pytest.skip("SQLite has one table")

    async def work(records: Records) -> None:
        strange = [call(0, at_s=-5.0), call(1, at_s=1e15), call(2, at_s=NOW_S)]
        write_journal(tmp_path, strange)
        await shipper(tmp_path, records, Tally(), clock=ManualClock(NOW_S)).ship()
        assert len(await told(records, "calls")) == 3
        names = {row["name"] for row in await told(records, "tables")}
        assert {"headrace_calls_2026_11", "headrace_calls_2026_12"} <= names

    use(place, work)
