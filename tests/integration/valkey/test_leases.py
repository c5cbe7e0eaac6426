"""One process among many asks for an answer."""

import asyncio

from tests.support.tiers import FAR_S, valkey_tier
from tests.support.valkey import Valkey, way_to

from headrace.cache.tier import Item

KEY = b"k" * 20


def test_one_of_many_gets_it(valkey: Valkey) -> None:
    async def run() -> None:
        async with valkey_tier(valkey.url) as one, valkey_tier(valkey.url) as other:
            tries = [tier.try_lease(KEY, 60.0) for tier in (one, other) * 10]
            tokens = [token for token in await asyncio.gather(*tries) if token is not None]
            assert len(tokens) == 1
            assert await other.try_lease(b"another key", 60.0) is not None

    asyncio.run(run())


def test_whoever_holds_it_gives_it_back_and_nobody_else(valkey: Valkey) -> None:
    async def run() -> None:
        async with valkey_tier(valkey.url) as one, valkey_tier(valkey.url) as other:
            token = await one.try_lease(KEY, 60.0)
            assert token is not None
            assert not await other.release(KEY, b"guessed")
            assert await other.try_lease(KEY, 60.0) is None
            assert await one.release(KEY, token)
            assert not await one.release(KEY, token)
            taken = await other.try_lease(KEY, 60.0)
            assert taken is not None
            assert not await one.release(KEY, token)  # late: it is another's by now
            assert await one.try_lease(KEY, 60.0) is None

    asyncio.run(run())


def test_it_ends_by_itself(valkey: Valkey) -> None:
    async def run() -> None:
        async with valkey_tier(valkey.url) as tier:
            assert await tier.try_lease(KEY, 60.0) is not None
            assert 30_000 < valkey.command("PTTL", b"test/lease:" + KEY) <= 60_000
            assert await tier.try_lease(b"soon", 0.0) is not None  # a millisecond at least
            while await tier.try_lease(b"soon", 60.0) is None:
                pass

    asyncio.run(run())


def test_it_has_nothing_to_do_with_the_value(valkey: Valkey) -> None:
    async def run() -> None:
        async with valkey_tier(valkey.url) as tier:
            assert await tier.try_lease(KEY, 60.0) is not None
            assert await tier.get(KEY) is None
            await tier.put([Item(KEY, b"v", FAR_S), Item(b"lease:" + KEY, b"w", FAR_S)])
            assert await tier.try_lease(KEY, 60.0) is None
            assert await tier.get(KEY) == b"v"
            await tier.remove([KEY])
            assert await tier.try_lease(KEY, 60.0) is None

    asyncio.run(run())


def test_one_whose_answer_was_lost_is_still_ones_own(valkey: Valkey) -> None:
    """The command is sent again where a connection breaks; it must not find itself in the way."""

    async def run() -> None:
        async with way_to(valkey) as way, valkey_tier(way.url) as tier:
            assert await tier.get(KEY) is None  # so that the connection is one that was open
            way.answers_to_lose = 1
            assert await tier.try_lease(KEY, 60.0) is not None
            assert way.answers_to_lose == 0
            assert await tier.try_lease(KEY, 60.0) is None

    asyncio.run(run())


def test_it_can_be_held_for_longer_by_whoever_holds_it(valkey: Valkey) -> None:
    async def run() -> None:
        async with valkey_tier(valkey.url) as one, valkey_tier(valkey.url) as other:
            held = {}
            for number in range(100):
                key = b"%020d" % number
                token = await (one if number else other).try_lease(key, 10.0)
                assert token is not None
                held[key] = token if number else b"guessed"
            await one.renew({**held, b"nobody's": b"token"}, 60.0)
            left_ms = [valkey.command("PTTL", b"test/lease:" + key) for key in held]
            assert left_ms[0] <= 10_000
            assert min(left_ms[1:]) > 50_000
            assert valkey.command("EXISTS", b"test/lease:nobody's") == 0

    asyncio.run(run())
