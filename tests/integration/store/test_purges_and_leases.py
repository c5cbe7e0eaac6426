"""The outbox of purges and the leases, in SQLite and in PostgreSQL."""

import asyncio

import pytest
from tests.support.stores import NOW_S, Place
from tests.support.waiting import eventually

from headrace.store.leases import LEASE_S_MAX
from headrace.store.purges import FORGOTTEN_AT_ONCE_MAX
from headrace.store.rows import Purge
from headrace.store.store import Store

pytestmark = pytest.mark.heavy_on_postgresql

HOSTILE = ("tag:", "tag:\x00", "tag:\ud800", "tag:" + "x" * 100_000, "tag:'; --", "tag:ä☃")


def test_purges_come_in_order_after_a_number(place: Place) -> None:
    async def use(store: Store) -> None:
        start = (await store.purges.since(None)).latest
        seqs = [await store.purges.publish(f"tag:{n}", NOW_S + n) for n in range(5)]
        assert seqs == list(range(start + 1, start + 6))
        purges = await store.purges.since(seqs[2])
        assert purges.is_complete
        assert purges.latest == seqs[4]
        assert purges.purges == (
            Purge(seqs[3], "tag:3", NOW_S + 3),
            Purge(seqs[4], "tag:4", NOW_S + 4),
        )
        assert (await store.purges.since(seqs[4])).purges == ()

    place.use(use)


def test_who_knows_nothing_yet_gets_all_that_are_kept(place: Place) -> None:
    async def use(store: Store) -> None:
        seqs = [await store.purges.publish(f"tag:{n}", NOW_S + n) for n in range(4)]
        await store.purges.forget(NOW_S + 1)
        purges = await store.purges.since(None)
        assert purges.is_complete
        assert [each.seq for each in purges.purges] == seqs[2:]
        assert (purges.forgotten, purges.latest) == (seqs[1], seqs[3])

    place.use(use)


def test_who_knows_less_than_is_kept_is_told_so(place: Place) -> None:
    async def use(store: Store) -> None:
        seqs = [await store.purges.publish("all", NOW_S + n) for n in range(4)]
        await store.purges.forget(NOW_S + 1)
        await store.purges.forget(NOW_S - 1)
        assert (await store.purges.since(seqs[1])).is_complete
        assert not (await store.purges.since(seqs[0])).is_complete
        assert not (await store.purges.since(0)).is_complete
        assert not (await store.purges.since(seqs[3] + 1)).is_complete

    place.use(use)


def test_purges_are_forgotten_some_at_a_time(place: Place) -> None:
    async def use(store: Store) -> None:
        seqs: list[int] = []
        while len(seqs) < FORGOTTEN_AT_ONCE_MAX + 5:
            at_once = (store.purges.publish("all", NOW_S) for _ in range(15))
            seqs += await asyncio.gather(*at_once)
        young = await store.purges.publish("all", NOW_S + 2)
        forgotten = [await store.purges.forget(NOW_S + 1) for _ in range(3)]
        assert forgotten == [FORGOTTEN_AT_ONCE_MAX, 5, 0]
        purges = await store.purges.since(None)
        assert (purges.forgotten, purges.latest) == (max(seqs), young)

    place.use(use)


def test_more_purges_than_a_page_are_all_told(place: Place) -> None:
    async def use(store: Store) -> None:
        start = (await store.purges.since(None)).latest
        for first in range(0, 1050, 25):
            await asyncio.gather(
                *(store.purges.publish(f"tag:{first + n}", NOW_S) for n in range(25))
            )
        purges = await store.purges.since(start)
        assert [each.seq for each in purges.purges] == list(range(start + 1, start + 1051))
        assert {each.scope for each in purges.purges} == {f"tag:{n}" for n in range(1050)}

    place.use(use)


@pytest.mark.parametrize("scope", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_can_be_purged(place: Place, scope: str) -> None:
    async def use(store: Store) -> None:
        seq = await store.purges.publish(scope, NOW_S)
        assert (await store.purges.since(seq - 1)).purges == (Purge(seq, scope, NOW_S),)

    place.use(use)


def test_numbers_of_two_stores_are_of_one_sequence(place: Place) -> None:
    async def use(first: Store) -> None:
        async with place.opened() as second:
            await asyncio.gather(first.ready(), second.ready())
            before = (await first.purges.since(None)).latest
            publishing = [
                store.purges.publish("all", NOW_S) for _ in range(20) for store in (first, second)
            ]
            seqs = await asyncio.gather(*publishing)
            assert sorted(seqs) == list(range(before + 1, before + 41))

    place.use(use)


def test_a_purge_of_another_process_is_noticed(place: Place) -> None:
    async def use(store: Store) -> None:
        told: list[int | None] = []
        watch = store.watch_purges(told.append, poll_s=0.02)
        start = (await store.purges.since(None)).latest
        async with place.opened() as other:
            seq = await other.purges.publish("all", NOW_S)
            await until(lambda: told[-1:] == [seq])
            # Who could not read it yet is told once more, though nothing has changed.
            watch.again()
            await until(lambda: told[-2:] == [seq, seq])
            watch.close()
            await other.purges.publish("all", NOW_S)
        assert told in ([start, seq, seq], [seq, seq])

    place.use(use)


async def until(predicate: object) -> None:
    """Wait in a thread, so that the loop goes on."""
    await asyncio.get_running_loop().run_in_executor(None, eventually, predicate)


def test_a_lease_is_one_holders_until_it_is_given_back(place: Place) -> None:
    async def use(store: Store) -> None:
        leases = store.leases
        assert await leases.try_lease(b"work", b"a", 10, NOW_S)
        assert not await leases.try_lease(b"work", b"b", 10, NOW_S)
        assert await leases.try_lease(b"other work", b"b", 10, NOW_S)
        assert not await leases.release(b"work", b"b")
        assert not await leases.try_lease(b"work", b"b", 10, NOW_S)
        assert await leases.release(b"work", b"a")
        assert await leases.try_lease(b"work", b"b", 10, NOW_S)

    place.use(use)


def test_a_lease_ends_by_itself_and_can_be_held_for_longer(place: Place) -> None:
    async def use(store: Store) -> None:
        leases = store.leases
        assert await leases.try_lease(b"work", b"a", 10, NOW_S)
        assert await leases.try_lease(b"work", b"a", 10, NOW_S + 9)
        assert not await leases.try_lease(b"work", b"b", 10, NOW_S + 18)
        assert await leases.try_lease(b"work", b"b", 10, NOW_S + 19)
        assert not await leases.release(b"work", b"a")

    place.use(use)


def test_leases_are_held_for_longer_together(place: Place) -> None:
    async def use(store: Store) -> None:
        leases = store.leases
        names = [b"%d" % number for number in range(300)]
        for name in (names[0], names[150], names[299]):
            assert await leases.try_lease(name, b"a", 10, NOW_S)
        assert await leases.try_lease(b"another's", b"b", 10, NOW_S)
        held = dict.fromkeys([*names, b"another's", b"nobody's"], b"a")
        await leases.extend(held, 10, NOW_S + 9)
        for name in (names[0], names[150], names[299]):
            assert not await leases.try_lease(name, b"c", 10, NOW_S + 18)
            assert await leases.try_lease(name, b"c", 10, NOW_S + 19)
        assert await leases.try_lease(b"another's", b"c", 10, NOW_S + 10)
        assert await leases.try_lease(b"nobody's", b"c", 10, NOW_S + 9)

    place.use(use)


def test_a_lease_is_no_longer_held_when_the_clock_was_set_back(place: Place) -> None:
    async def use(store: Store) -> None:
        leases = store.leases
        assert await leases.try_lease(b"work", b"a", LEASE_S_MAX, NOW_S)
        assert not await leases.try_lease(b"work", b"b", 10, NOW_S)
        assert await leases.try_lease(b"work", b"b", 10, NOW_S - 86_400)

    place.use(use)


def test_of_many_who_want_a_lease_at_once_one_gets_it(place: Place) -> None:
    async def use(first: Store) -> None:
        async with place.opened() as second:
            await asyncio.gather(first.ready(), second.ready())
            wanting = [
                store.leases.try_lease(b"work", b"%d" % n, 10, NOW_S)
                for n, store in enumerate([first, second] * 10)
            ]
            assert sorted(await asyncio.gather(*wanting)) == [False] * 19 + [True]

    place.use(use)


def test_leases_that_nobody_gave_back_are_forgotten(place: Place) -> None:
    async def use(store: Store) -> None:
        for n in range(5):
            await store.leases.try_lease(b"%d" % n, b"a", 10 + n, NOW_S)
        assert await store.leases.expire_batch(NOW_S + 12) == 3
        assert await store.leases.expire_batch(NOW_S + 12) == 0
        assert not await store.leases.try_lease(b"4", b"b", 10, NOW_S + 12)

    place.use(use)


def test_a_name_or_a_time_that_is_too_long_is_refused(place: Place) -> None:
    async def use(store: Store) -> None:
        with pytest.raises(ValueError, match="256"):
            await store.leases.try_lease(bytes(257), b"a", 10, NOW_S)
        with pytest.raises(ValueError, match="600"):
            await store.leases.try_lease(b"work", b"a", LEASE_S_MAX + 1, NOW_S)
        assert await store.leases.try_lease(bytes(256), b"\x00", 10, NOW_S)

    place.use(use)
