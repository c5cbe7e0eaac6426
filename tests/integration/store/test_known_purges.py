"""The copy of what a shared server knows of purges: the newest of each scope, and its end."""

import asyncio

import pytest
from tests.support.stores import Place

from headrace.store.store import Store

pytestmark = pytest.mark.heavy_on_postgresql

HOSTILE = ("tag:" + "x" * 100_000, "tag:\ud800", "tag:\x00", "key:", "tag:'; --", "#other")


def test_nothing_is_known_at_first(place: Place) -> None:
    async def use(store: Store) -> None:
        assert await store.known_purges.read() == ({}, 0)

    place.use(use)


def test_the_newest_of_each_scope_is_kept(place: Place) -> None:
    async def use(store: Store) -> None:
        known = store.known_purges
        await known.note({"tag:a": 50, "tag:b": 60}, 60, outlived=0)
        await known.note({"tag:a": 40, "tag:b": 70, "tag:c": 65}, 55, outlived=0)
        assert await known.read() == ({"tag:a": 50, "tag:b": 70, "tag:c": 65}, 60)

    place.use(use)


def test_what_is_outlived_goes_and_the_last_number_stays(place: Place) -> None:
    async def use(store: Store) -> None:
        known = store.known_purges
        await known.note({"tag:a": 50, "tag:b": 60}, 60, outlived=0)
        await known.note({}, 60, outlived=50)
        assert await known.read() == ({"tag:b": 60}, 60)
        await known.note({}, 61, outlived=1000)
        assert await known.read() == ({}, 61)

    place.use(use)


@pytest.mark.parametrize("scope", HOSTILE, ids=range(len(HOSTILE)))
def test_any_scope_can_be_kept(place: Place, scope: str) -> None:
    async def use(store: Store) -> None:
        await store.known_purges.note({scope: 7}, 9, outlived=0)
        assert await store.known_purges.read() == ({scope: 7}, 9)

    place.use(use)


def test_several_processes_may_write_at_once(place: Place) -> None:
    async def use(first: Store) -> None:
        async with place.opened() as second:
            await asyncio.gather(first.ready(), second.ready())
            await asyncio.gather(
                *(
                    store.known_purges.note({f"tag:{n}": n, "all": n}, n, outlived=0)
                    for n in range(1, 30)
                    for store in (first, second)
                )
            )
            purges, last = await second.known_purges.read()
        assert (purges["all"], last) == (29, 29)
        assert len(purges) == 30

    place.use(use)
