"""Where the server lost its memory, nothing purged comes to life while anybody knows of it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.purges import listener, until
from tests.support.valkey import Valkey, way_to

from headrace.cache.purges import ALL, number_at
from headrace.clock import ManualClock, SystemClock

TAGGED = ("tenant:app", "tag:a")


@contextmanager
def restarted(valkey: Valkey) -> Iterator[None]:
    valkey.kill()
    yield
    valkey.start()


def test_a_restart_empty(mortal: Valkey) -> None:
    async def run() -> None:
        async with listener(mortal.url) as one, listener(mortal.url) as other:
            await one.connected()
            await other.connected()
            stamp = one.ledger.latest
            number = await one.purges.publish("tag:a")
            assert number is not None
            await other.knows("tag:a", number)
            with restarted(mortal):
                await one.cut_off()
                await other.cut_off()
            await one.connected()
            await other.connected()
            assert not one.ledger.is_valid(stamp, TAGGED)
            assert one.ledger.is_valid(stamp, ("tag:b",))  # and nothing else was lost
            after = await other.purges.publish("tag:b")
            assert after is not None
            assert after > number
            async with listener(mortal.url) as later:
                await later.connected()
                assert later.ledger.told() == {"tag:a": number, "tag:b": after}

    asyncio.run(run())


def test_one_who_missed_it_hears_of_it_from_one_who_knows(mortal: Valkey) -> None:
    async def run() -> None:
        async with (
            way_to(mortal) as way,
            listener(mortal.url) as knows,
            listener(way.url) as missed,
        ):
            await knows.connected()
            await missed.connected()
            stamp = missed.ledger.latest
            await way.cut()
            await missed.cut_off()
            assert await knows.purges.publish("tag:a") is not None
            with restarted(mortal):
                await knows.cut_off()
            await way.open()
            await missed.connected()
            await until(lambda: not missed.ledger.is_valid(stamp, TAGGED))
            assert missed.ledger.is_valid(missed.ledger.latest, TAGGED)
            assert missed.ledger.is_valid(stamp, ("tag:b",))

    asyncio.run(run())


def test_one_who_missed_it_and_was_away_for_long_drops_everything(mortal: Valkey) -> None:
    clock = ManualClock()

    async def run() -> None:
        async with way_to(mortal) as way, listener(way.url, clock=clock) as missed:
            await missed.connected()
            stamp = missed.ledger.latest
            await way.cut()
            clock.advance(60)  # before it is known that nobody listens there any more
            async with listener(mortal.url) as knows:
                await knows.connected()
                assert await knows.purges.publish("tag:a") is not None
            with restarted(mortal):
                pass
            await way.open()
            await until(lambda: len(missed.states) >= 3)
            assert not missed.ledger.is_valid(stamp, TAGGED)
            assert not missed.ledger.is_valid(stamp, ())
            assert ALL in missed.told
            assert missed.ledger.is_valid(missed.ledger.latest, TAGGED)
            assert ALL not in missed.ledger.told()  # nobody else has to

    asyncio.run(run())


def test_however_long_there_was_no_server_nothing_else_is_dropped(mortal: Valkey) -> None:
    clock = ManualClock()

    async def run() -> None:
        async with listener(mortal.url, clock=clock) as one:
            await one.connected()
            stamp = one.ledger.latest
            number = await one.purges.publish("tag:a")
            with restarted(mortal):
                await until(lambda: one.tries >= 3)
                clock.advance(3000)
            await one.connected()
            assert one.ledger.told() == {"tag:a": number}
            assert not one.ledger.is_valid(stamp, TAGGED)
            assert one.ledger.is_valid(stamp, ("tag:b",))

    asyncio.run(run())


def test_emptied_while_everybody_listens(valkey: Valkey) -> None:
    async def run() -> None:
        async with listener(valkey.url) as one, listener(valkey.url) as other:
            await one.connected()
            await other.connected()
            number = await one.purges.publish("tag:a")
            assert number is not None
            await other.knows("tag:a", number)
            valkey.command("FLUSHALL")
            await until(lambda: valkey.command("ZSCORE", "test/purges", "tag:a"))
            valkey.command("FLUSHALL")
            after = await other.purges.publish("tag:b")
            assert after is not None
            assert after > number
            await one.knows("tag:b", after)
            await until(lambda: valkey.command("ZSCORE", "test/purges", "tag:a"))
            told = {"tag:a": number, "tag:b": after}
            assert one.ledger.told() == other.ledger.told() == told
            assert ALL not in one.told + other.told

    asyncio.run(run())


def test_numbers_that_went_back_go_on_from_where_they_were(valkey: Valkey) -> None:
    """As after a restart with a file from before."""

    async def run() -> None:
        async with listener(valkey.url) as one:
            await one.connected()
            old = await one.purges.publish("tag:old")
            assert old is not None
            kept = valkey.command("DUMP", "test/purges")
            number = await one.purges.publish("tag:a")
            assert number is not None
            valkey.command("RESTORE", "test/purges", 0, kept, "REPLACE")
            await until(lambda: valkey.command("ZSCORE", "test/purges", "tag:a"))
            async with listener(valkey.url) as later:
                await later.connected()
                assert later.ledger.told() == {"tag:old": old, "tag:a": number}
                assert later.ledger.latest >= number

    asyncio.run(run())


def test_numbers_and_clock_that_went_back_drop_everything(valkey: Valkey) -> None:
    """What was numbered since cannot be told from what was numbered before."""
    ahead = number_at(SystemClock().wall_s() + 1e6)

    async def run() -> None:
        async with listener(valkey.url) as here:
            await here.connected()
            async with listener(valkey.url, is_following=False) as came:
                came.ledger.apply("tag:a", ahead)
                came.follow()
                await came.connected()
                assert came.ledger.latest > ahead
                assert not came.ledger.is_valid(ahead, ())
                await until(lambda: ALL in here.told)
                number = await here.purges.publish("tag:b")
                assert number is not None
                assert number > came.ledger.told()[ALL] > ahead

    asyncio.run(run())


def test_a_memory_without_age_is_another_one(valkey: Valkey) -> None:
    async def run() -> None:
        async with listener(valkey.url) as one:
            await one.connected()
            number = await one.purges.publish("tag:a")
            assert number is not None
            valkey.command("ZREM", "test/purges", "#age", "tag:a")
            async with listener(valkey.url) as later:
                await later.knows("tag:a", number)

    asyncio.run(run())


@pytest.mark.parametrize("member", ["#last", "tag:b"])
def test_a_memory_that_makes_no_sense_is_asked_for_until_it_does(
    valkey: Valkey, member: str
) -> None:
    async def run() -> None:
        async with listener(valkey.url) as one:
            await one.connected()
            valkey.command("ZADD", "test/purges", "+inf", member)
            valkey.command("CLIENT", "KILL", "TYPE", "pubsub")
            await one.cut_off()
            tries = one.tries
            await until(lambda: one.tries > tries + 2)  # it goes on asking
            assert not one.is_connected
            stamp = one.ledger.latest
            assert member == "tag:b" or await one.purges.publish("tag:a") is None
            valkey.command("DEL", "test/purges")
            await one.connected()
            assert member == "tag:b" or not one.ledger.is_valid(stamp, TAGGED)
            assert one.ledger.is_valid(stamp, ("tag:c",))

    asyncio.run(run())
