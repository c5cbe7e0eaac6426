"""Whatever becomes of the server, the tier says so in bounded time, and works again afterwards."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable
from pathlib import Path

import pytest
from tests.support.house import free_port
from tests.support.tiers import FAR_S, valkey_tier
from tests.support.valkey import Valkey, way_to
from tests.support.waiting import eventually

from headrace.cache.tier import Item, TierFault
from headrace.cache.valkey import ValkeyTier
from headrace.clock import SystemClock
from headrace.errors import SettingsInvalid

KEY = b"k" * 20
ITEM = Item(KEY, b"v", FAR_S)


def everything(tier: ValkeyTier) -> list[Awaitable[object]]:
    """All that a tier can be asked."""
    return [
        tier.get(KEY),
        tier.put([ITEM]),
        tier.remove([KEY]),
        tier.try_lease(KEY, 1.0),
        tier.release(KEY, b"token"),
    ]


def test_down_at_start_and_up_later(tmp_path: Path) -> None:
    valkey = Valkey(tmp_path)

    async def run() -> None:
        async with valkey_tier(valkey.url) as tier:
            for asked in everything(tier):
                with pytest.raises(TierFault, match=f"nobody listens at 127.0.0.1:{valkey.port}"):
                    await asked
            with valkey:
                await tier.put([ITEM])
                assert await tier.get(KEY) == b"v"

    asyncio.run(run())


def test_no_socket_in_the_file_system(tmp_path: Path) -> None:
    async def run() -> None:
        async with valkey_tier(f"unix://{tmp_path}/none.sock") as tier:
            with pytest.raises(TierFault, match=r"nobody listens at .*/none\.sock"):
                await tier.get(KEY)

    asyncio.run(run())


def test_killed_under_load_and_back_again(mortal: Valkey) -> None:
    async def ask_on(tier: ValkeyTier, outcomes: set[str], end: asyncio.Event) -> None:
        while not end.is_set():
            try:
                await tier.put([ITEM])
                value = await tier.get(KEY)
                outcomes.add("miss" if value is None else "hit")
            except TierFault as fault:
                outcomes.add("refused" if "nobody listens" in fault.why else "fault")
                await asyncio.sleep(0)

    async def run() -> None:
        outcomes: set[str] = set()
        end = asyncio.Event()
        async with valkey_tier(mortal.url) as tier, asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(ask_on(tier, outcomes, end))
            await _until(lambda: "hit" in outcomes)
            mortal.kill()
            await _until(lambda: "refused" in outcomes)
            await asyncio.to_thread(mortal.start)
            outcomes.clear()
            await _until(lambda: "hit" in outcomes)
            outcomes.clear()
            await _until(lambda: "hit" in outcomes)
            assert outcomes == {"hit"}
            end.set()

    asyncio.run(run())


def test_a_restart_costs_nobody_an_answer(mortal: Valkey) -> None:
    async def run() -> None:
        async with valkey_tier(mortal.url) as tier:
            await tier.put([ITEM])
            assert await tier.get(KEY) == b"v"
            mortal.kill()
            mortal.start()
            await tier.put([ITEM])
            assert await tier.get(KEY) == b"v"

    asyncio.run(run())


def test_a_slow_server_is_given_up_in_time(valkey: Valkey) -> None:
    clock = SystemClock()

    async def run() -> None:
        async with way_to(valkey) as way, valkey_tier(way.url, timeout_s=0.5) as tier:
            await tier.put([ITEM])
            way.delay_s = 1.5
            with pytest.raises(TierFault, match="did not answer in time"):
                await tier.get(KEY)
            way.delay_s = 0.0
            # What the slow one says at last is not taken for the answer to the next question.
            assert await tier.get(b"other") is None
            assert await tier.get(KEY) == b"v"

    began_s = clock.monotonic_s()
    asyncio.run(run())
    assert clock.monotonic_s() - began_s < 60


@pytest.mark.heavy
def test_a_server_that_stands_still_is_given_up(valkey: Valkey) -> None:
    async def run() -> None:
        limits = {"timeout_s": 0.2, "write_timeout_s": 0.2, "connect_timeout_s": 0.2}
        async with valkey_tier(valkey.url, **limits) as tier:
            await tier.put([ITEM])
            valkey.command("CLIENT", "PAUSE", 4000, "ALL")
            for asked in everything(tier):
                with pytest.raises(TierFault, match="did not answer in time"):
                    await asked
            outcomes = await asyncio.gather(
                *(tier.put([ITEM]) for _ in range(40)), return_exceptions=True
            )
            assert {type(outcome) for outcome in outcomes} == {TierFault}
            valkey.command("PING")  # is answered once the pause is over
            assert await tier.get(KEY) == b"v"

    asyncio.run(run())


def test_opening_a_connection_may_take_longer_than_an_answer(valkey: Valkey) -> None:
    async def run() -> None:
        async with way_to(valkey) as way, valkey_tier(way.url, timeout_s=0.4) as tier:
            way.delay_s = 0.8
            with pytest.raises(TierFault, match="did not answer in time"):
                await tier.get(KEY)
            lookup = asyncio.ensure_future(tier.get(KEY))
            await _until(lambda: valkey.command("INFO", "clients")["connected_clients"] > 1)
            way.delay_s = 0.0
            assert await lookup is None

    asyncio.run(run())


def test_a_full_server_still_gives_what_it_has(tmp_path: Path) -> None:
    async def fill(tier: ValkeyTier) -> None:
        for number in range(100):
            await tier.put([Item(b"%d" % number, bytes(200_000), FAR_S)])

    async def run(valkey: Valkey) -> None:
        async with valkey_tier(valkey.url) as tier:
            await tier.put([ITEM])
            with pytest.raises(TierFault, match="is full"):
                await fill(tier)
            assert await tier.get(KEY) == b"v"
            with pytest.raises(TierFault, match="is full"):
                await tier.put([ITEM, Item(b"large", bytes(8_000_000), FAR_S), ITEM])
            assert await tier.get(KEY) == b"v"  # every answer to the three was read
            valkey.command("CONFIG", "SET", "maxmemory", 0)
            await tier.put([ITEM])

    with Valkey(tmp_path, maxmemory="8mb", maxmemory_policy="noeviction") as valkey:
        asyncio.run(run(valkey))


def test_what_is_at_the_key_already_may_be_anything(valkey: Valkey) -> None:
    valkey.command("LPUSH", b"test:" + KEY, "a list")

    async def run() -> None:
        async with valkey_tier(valkey.url) as tier:
            assert await tier.get(KEY) is None
            await tier.put([ITEM])
            assert await tier.get(KEY) == b"v"

    asyncio.run(run())


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="http"),
        pytest.param(b"$x\r\n", id="no number"),
        pytest.param(b"*1\r\n" * 3000, id="deep"),
        # It is waited for what does not come.
        pytest.param(b"", id="silence"),
        pytest.param(b"\x15\x03\x03\x00\x02\x02\x46", id="tls", marks=pytest.mark.heavy),
        pytest.param(b"*3\r\n$1\r\na\r\n", id="cut", marks=pytest.mark.heavy),
        pytest.param(b">1\r\n+what\r\n" * 3, id="push", marks=pytest.mark.heavy),
    ],
)
def test_a_server_that_is_none(said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(said)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    async def run() -> None:
        port = free_port()
        async with await asyncio.start_server(answer, "127.0.0.1", port):
            for user in ("", ":pass@"):
                url = f"redis://{user}127.0.0.1:{port}"
                async with valkey_tier(url, timeout_s=0.1, connect_timeout_s=0.1) as tier:
                    for asked in everything(tier):
                        with pytest.raises(TierFault, match="127"):
                            await asked

    asyncio.run(run())


@pytest.mark.parametrize("shape", ["fails", "says too few", "is no list", "says too much"])
def test_an_answer_that_is_none(shape: str) -> None:
    said = {
        "fails": b"-ERR s3cret\r\n",
        "says too few": b"*0\r\n",
        "is no list": b":7\r\n",
        "says too much": b"*1\r\n:7\r\n:7\r\n",
    }[shape]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(said if b"MGET" in data else b"+OK\r\n" * (data.count(b"*") or 1))
        writer.close()

    async def run() -> None:
        port = free_port()
        async with (
            await asyncio.start_server(answer, "127.0.0.1", port),
            valkey_tier(f"redis://127.0.0.1:{port}", timeout_s=0.2) as tier,
        ):
            with pytest.raises(TierFault) as caught:
                await tier.get(KEY)
            assert "s3cret" not in str(caught.value)

    asyncio.run(run())


def test_what_a_server_does_not_take_is_not_kept_for_it() -> None:
    taken = 0

    async def run(listener: socket.socket) -> None:
        nonlocal taken
        loop = asyncio.get_running_loop()
        is_given_up = asyncio.Event()

        async def answer() -> None:
            nonlocal taken
            peer, _ = await loop.sock_accept(listener)
            with peer, contextlib.suppress(ConnectionError):
                peer.setblocking(False)
                assert b"HELLO" in await loop.sock_recv(peer, 4096)
                await loop.sock_sendall(peer, b"+OK\r\n")
                await is_given_up.wait()
                while data := await loop.sock_recv(peer, 1 << 20):
                    taken += len(data)

        url = f"redis://127.0.0.1:{listener.getsockname()[1]}"
        answering = asyncio.ensure_future(answer())
        async with valkey_tier(url, write_timeout_s=0.2) as tier:
            with pytest.raises(TierFault, match="did not answer in time"):
                await tier.put([Item(KEY, bytes(50_000_000), FAR_S)])
            is_given_up.set()
            async with asyncio.timeout(20):
                await answering

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        asyncio.run(run(listener))
    assert 0 < taken < 40_000_000


def test_closing_leaves_nobody_waiting(valkey: Valkey) -> None:
    async def run() -> None:
        async with way_to(valkey) as way:
            way.delay_s = 60.0
            async with valkey_tier(way.url, connect_timeout_s=60.0) as tier:
                lookup = asyncio.ensure_future(tier.get(KEY))
                await asyncio.sleep(0)
            with pytest.raises(TierFault, match="is closing"):
                await lookup

    asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret/x@host",
        "redis://:s3#cret@host",
        "redis://:s3?cret=1@host",
        "redis://user:s3cret@host:port",
        "redis://user:s3cret@host?protocol=2",
        "redis://user:s3cret@host?ssl_ca_certs=a",
        "redis://user:s3cret@host?db=x",
        "http://s3cret",
        "s3cret",
        "unix://s3cret",
        "",
    ],
)
def test_a_url_that_cannot_be_used_tells_no_secret(url: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        asyncio.run(_open(url))
    assert "s3" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("prefix", ["", "a:b", "a/b", "a b", "ä", "a" * 65, "a\n"])
def test_a_prefix_that_cannot_be_used(prefix: str) -> None:
    with pytest.raises(SettingsInvalid, match="prefix"):
        asyncio.run(_open("redis://host", prefix=prefix))


async def _open(url: str, **options: str) -> None:
    async with valkey_tier(url, **options):
        pass


async def _until(predicate: object) -> None:
    assert callable(predicate)
    await asyncio.to_thread(eventually, predicate)
