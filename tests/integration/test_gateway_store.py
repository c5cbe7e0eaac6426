"""The durable tier through a running gateway and the library: what becomes of its file is told."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.adapter import CHAT, settings_for
from tests.support.gateway import Gateway
from tests.support.house import free_port
from tests.support.stores import NOW_S, Place
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.wire import Response, encode_request
from tests.support.wire import ask as ask_wire

from headrace import Adapter
from headrace.sim.thread import ThreadedSim
from headrace.store.open import CACHE_FILE
from headrace.store.store import Store

PATH = "/v1/chat/completions"


def durable(sim: ThreadedSim, folder: Path, **more: Any) -> dict[str, Any]:
    cache = {"durable": True, "tier_timeout_ms": 2000}
    return {**settings_for(sim.url), "cache": cache, "data_dir": str(folder), **more}


def question(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": CHAT, "messages": [{"role": "user", "content": text}], **fields}


def written(gateway: Gateway, count: int = 1) -> None:
    series = 'headrace_tier_writes_total{tier="l3",outcome="written"}'
    eventually(lambda: gateway.metrics().get(series, 0) >= count)


def spoil(folder: Path) -> None:
    """Put into the place of the file what is no database."""
    for part in ("-wal", "-shm"):
        (folder / (CACHE_FILE + part)).unlink(missing_ok=True)
    (folder / CACHE_FILE).write_text("Dear diary, " * 1000)


def test_a_damaged_file_is_set_aside_and_told_of(sim: ThreadedSim, tmp_path: Path):
    with Gateway(tmp_path / "a", durable(sim, tmp_path)) as gateway:
        gateway.post(PATH, question("one"))
        written(gateway)
    spoil(tmp_path)
    with Gateway(tmp_path / "b", durable(sim, tmp_path)) as gateway:
        assert gateway.post(PATH, question("one")).status == 200
        (told,) = eventually(lambda: named(gateway, "store_damaged"))
        assert told["level"] == "error"
        assert f"{CACHE_FILE}.damaged" in told["detail"]
        assert (tmp_path / f"{CACHE_FILE}.damaged").read_text().startswith("Dear diary")
        assert named(gateway, "tier_down") == []  # all this was before the first request
        gateway.post(PATH, question("two"))
    with Gateway(tmp_path / "c", durable(sim, tmp_path)) as gateway:
        assert gateway.post(PATH, question("two")).cache in ("l1", "l3")


def test_the_library_tells_its_log_of_a_damaged_file(
    sim: ThreadedSim, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    spoil(tmp_path)

    async def live() -> None:
        async with Adapter(durable(sim, tmp_path)) as adapter:
            assert (await adapter.generate("one", model=CHAT)).text
            await adapter_told(lambda: "store_damaged" in caplog.text)

    async def adapter_told(is_told: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not is_told():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    asyncio.run(live())
    (told,) = [each for each in caplog.records if "store_damaged" in each.getMessage()]
    assert (told.name, told.levelno) == ("headrace", logging.ERROR)
    assert f"{CACHE_FILE}.damaged" in told.getMessage()


@pytest.mark.heavy
def test_a_store_that_cannot_be_used_is_known_before_the_first_request(
    sim: ThreadedSim, tmp_path: Path
):
    state = tmp_path / "state"
    state.write_text("not a folder")
    with Gateway(tmp_path / "a", durable(sim, state)) as gateway:
        ready = gateway.get("/readyz")
        assert (ready.status, ready.json()["tiers"]) == (200, {"l3": "down"})
        assert [e["about"] for e in named(gateway, "tier_down")].count("l3") == 1
        assert gateway.post(PATH, question("one")).cache == "miss"
        state.unlink()
        eventually(lambda: gateway.get("/readyz").json()["tiers"] == {"l3": "up"})
        eventually(lambda: [e for e in named(gateway, "tier_up") if e["about"] == "purges"])
        gateway.post(PATH, question("two"))
    with Gateway(tmp_path / "b", durable(sim, state)) as gateway:
        assert gateway.post(PATH, question("two")).cache in ("l1", "l3")


def test_uses_of_what_is_in_memory_decide_what_is_worth_warming(sim: ThreadedSim, tmp_path: Path):
    priced = {"targets": [f"openai/{CHAT}"], "price": {"input": 1000.0, "output": 1000.0}}
    kept = durable(sim, tmp_path, models={"priced": priced})
    documents = [question(text, model="priced") for text in ("seldom", "often", "never")]
    with Gateway(tmp_path / "a", kept) as gateway:
        keys = [
            bytes.fromhex(gateway.post(PATH, document).headers["x-headrace-key"])
            for document in documents
        ]
        written(gateway, 3)
        for times, document in ((2, documents[0]), (5, documents[1])):
            for _ in range(times):
                assert gateway.post(PATH, document).cache == "l1"

    async def look(store: Store) -> list[bytes]:
        return [each.key for each in await store.answers.top(9, time.time())]

    assert Place("sqlite", tmp_path).use(look) == [keys[1], keys[0]]


@pytest.mark.heavy
def test_old_purges_are_forgotten(sim: ThreadedSim, tmp_path: Path):
    place = Place("sqlite", tmp_path)

    async def purge_long_ago(store: Store) -> None:
        for number in range(20):
            await store.purges.publish(f"tag:{number}", NOW_S)
        await store.purges.publish("tag:young", time.time())

    place.use(purge_long_ago)
    with Gateway(tmp_path / "a", durable(sim, tmp_path)):
        eventually(lambda: purges_kept(place) == ["tag:young"])


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    folder = tmp_path / "valkey"
    folder.mkdir()
    with Valkey(folder) as valkey:
        yield valkey


@pytest.mark.heavy
def test_what_is_kept_counts_though_the_shared_cache_was_never_reached(
    sim: ThreadedSim, valkey: Valkey, tmp_path: Path
):
    def kept(url: str) -> dict[str, Any]:
        cache = {"durable": True, "shared": url, "tier_timeout_ms": 2000}
        return {**durable(sim, tmp_path), "cache": cache}

    ask = {"cache-control": "only-if-cached"}
    with Gateway(tmp_path / "a", kept(valkey.url)) as there:
        for text in ("old", "new", "other"):
            there.post(PATH, question(text), headers={"x-headrace-tags": text})
        written(there, 3)
        assert purge(there, "tag=old").json()["reach"] == "every process that shares a tier"
        with Gateway(tmp_path / "b", kept(f"valkey://127.0.0.1:{free_port()}")) as cut_off:
            assert cut_off.post(PATH, question("new")).cache in ("l1", "l3")
            assert cut_off.post(PATH, question("other")).cache in ("l1", "l3")
            assert cut_off.post(PATH, question("old"), headers=ask).status == 504
            purge(there, "tag=new")
            eventually(lambda: cut_off.post(PATH, question("new"), headers=ask).status == 504)
            assert cut_off.post(PATH, question("other")).cache == "l1"
            assert [e["about"] for e in named(cut_off, "tier_down")].count("purges") == 1


@pytest.mark.heavy
def test_what_was_kept_without_the_shared_cache_counts_when_it_is_back(
    sim: ThreadedSim, valkey: Valkey, tmp_path: Path
):
    cache = {"durable": True, "shared": valkey.url, "tier_timeout_ms": 2000}
    kept = {**durable(sim, tmp_path), "cache": cache}
    with Gateway(tmp_path / "a", kept) as gateway:
        gateway.post(PATH, question("one"))
    valkey.kill()
    with Gateway(tmp_path / "b", kept) as gateway:
        assert gateway.post(PATH, question("one")).cache in ("l1", "l3")
        gateway.post(PATH, question("two"))
        valkey.start()
        eventually(lambda: [e for e in named(gateway, "tier_up") if e["about"] == "purges"])
        assert gateway.post(PATH, question("two")).cache == "l1"
        assert purge(gateway, "tag=none").json()["reach"] == "every process that shares a tier"
    with Gateway(tmp_path / "c", kept) as gateway:
        assert gateway.post(PATH, question("two")).cache in ("l1", "l2", "l3")
        assert gateway.post(PATH, question("one")).cache in ("l1", "l2", "l3")


def purge(gateway: Gateway, query: str) -> Response:
    return ask_wire(gateway.url, encode_request(f"/admin/cache?{query}", method="DELETE"))


def purges_kept(place: Place) -> list[str]:
    async def look(store: Store) -> list[str]:
        return [purge.scope for purge in (await store.purges.since(None)).purges]

    return place.use(look)


def named(gateway: Gateway, event: str) -> list[dict[str, Any]]:
    return [line for line in gateway.events() if line["event"] == event]
