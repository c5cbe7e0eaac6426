"""Purges reach everybody, through a real server and whatever becomes of it."""

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise

import pytest
from tests.support.adapter import Loop
from tests.support.purges import listener, until
from tests.support.valkey import Valkey, way_to

from headrace.cache.purges import ALL, NUMBER_STEP, number_at
from headrace.clock import ManualClock, SystemClock

TAGGED = ("tenant:app", "tag:a")


def test_a_purge_reaches_all_who_listen(valkey: Valkey, loop: Loop) -> None:
    async def run() -> None:
        async with listener(valkey.url) as one, listener(valkey.url) as other:
            await one.connected()
            await other.connected()
            before = other.ledger.latest
            began = number_at(SystemClock().wall_s())
            number = await one.purges.publish("tag:a")
            assert number is not None
            assert number > before
            assert abs(number - began) < 60e6
            assert not one.ledger.is_valid(before, TAGGED)
            await other.knows("tag:a", number)
            assert not other.ledger.is_valid(before, TAGGED)
            assert other.ledger.is_valid(before, ("tag:b",))
            assert other.ledger.is_valid(number, TAGGED)
            assert other.told == ["tag:a"]
            assert set(one.told) == {"tag:a"}
            assert other.states == [(True, "purges of others are heard")]

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


def test_numbers_stand_in_one_order(valkey: Valkey) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            nodes = [await stack.enter_async_context(listener(valkey.url)) for _ in range(3)]
            for node in nodes:
                await node.connected()
            scopes = [f"tag:{number}" for number in range(30)]
            numbers = await asyncio.gather(
                *(nodes[place % 3].purges.publish(scope) for place, scope in enumerate(scopes))
            )
            ordered = sorted(number for number in numbers if number is not None)
            assert len(ordered) == len(scopes)
            gaps = [after - before for before, after in pairwise(ordered)]
            assert min(gaps) >= NUMBER_STEP
            expected = dict(zip(scopes, numbers, strict=True))
            for node in nodes:
                await until(lambda node=node: node.ledger.told() == expected)

    asyncio.run(run())


def test_who_comes_later_knows_what_was_purged_before(valkey: Valkey) -> None:
    async def run() -> None:
        async with listener(valkey.url) as one:
            await one.connected()
            numbers = [await one.purges.publish(scope) for scope in ("tag:a", "tag:b")]
            async with listener(valkey.url) as later:
                await later.connected()
                assert list(later.ledger.told().values()) == numbers
                assert later.ledger.latest == numbers[1]
                assert later.told == ["tag:a", "tag:b"]

    asyncio.run(run())


def test_what_was_missed_while_cut_off_is_caught_up(valkey: Valkey) -> None:
    async def run() -> None:
        async with (
            way_to(valkey) as way,
            listener(valkey.url) as one,
            listener(way.url) as other,
        ):
            await one.connected()
            await other.connected()
            known = await one.purges.publish("tag:known")
            assert known is not None
            await other.knows("tag:known", known)
            await way.cut()
            await other.cut_off()
            before = other.ledger.latest
            number = await one.purges.publish("tag:a")
            assert number is not None
            assert other.ledger.is_valid(before, TAGGED)
            await way.open()
            await other.connected()
            assert other.ledger.told()["tag:a"] == number
            assert not other.ledger.is_valid(before, TAGGED)
            assert other.told == ["tag:known", "tag:a"]  # and what it knew is not told again
            assert [is_up for is_up, _ in other.states] == [True, False, True]
            assert other.states[1][1].startswith(f"127.0.0.1:{way.port} ")

    asyncio.run(run())


def test_what_was_forgotten_for_its_age_is_not_purged_again(valkey: Valkey) -> None:
    clock = ManualClock()

    async def run() -> None:
        async with way_to(valkey) as way, listener(way.url, clock=clock) as one:
            await one.connected()
            await one.purges.publish("tag:old")
            clock.advance(4000)  # longer than any answer is kept
            number = await one.purges.publish("tag:a")
            await until(lambda: one.ledger.told() == {"tag:a": number})
            told = list(one.told)
            await way.cut()
            await one.cut_off()
            await way.open()
            await one.connected()
            assert one.told == told
            assert one.ledger.told() == {"tag:a": number}

    asyncio.run(run())


def test_a_message_that_was_lost_is_missed_at_the_next(valkey: Valkey) -> None:
    async def run() -> None:
        async with (
            listener(valkey.url) as one,
            listener(valkey.url, heartbeat_s=3600.0) as other,
        ):
            await one.connected()
            await other.connected()
            lost = await publish_unheard(valkey, other.ledger.latest, "tag:lost")
            number = await one.purges.publish("tag:a")
            assert number is not None
            await other.knows("tag:a", number)
            assert other.ledger.told()["tag:lost"] == lost
            assert sorted(other.told) == ["tag:a", "tag:lost"]

    asyncio.run(run())


def test_a_message_that_was_lost_is_missed_in_silence(valkey: Valkey) -> None:
    async def run() -> None:
        async with listener(valkey.url, heartbeat_s=0.02) as one:
            await one.connected()
            lost = await publish_unheard(valkey, one.ledger.latest, "tag:lost")
            await one.knows("tag:lost", lost)
            assert one.told == ["tag:lost"]
            assert len(one.states) == 1

    asyncio.run(run())


async def publish_unheard(valkey: Valkey, latest: int, scope: str) -> int:
    """A purge that is told to nobody."""
    number = latest + NUMBER_STEP
    valkey.command("ZADD", "test/purges", number, scope, number, "#last")
    return number


@pytest.mark.parametrize(
    "message",
    [b"", b"what", b"1 2 3", b"x y []", b"9 8 {}[]", b'9 8 {"tag:a": "x"}', b"\xff\x00", b"1 2 7"],
)
def test_a_message_that_is_none_harms_nobody(valkey: Valkey, message: bytes) -> None:
    async def run() -> None:
        async with listener(valkey.url) as one:
            await one.connected()
            await one.purges.publish("tag:a")
            told = one.ledger.told()
            valkey.command("PUBLISH", "test/purges", message)
            number = await one.purges.publish("tag:b")
            assert number is not None
            await until(lambda: one.ledger.latest >= number)
            assert one.ledger.told() == {**told, "tag:b": number}
            assert len(one.states) == 1

    asyncio.run(run())


def test_who_is_not_told_apart_by_prefix_does_not_hear(valkey: Valkey) -> None:
    async def run() -> None:
        async with listener(valkey.url) as one, listener(valkey.url, prefix="other") as other:
            await one.connected()
            await other.connected()
            await one.purges.publish(ALL)
            assert await other.purges.publish("tag:b") is not None
            await until(other.ledger.told)
            assert set(other.ledger.told()) == {"tag:b"}

    asyncio.run(run())


def test_the_servers_map_is_bounded(valkey: Valkey) -> None:
    async def run() -> None:
        async with listener(valkey.url, scopes_max=5) as one:
            await one.connected()
            began = one.ledger.latest
            numbers = [await one.purges.publish(f"tag:{place}") for place in range(12)]
            assert valkey.command("ZCARD", "test/purges") <= 5 + 2
            assert ALL not in one.ledger.told()
            async with listener(valkey.url, scopes_max=5) as later:
                await later.connected()
                told = later.ledger.told()
                assert told["tag:11"] == numbers[11]
                for place, number in enumerate(numbers):
                    assert number is not None
                    scopes = (f"tag:{place}",)
                    assert not later.ledger.is_valid(number - NUMBER_STEP, scopes)
                    assert not later.ledger.is_valid(began, scopes)
                assert later.ledger.is_valid(later.ledger.latest, ("tag:0",))

    asyncio.run(run())


def test_what_is_no_scope_is_refused(valkey: Valkey) -> None:
    async def run() -> None:
        async with listener(valkey.url) as one:
            await one.connected()
            for scope in ("", "#last", "tag:\ud800"):
                with pytest.raises(ValueError, match=r"is no scope|surrogates"):
                    await one.purges.publish(scope)
            assert one.told == []
            for scope in ("tag:a b\r\n\x00'\"", "message", "tag:ä", "tag:" + "x" * 100_000):
                number = await one.purges.publish(scope)
                assert number is not None
                async with listener(valkey.url) as later:
                    await later.connected()
                    assert later.ledger.told()[scope] == number

    asyncio.run(run())


def test_two_that_are_cut_off_in_turn_come_to_know_the_same(valkey: Valkey) -> None:
    async def run() -> None:
        async with (
            way_to(valkey) as first,
            way_to(valkey) as second,
            listener(first.url) as one,
            listener(second.url) as other,
        ):
            await one.connected()
            await other.connected()
            for turn in range(6):
                way, node = ((first, one), (second, other))[turn % 2]
                await way.cut()
                for place in range(4):
                    await one.purges.publish(f"tag:{turn}.{place}.one")
                    await other.purges.publish(f"tag:{turn}.{place}.other")
                await way.open()
                await until(lambda node=node: node.purges.is_connected)
            for node in (one, other):
                await until(lambda node=node: len(node.ledger.told()) == 48)
            await until(lambda: one.ledger.told() == other.ledger.told())
            latest = max(one.ledger.told().values())
            for node in (one, other):
                await until(lambda node=node: node.ledger.is_valid(node.ledger.latest, TAGGED))
                for scope, number in node.ledger.told().items():
                    assert not node.ledger.is_valid(number - 1, (scope,))
                assert node.ledger.latest >= latest

    asyncio.run(run())
