"""Records do the same on a SQLite file and on a PostgreSQL server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.support.stores import Place

from headrace.store.faults import StoreBusy, StoreClosed, StoreFault
from headrace.store.records.bounds import RecordBounds
from headrace.store.records.queries import Queries, parse_queries
from headrace.store.records.records import Records, Step

QUERIES = """
-- name: make
-- for: a table to try things on
CREATE TABLE tried (id BIGINT PRIMARY KEY, word TEXT, data {blob});

-- name: add
-- for: a row, once
-- copy: tried (id, word, data)
INSERT INTO tried (id, word, data) VALUES (:id, :word, :data) ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: rename
-- for: changing a row
UPDATE tried SET word = :word WHERE id = :id RETURNING id, word;

-- name: page
-- for: a page of rows, with a quoted ':word' and 100 % of it
SELECT id, word, data, ':word' AS quoted, 5 % 3 AS rest FROM tried WHERE id > :after
ORDER BY id LIMIT :limit;

-- name: break
-- for: failing
INSERT INTO tried (id, word) VALUES (:id, :word);
"""


def trying(records: Records) -> Records:
    """The same records with queries of the test's own."""
    dialect = records.dialect
    text = QUERIES.replace("{blob}", "BLOB" if dialect == "sqlite" else "BYTEA")
    return Records(records._driver, Queries(dialect, parse_queries("t", text, dialect)))


def run(place: Place, use: Callable[[Records], Awaitable[None]], **how: Any) -> None:
    async def main() -> None:
        async with place.records(**how) as records:
            tried = trying(records)
            await tried.write(Step("t.make"))
            await use(tried)

    asyncio.run(main())


def row(number: int) -> dict[str, object]:
    return {"id": number, "word": f"word {number} %s :word", "data": bytes([number % 256, 0])}


def test_what_is_written_is_read_again(place: Place) -> None:
    async def use(records: Records) -> None:
        assert await records.write(Step("t.add", row(1))) == [[{"id": 1}]]
        assert await records.write(Step("t.add", row(1))) == [[]]
        found = await records.fetch("t.page", {"after": 0, "limit": 5})
        assert found == [{**row(1), "quoted": ":word", "rest": 2}]
        (renamed,) = await records.write(Step("t.rename", {"id": 1, "word": "other"}))
        assert renamed == [{"id": 1, "word": "other"}]

    run(place, use)


def test_steps_are_one_transaction(place: Place) -> None:
    async def use(records: Records) -> None:
        with pytest.raises(StoreFault):
            await records.write(
                Step("t.rename", {"id": 1, "word": "x"}),
                Step("t.break", {"id": 7, "word": "x"}),
                Step("t.break", {"id": 7, "word": "x"}),
            )
        assert await records.fetch("t.page", {"after": 0, "limit": 5}) == []
        rows = await records.write(
            Step("t.break", {"id": 7, "word": "x"}),
            Step("t.rename", {"id": 7, "word": "y"}),
            Step("t.rename", {"id": 8, "word": "z"}),
        )
        assert rows == [[], [{"id": 7, "word": "y"}], []]

    run(place, use)


def test_many_rows_go_at_once(place: Place) -> None:
    async def use(records: Records) -> None:
        await records.write(Step("t.add", [tuple(row(at).values()) for at in range(1, 2001)]))
        await records.write(Step("t.add", []))
        found = await records.fetch("t.page", {"after": 1990, "limit": 50})
        assert [each["id"] for each in found] == list(range(1991, 2001))
        assert found[0]["data"] == row(1991)["data"]

    run(place, use)


def test_many_rows_without_copy_in_a_transaction_with_others(place: Place) -> None:
    async def use(records: Records) -> None:
        rows = [{"id": number, "word": "w"} for number in range(1, 101)]
        _, renamed = await records.write(
            Step("t.break", rows), Step("t.rename", {"id": 5, "word": "x"})
        )
        assert renamed == [{"id": 5, "word": "x"}]

    run(place, use)


def test_it_goes_on_after_a_fault(place: Place) -> None:
    async def use(records: Records) -> None:
        for number in range(20):
            await records.write(Step("t.break", {"id": number, "word": "x"}))
            with pytest.raises(StoreFault):
                await records.write(Step("t.break", {"id": number, "word": "x"}))
        assert len(await records.fetch("t.page", {"after": -1, "limit": 50})) == 20

    run(place, use)


def test_writers_and_readers_at_once(place: Place) -> None:
    async def use(records: Records) -> None:
        writes = [records.write(Step("t.add", row(number))) for number in range(1, 101)]
        reads = [records.fetch("t.page", {"after": 0, "limit": 1}) for _ in range(100)]
        await asyncio.gather(*writes, *reads)
        assert len(await records.fetch("t.page", {"after": 0, "limit": 200})) == 100

    run(place, use)


def test_one_that_fails_takes_no_other_with_it(place: Place) -> None:
    async def use(records: Records) -> None:
        await records.write(Step("t.break", {"id": 50, "word": "there"}))
        outcomes = await asyncio.gather(
            *(records.write(Step("t.break", {"id": n, "word": "new"})) for n in range(100)),
            *(records.write(Step("t.rename", {"id": 50, "word": "mine"})) for _ in range(3)),
            return_exceptions=True,
        )
        failed = [n for n, each in enumerate(outcomes) if isinstance(each, BaseException)]
        assert failed == [50]
        assert isinstance(outcomes[50], StoreFault)
        assert len(await records.fetch("t.page", {"after": -1, "limit": 200})) == 100

    run(place, use)


def test_more_than_may_wait_are_refused(place: Place) -> None:
    async def use(records: Records) -> None:
        adds = [records.write(Step("t.add", row(number))) for number in range(1, 60)]
        outcomes = await asyncio.gather(*adds, return_exceptions=True)
        refused = [each for each in outcomes if isinstance(each, StoreBusy)]
        assert 40 <= len(refused) < 59
        kept = await records.fetch("t.page", {"after": 0, "limit": 100})
        assert len(kept) == 59 - len(refused)

    run(place, use, bounds=RecordBounds(waiting_max=8, write_limit_s=30.0))


def test_what_waits_is_written_before_it_closes(place: Place) -> None:
    async def main() -> None:
        async with place.records() as records:
            tried = trying(records)
            await tried.write(Step("t.make"))
            tasks = [
                asyncio.ensure_future(tried.write(Step("t.add", row(number))))
                for number in range(1, 301)
            ]
            await asyncio.sleep(0)
            assert await records.close(30.0)
            await asyncio.gather(*tasks)
        async with place.records() as records:
            found = await trying(records).fetch("t.page", {"after": 0, "limit": 500})
            assert len(found) == 300

    asyncio.run(main())


def test_a_closed_store_says_so(place: Place) -> None:
    async def main() -> None:
        async with place.records() as records:
            await records.ready()
        with pytest.raises(StoreClosed):
            await records.fetch("leases.take", {})

    asyncio.run(main())


def test_a_query_that_is_not_there(place: Place) -> None:
    async def use(records: Records) -> None:
        with pytest.raises(StoreFault, match=r"t\.nothing"):
            await records.fetch("t.nothing")

    run(place, use)


def test_two_of_one_process_share_a_database(place: Place) -> None:
    async def main() -> None:
        async with place.records() as one, place.records() as other:
            await asyncio.gather(one.ready(30.0), other.ready(30.0))
            await trying(one).write(Step("t.make"))
            await trying(one).write(Step("t.add", row(3)))
            (found,) = await trying(other).fetch("t.page", {"after": 0, "limit": 5})
            assert found["id"] == 3

    asyncio.run(main())
