"""Where the server is not there, a purge is in force here, and elsewhere as soon as it can be."""

import asyncio
from pathlib import Path

import pytest
from tests.support.purges import listener, until
from tests.support.valkey import Valkey, way_to

TAGGED = ("tenant:app", "tag:a")


def test_down_at_start(tmp_path: Path) -> None:
    valkey = Valkey(tmp_path)

    async def run() -> None:
        async with listener(valkey.url) as one:
            await one.cut_off()
            before = one.ledger.latest
            assert await one.purges.publish("tag:a") is None
            assert not one.ledger.is_valid(before, TAGGED)
            assert not one.ledger.is_valid(one.ledger.latest, TAGGED)
            assert one.ledger.is_valid(before, ("tag:b",))
            with valkey:
                await one.connected()
                await until(lambda: "tag:a" in one.ledger.told())
                assert not one.ledger.is_valid(before, TAGGED)
                assert one.ledger.is_valid(one.ledger.latest, TAGGED)
                async with listener(valkey.url) as later:
                    await later.connected()
                    assert "tag:a" in later.ledger.told()
            assert one.states[0] == (False, f"nobody listens at 127.0.0.1:{valkey.port}")
            assert [is_up for is_up, _ in one.states[:2]] == [False, True]

    asyncio.run(run())


def test_a_purge_while_cut_off_reaches_the_others_later(valkey: Valkey) -> None:
    async def run() -> None:
        async with (
            way_to(valkey) as way,
            listener(way.url) as one,
            listener(valkey.url) as other,
        ):
            await one.connected()
            await other.connected()
            await way.cut()
            await one.cut_off()
            meanwhile = await other.purges.publish("tag:b")
            assert meanwhile is not None
            assert await one.purges.publish("tag:a") is None
            assert await one.purges.publish("tag:a") is None
            assert "tag:a" not in other.told
            await way.open()
            await until(lambda: "tag:a" in other.ledger.told())
            number = other.ledger.told()["tag:a"]
            assert number > meanwhile  # what was answered before it, anywhere, is purged
            await one.knows("tag:a", number)
            await until(lambda: one.ledger.is_valid(one.ledger.latest, TAGGED))
            assert other.told.count("tag:a") == 1

    asyncio.run(run())


def test_one_that_nobody_could_number_yet_is_told_by_the_feed(valkey: Valkey) -> None:
    """Only the feed's connection works: the purge does not wait for the next reconnect."""

    async def run() -> None:
        async with way_to(valkey) as way, listener(way.url) as one:
            await one.connected()
            way.answers_to_lose = 2  # the one asked for, and the same once more
            await one.purges.publish("tag:a")
            await until(lambda: one.ledger.told().get("tag:a"))
            await until(lambda: one.ledger.is_valid(one.ledger.latest, TAGGED))

    asyncio.run(run())


def test_who_gives_up_waiting_has_purged_all_the_same(valkey: Valkey) -> None:
    async def run() -> None:
        async with way_to(valkey) as way, listener(way.url) as one:
            await one.connected()
            way.delay_s = 0.3
            asked = asyncio.ensure_future(one.purges.publish("tag:a"))
            await asyncio.sleep(0)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert not one.ledger.is_valid(one.ledger.latest, TAGGED)
            way.delay_s = 0.0
            await until(lambda: one.ledger.told().get("tag:a"))

    asyncio.run(run())


def test_a_server_that_stands_still_is_noticed(valkey: Valkey) -> None:
    async def run() -> None:
        async with listener(valkey.url, timeout_s=0.4) as one:
            await one.connected()
            valkey.command("CLIENT", "PAUSE", 2000, "ALL")
            await one.cut_off()
            assert "did not answer in time" in one.states[1][1]
            await one.connected()
            assert len(one.states) == 3

    asyncio.run(run())


@pytest.mark.heavy
def test_a_slow_server_is_heard_all_the_same(valkey: Valkey) -> None:
    async def run() -> None:
        async with (
            way_to(valkey) as way,
            listener(way.url) as one,
            listener(valkey.url) as other,
        ):
            way.delay_s = 0.2
            await one.connected()
            await other.connected()
            number = await other.purges.publish("tag:a")
            assert number is not None
            await one.knows("tag:a", number)
            assert len(one.states) == 1

    asyncio.run(run())


def test_a_full_server_still_takes_purges(tmp_path: Path) -> None:
    async def run(valkey: Valkey) -> None:
        async with listener(valkey.url) as one, listener(valkey.url) as other:
            await one.connected()
            await other.connected()
            with valkey.client() as client:
                for place in range(5):
                    client.set(f"filler{place}", bytes(900_000))
            valkey.command("CONFIG", "SET", "maxmemory", 1_000_000)
            number = await one.purges.publish("tag:a")
            assert number is not None
            await other.knows("tag:a", number)
            async with listener(valkey.url) as later:
                await later.connected()
                assert later.ledger.told() == {"tag:a": number}

    with Valkey(tmp_path, maxmemory_policy="noeviction") as valkey:
        asyncio.run(run(valkey))
