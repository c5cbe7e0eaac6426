"""Answers in a store: held, found, purged, expired and evicted, in SQLite and in PostgreSQL."""

import asyncio
import itertools
import math

import pytest
from sqlalchemy import Connection
from tests.support.stores import NOW_S, PATIENT, Place, key, row

from headrace.store.bounds import StoreBounds
from headrace.store.rows import KEY_BYTES_MAX, ROW_OVERHEAD_BYTES, AnswerRow
from headrace.store.store import Store

pytestmark = pytest.mark.heavy_on_postgresql


def bounded(rows: int) -> StoreBounds:
    """Room for so many rows of 1,000 bytes."""
    return StoreBounds(
        bytes_max=rows * (1000 + ROW_OVERHEAD_BYTES),
        read_limit_s=PATIENT.read_limit_s,
        write_limit_s=PATIENT.write_limit_s,
    )


def full_row(number: int, **changes: object) -> AnswerRow:
    return row(number, value=bytes(1000), **changes)


async def held(store: Store, numbers: range) -> list[int]:
    """Which of some answers are held."""
    found = await store.answers.get_many([key(n) for n in numbers], NOW_S)
    return [n for n in numbers if key(n) in found]


def test_what_is_put_is_found_until_it_expires(place: Place) -> None:
    async def use(store: Store) -> None:
        answers = store.answers
        assert await answers.put_many([row(1), row(2, expires_s=NOW_S + 10)], NOW_S) == 2
        assert await answers.get(key(1), NOW_S) == b"value 1"
        assert await answers.get(key(2), NOW_S + 9.9) == b"value 2"
        assert await answers.get(key(2), NOW_S + 10) is None
        assert await answers.get(key(3), NOW_S) is None

    place.use(use)


def test_what_is_put_outlives_the_store(place: Place) -> None:
    place.use(lambda store: store.answers.put_many([row(1)], NOW_S))
    assert place.use(lambda store: store.answers.get(key(1), NOW_S)) == b"value 1"


def test_a_later_row_replaces_an_earlier_one_and_its_scopes(place: Place) -> None:
    async def use(store: Store) -> None:
        answers = store.answers
        await answers.put_many([row(1, scopes=("tag:old",)), row(1, value=b"second")], NOW_S)
        assert await answers.get(key(1), NOW_S) == b"second"
        await answers.put_many([row(1, value=b"third", scopes=("tag:new",))], NOW_S)
        assert await answers.get(key(1), NOW_S) == b"third"
        assert await answers.purge("tag:old") == 0
        assert await answers.purge("tag:new") == 1
        assert await answers.get(key(1), NOW_S) is None

    place.use(use)


def test_reads_of_one_turn_all_get_their_own(place: Place) -> None:
    async def use(store: Store) -> None:
        await store.answers.put_many([row(n) for n in range(0, 200, 2)], NOW_S)
        numbers = [*range(200), 4, 4, 5]
        found = await asyncio.gather(*(store.answers.get(key(n), NOW_S) for n in numbers))
        assert found == [b"value %d" % n if n % 2 == 0 else None for n in numbers]

    place.use(use)


def test_removed_keys_are_gone(place: Place) -> None:
    async def use(store: Store) -> None:
        await store.answers.put_many([row(n) for n in range(300)], NOW_S)
        assert await store.answers.remove([key(n) for n in range(299)] + [key(1000)]) == 299
        assert await held(store, range(300)) == [299]
        assert (await store.answers.stats()).entries == 1

    place.use(use)


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        ("tenant:t0", [1, 3, 5]),
        ("model:sim/small", []),
        ("tag:odd", [0, 2, 4]),
        ("tag:none", [0, 1, 2, 3, 4, 5]),
        (f"key:{key(3).hex()}", [0, 1, 2, 4, 5]),
        ("key:no hexadecimal", [0, 1, 2, 3, 4, 5]),
        ("key:", [0, 1, 2, 3, 4, 5]),
        ("all", []),
    ],
)
def test_a_purge_removes_its_scope_and_nothing_else(
    place: Place, scope: str, left: list[int]
) -> None:
    async def use(store: Store) -> None:
        rows = [row(n) for n in range(6)]
        odd = [row(n, scopes=(*row(n).scopes, "tag:odd")) for n in range(1, 6, 2)]
        await store.answers.put_many(rows + odd, NOW_S)
        assert await store.answers.purge(scope) == 6 - len(left)
        assert await held(store, range(6)) == left
        assert (await store.answers.stats()).entries == len(left)

    place.use(use)


def test_a_purge_ends_though_answers_keep_coming(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use(store: Store) -> None:
        table, later = store.answers._table, itertools.count(1)
        purge = table.purge

        def purge_and_put(connection: Connection, scope: str, limit: int) -> int:
            removed = purge(connection, scope, limit)
            table.put(connection, [row(next(later))], NOW_S)
            return removed

        monkeypatch.setattr(table, "purge", purge_and_put)
        await store.answers.put_many([row(0)], NOW_S)
        async with asyncio.timeout(PATIENT.write_limit_s):
            assert await store.answers.purge("model:sim/small") == 1
        assert await held(store, range(3)) == [1]

    place.use(use)


def test_a_purge_of_many_takes_several_batches(place: Place) -> None:
    async def use(store: Store) -> None:
        await store.answers.put_many([row(n) for n in range(600)], NOW_S)
        assert await store.answers.purge("model:sim/small") == 600
        assert (await store.answers.stats()).bytes == 0

    place.use(use)


def test_what_has_expired_leaves_in_batches(place: Place) -> None:
    async def use(store: Store) -> None:
        await store.answers.put_many([row(n, expires_s=NOW_S + n) for n in range(1, 11)], NOW_S)
        assert await store.answers.expire_batch(3, NOW_S + 5) == 3
        assert await store.answers.expire_batch(3, NOW_S + 5) == 2
        assert await store.answers.expire_batch(3, NOW_S + 5) == 0
        assert await held(store, range(1, 11)) == [6, 7, 8, 9, 10]

    place.use(use)


def test_the_least_worth_per_byte_leaves_first(place: Place) -> None:
    async def use(store: Store) -> None:
        await store.answers.put_many([full_row(n, worth_usd=n / 100) for n in range(10)], NOW_S)
        await store.answers.put_many([full_row(n, worth_usd=n / 100) for n in range(10, 13)], NOW_S)
        assert await held(store, range(13)) == list(range(3, 13))
        stats = await store.answers.stats()
        assert (stats.entries, stats.bytes) == (10, 10 * (1000 + ROW_OVERHEAD_BYTES))

    place.use(use, bounds=bounded(10))


def test_of_equal_worth_the_oldest_leaves_first(place: Place) -> None:
    async def use(store: Store) -> None:
        for n in range(15):
            await store.answers.put_many([full_row(n, worth_usd=0.0)], NOW_S)
        assert await held(store, range(15)) == list(range(5, 15))

    place.use(use, bounds=bounded(10))


def test_what_was_dear_and_is_not_used_any_more_leaves_in_the_end(place: Place) -> None:
    async def use(store: Store) -> None:
        await store.answers.put_many([full_row(0, worth_usd=0.02)], NOW_S)
        for n in range(1, 60):
            await store.answers.put_many([full_row(n, worth_usd=0.01)], NOW_S)
        assert await held(store, range(1)) == []
        assert (await store.answers.stats()).age > 0

    place.use(use, bounds=bounded(5))


def test_what_is_used_stays(place: Place) -> None:
    async def use(store: Store) -> None:
        await store.answers.put_many([full_row(n) for n in range(10)], NOW_S)
        assert await store.answers.get(key(0), NOW_S) is not None
        store.answers.note_use(key(3), 2)
        await store.answers.maintain(NOW_S)
        await store.answers.put_many([full_row(n) for n in range(10, 18)], NOW_S)
        assert await held(store, range(10)) == [0, 3]

    place.use(use, bounds=bounded(10))


def test_a_bound_that_was_lowered_is_kept_after_some_upkeep(place: Place) -> None:
    place.use(lambda store: store.answers.put_many([full_row(n) for n in range(300)], NOW_S))

    async def use(store: Store) -> None:
        while await store.answers.maintain(NOW_S):
            pass
        stats = await store.answers.stats()
        assert stats.bytes <= bounded(7).bytes_max
        assert stats.entries == 7

    place.use(use, bounds=bounded(7))


def test_a_row_larger_than_the_bound_does_not_stay(place: Place) -> None:
    async def use(store: Store) -> None:
        await store.answers.put_many([row(1, value=bytes(100_000))], NOW_S)
        assert (await store.answers.stats()).bytes == 0
        await store.answers.put_many([full_row(2)], NOW_S)
        assert await held(store, range(3)) == [2]

    place.use(use, bounds=bounded(3))


def test_the_top_are_those_that_saved_most(place: Place) -> None:
    async def use(store: Store) -> None:
        answers = store.answers
        rows = [row(n, worth_usd=n / 10) for n in range(6)]
        await answers.put_many([*rows, row(6, worth_usd=9.0, expires_s=NOW_S + 1)], NOW_S)
        for number, times in {1: 8, 2: 1, 4: 1, 0: 50, 6: 1}.items():
            answers.note_use(key(number), times)
        await answers.maintain(NOW_S)
        top = await answers.top(10, NOW_S + 2)
        assert [each.key for each in top] == [key(1), key(4), key(2)]
        assert [each.saved_usd for each in top] == pytest.approx([0.8, 0.4, 0.2])
        assert [each.key for each in await answers.top(1, NOW_S)] == [key(6)]

    place.use(use)


def test_what_an_answer_has_saved_outlives_its_replacement(place: Place) -> None:
    async def use(store: Store) -> None:
        await store.answers.put_many([row(1)], NOW_S)
        store.answers.note_use(key(1), 5)
        await store.answers.maintain(NOW_S)
        await store.answers.put_many([row(1, value=b"fresh")], NOW_S)
        assert [each.saved_usd for each in await store.answers.top(5, NOW_S)] == [
            pytest.approx(0.05)
        ]

    place.use(use)


def test_totals_are_exact_whatever_is_done(place: Place) -> None:
    async def use(store: Store) -> None:
        answers = store.answers
        await answers.put_many([row(n, value=bytes(n)) for n in range(50)], NOW_S)
        await answers.put_many([row(n, value=bytes(3)) for n in range(40, 60)], NOW_S)
        await answers.remove([key(0), key(1)])
        await answers.purge("tenant:t0")
        stats = await answers.stats()
        values = await answers.get_many([key(n) for n in range(60)], NOW_S)
        assert stats.entries == len(values)
        assert stats.bytes == sum(len(v) + ROW_OVERHEAD_BYTES for v in values.values())

    place.use(use)


HOSTILE_KEYS = (b"\x00", b"\x00" * 32, b"'; DROP TABLE headrace_answers; --", bytes(range(256)))


@pytest.mark.parametrize("hostile", HOSTILE_KEYS, ids=lambda k: f"{k[:6]!r}")
def test_any_bytes_are_a_key_and_a_value(place: Place, hostile: bytes) -> None:
    async def use(store: Store) -> None:
        await store.answers.put_many([row(1, key=hostile, value=hostile)], NOW_S)
        assert await store.answers.get(hostile, NOW_S) == hostile
        assert await store.answers.purge(f"key:{hostile.hex()}") == 1

    place.use(use)


def test_what_cannot_be_held_is_left_out_and_the_rest_is_held(place: Place) -> None:
    async def use(store: Store) -> None:
        too_long = bytes(KEY_BYTES_MAX + 1)
        rows = [
            row(1, key=b""),
            row(2, key=too_long),
            row(3, expires_s=math.nan),
            row(4, expires_s=NOW_S),
            row(5, worth_usd=math.nan),
            row(6, worth_usd=-math.inf),
            row(7, worth_usd=math.inf),
            row(8, expires_s=math.inf),
            row(9, value=b""),
        ]
        assert await store.answers.put_many(rows, NOW_S) == 5
        assert await held(store, range(10)) == [5, 6, 7, 8, 9]
        assert await store.answers.get(too_long, NOW_S) is None
        assert await store.answers.get(b"", NOW_S) is None
        assert await store.answers.remove([too_long, b""]) == 0

    place.use(use)


def test_any_text_is_a_scope(place: Place) -> None:
    async def use(store: Store) -> None:
        scopes = (
            "tag:",
            "tag:\x00",
            "tag:\ud800",
            "tag:" + "x" * 100_000,
            "tag:'; --",
            "tag:'; --",
        )
        await store.answers.put_many([row(n, scopes=scopes) for n in range(2)], NOW_S)
        for scope in scopes[:-1]:
            await store.answers.put_many([row(9, scopes=(scope,))], NOW_S)
            assert await store.answers.purge(scope) >= 1
        assert (await store.answers.stats()).entries == 0

    place.use(use)


def test_a_large_value_comes_back_whole(place: Place) -> None:
    value = bytes(range(256)) * 65_536

    async def use(store: Store) -> None:
        await store.answers.put_many([row(1, value=value), row(2)], NOW_S)
        assert await store.answers.get(key(1), NOW_S) == value

    place.use(use)


def test_nothing_is_asked_of_nothing(place: Place) -> None:
    async def use(store: Store) -> None:
        assert await store.answers.put_many([], NOW_S) == 0
        assert await store.answers.remove([]) == 0
        assert await store.answers.get_many([], NOW_S) == {}
        assert await store.answers.top(5, NOW_S) == []
        assert await store.answers.maintain(NOW_S) == 0

    place.use(use)
