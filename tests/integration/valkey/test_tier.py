"""The shared tier against a real server."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme
from tests.support.adapter import Loop
from tests.support.tiers import FAR_S, valkey_tier
from tests.support.valkey import Valkey, way_to

from headrace.cache.tier import Item, TierFault
from headrace.clock import SystemClock

KEY = b"\x00\r\n $\xff" + b"k" * 14


def test_what_is_put_is_found_until_it_is_removed(valkey: Valkey, loop: Loop) -> None:
    values = {b"a" * 20: b"", KEY: bytes(range(256)), b"c" * 20: b"x" * 300_000}

    async def run() -> None:
        async with valkey_tier(valkey.url) as tier:
            assert await tier.get(KEY) is None
            await tier.put([Item(key, value, FAR_S) for key, value in values.items()])
            for key, value in values.items():
                assert await tier.get(key) == value
            await tier.put([Item(KEY, b"new", FAR_S)])
            assert await tier.get(KEY) == b"new"
            await tier.remove([KEY, b"never there"])
            assert [await tier.get(key) for key in values] == [b"", None, b"x" * 300_000]
            await tier.put([])
            await tier.remove([])

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


def test_keys_stand_under_the_prefix_and_expire_at_their_time(valkey: Valkey) -> None:
    async def run() -> None:
        async with valkey_tier(valkey.url, prefix="one") as one, valkey_tier(valkey.url) as other:
            await one.put([Item(KEY, b"v", 3_999_999_999.5)])
            assert await other.get(KEY) is None
            past_s = SystemClock().wall_s() - 1
            await one.put([Item(b"old", b"v", past_s), Item(b"older", b"v", -1.0)])
            assert [await one.get(key) for key in (b"old", b"older")] == [None, None]

    asyncio.run(run())
    assert valkey.command("KEYS", "*") == [b"one:" + KEY]
    assert valkey.command("PEXPIRETIME", b"one:" + KEY) == 3_999_999_999_500


def test_many_are_removed_at_once(valkey: Valkey) -> None:
    keys = [b"key %d" % number for number in range(150)]

    async def run() -> None:
        async with valkey_tier(valkey.url) as tier:
            await tier.put([Item(key, b"v", FAR_S) for key in keys])
            assert valkey.command("DBSIZE") == len(keys)
            await tier.remove(keys)

    asyncio.run(run())
    assert valkey.command("DBSIZE") == 0


def test_much_is_written_in_several_goes(valkey: Valkey) -> None:
    sizes = [0, 400_000, 700_000, 3_000_000, 10, 1_000_000, 50_000]
    items = [Item(b"key %d" % size, bytes(size), FAR_S) for size in sizes]

    async def run() -> None:
        async with valkey_tier(valkey.url) as tier:
            await tier.put(items)
            assert [await tier.get(item.key) for item in items] == [item.value for item in items]

    asyncio.run(run())


def test_look_ups_of_one_turn_are_sent_together(valkey: Valkey, loop: Loop) -> None:
    keys = [b"key %d" % number for number in range(500)]

    async def run() -> None:
        async with way_to(valkey) as way, valkey_tier(way.url) as tier:
            await tier.put([Item(key, b"of " + key, FAR_S) for key in keys if key != keys[7]])
            await tier.get(KEY)
            before = way.asked
            values = await asyncio.gather(*map(tier.get, keys))
            assert values == [b"of " + key if key != keys[7] else None for key in keys]
            assert way.asked <= before + 2  # the first at once, and the others

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


def test_who_leaves_takes_nobody_along(valkey: Valkey) -> None:
    async def run() -> None:
        async with valkey_tier(valkey.url) as tier:
            await tier.put([Item(KEY, b"v", FAR_S)])
            leaving, staying = (asyncio.ensure_future(tier.get(KEY)) for _ in range(2))
            await asyncio.sleep(0)
            leaving.cancel()
            assert await staying == b"v"
            with pytest.raises(asyncio.CancelledError):
                await leaving
            assert await tier.get(KEY) == b"v"

    asyncio.run(run())


def test_two_connections_carry_everything(valkey: Valkey) -> None:
    async def run() -> None:
        before = valkey.command("INFO", "clients")["connected_clients"]
        async with valkey_tier(valkey.url) as tier:
            for _ in range(20):
                puts = [tier.put([Item(KEY, b"v", FAR_S)]) for _ in range(40)]
                await asyncio.gather(*puts, *(tier.get(KEY) for _ in range(40)))
            assert valkey.command("INFO", "clients")["connected_clients"] == before + 2

    asyncio.run(run())


def test_over_a_socket_of_the_file_system(valkey: Valkey) -> None:
    async def run() -> None:
        async with valkey_tier(f"unix://{valkey.socket_path}") as tier:
            await tier.put([Item(KEY, b"v", FAR_S)])
            assert await tier.get(KEY) == b"v"

    asyncio.run(run())


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
def test_over_tls(valkey: Valkey, tmp_path: Path, loop: Loop, scheme: str) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    for name, each in (("authority", authority), ("stranger", stranger)):
        each.cert_pem.write_to_path(str(tmp_path / name))

    async def run() -> None:
        async with way_to(valkey, context) as way:
            url = f"{scheme}://127.0.0.1:{way.port}"
            async with valkey_tier(f"{url}?ssl_ca_certs={tmp_path}/authority") as tier:
                await tier.put([Item(KEY, b"v" * 100_000, FAR_S)])
                assert await tier.get(KEY) == b"v" * 100_000
            for options in ("", f"?ssl_ca_certs={tmp_path}/stranger"):
                async with valkey_tier(url + options) as tier:
                    with pytest.raises(TierFault, match=r"certificate|signed"):
                        await tier.get(KEY)
            async with valkey_tier(f"{url}?ssl_ca_certs={tmp_path}/none") as tier:
                with pytest.raises(TierFault, match="No such file"):
                    await tier.get(KEY)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


def test_with_user_password_and_database(valkey: Valkey) -> None:
    valkey.command("ACL", "SETUSER", "app", "on", ">s3cr%t", "~test*", "+@all")
    rest = f"127.0.0.1:{valkey.port}/3"

    async def run(user: str, secret: str) -> None:
        async with valkey_tier(f"redis://{user}:{secret}@{rest}") as tier:
            await tier.put([Item(KEY, b"v", FAR_S)])
            assert await tier.get(KEY) == b"v"

    asyncio.run(run("app", "s3cr%25t"))
    assert valkey.command("INFO", "keyspace")["db3"]["keys"] == 1
    for user, secret in (("app", "wr0ng"), ("nobody", "s3cr%25t")):
        with pytest.raises(TierFault, match=r"127\.0\.0\.1:\d+ does not accept") as caught:
            asyncio.run(run(user, secret))
        assert secret not in str(caught.value)
        assert user not in str(caught.value)
    valkey.command("ACL", "SETUSER", "app", "-set")
    with pytest.raises(TierFault, match="lets this user do too little"):
        asyncio.run(run("app", "s3cr%25t"))
    valkey.command("ACL", "DELUSER", "app")
