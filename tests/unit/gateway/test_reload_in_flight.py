"""A call under way when the settings change: who asks by the new ones is not given its answer."""

import asyncio
from typing import Any

import numpy as np
import pytest
from tests.support.adapter import soon
from tests.support.waiting import eventually

from headrace import Adapter, UpstreamBroken
from headrace.settings import read_settings
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.pace import Profile
from headrace.sim.thread import ThreadedSim, running


def _settings(url: str, target: str, **cache: Any) -> dict[str, Any]:
    provider = {"dialect": "openai", "base_url": f"{url}/v1"}
    return {
        "providers": {"old": provider, "new": provider},
        "models": {"fast": {"targets": [target]}},
        "cache": cache,
    }


@pytest.mark.heavy
def test_an_answer_of_before_is_no_repeat_after() -> None:
    async def scenario(url: str) -> tuple[str, str, str]:
        async with Adapter(_settings(url, "old/sim-small")) as adapter:
            asked = asyncio.create_task(adapter.generate("Why?", model="fast"))
            await asyncio.sleep(0)  # it is on its way
            engine = adapter._running()
            engine.reload(read_settings(_settings(url, "new/sim-small")))
            first = await asked
            again = await adapter.generate("Why?", model="fast")
            return first.provider, again.provider, again.cache

    with running(SimOptions(port=0, profile=Profile.FAST)) as sim:
        assert asyncio.run(scenario(sim.url)) == ("old", "new", "miss")


def test_nothing_is_kept_once_the_cache_is_off() -> None:
    async def scenario(url: str) -> str:
        async with Adapter(_settings(url, "old/sim-small")) as adapter:
            asked = asyncio.create_task(adapter.generate("Why?", model="fast"))
            await asyncio.sleep(0)
            adapter._running().reload(read_settings(_settings(url, "old/sim-small", enabled=False)))
            await asked
            return (await adapter.generate("Why?", model="fast")).cache

    with running(SimOptions(port=0, profile=Profile.FAST)) as sim:
        assert asyncio.run(scenario(sim.url)) == "bypass"


def test_the_end_of_the_engine_ends_calls_over_lanes_that_a_reload_took_away() -> None:
    async def scenario(sim: ThreadedSim) -> None:
        settings = _settings(sim.url, "old/sim-small")
        async with asyncio.timeout(60), Adapter(settings) as adapter:
            stream = adapter.stream("Why?", model="fast")
            await anext(stream)
            engine = adapter._running()
            del settings["providers"]["old"]
            settings["models"]["fast"]["targets"] = ["new/sim-small"]
            engine.reload(read_settings(settings))
            assert (engine.calls, len(engine.retired)) == (1, 1)
            await engine.close()
            with pytest.raises(UpstreamBroken, match="shutting down"):
                async for _ in stream:
                    pass

    with running(SimOptions(port=0)) as sim:
        sim.script(Fault(kind=FaultKind.STALL_MID, after_chunks=2))
        asyncio.run(scenario(sim))
        eventually(lambda: sim.stats().connections_open == 0)


@pytest.mark.heavy
def test_who_looks_elsewhere_at_a_reload_sets_out_later_within_the_old_limits() -> None:
    async def scenario(sim: ThreadedSim) -> None:
        is_asked, may_answer = asyncio.Event(), asyncio.Event()
        may_answer.set()

        async def embed(texts: list[str]) -> Any:
            is_asked.set()
            await may_answer.wait()
            return np.ones((len(texts), 4), dtype=np.float32)

        semantic = {"enabled": True, "dimensions": 4, "embed_timeout_ms": 20_000}
        settings = _settings(sim.url, "old/sim-small", semantic=semantic)
        settings["providers"]["old"] = {**settings["providers"]["old"], "first_byte_timeout_s": 1.0}
        async with asyncio.timeout(60), Adapter(settings, embed=embed) as adapter:
            engine = adapter._running()
            await adapter.generate("How do I sort a list?", model="fast")
            await soon(lambda: engine.desk.told()["semantic"]["entries"] == 1)
            is_asked.clear()
            may_answer.clear()
            asked = asyncio.create_task(adapter.generate("Why is the sky blue?", model="fast"))
            await is_asked.wait()
            del settings["providers"]["old"]
            settings["models"]["fast"]["targets"] = ["new/sim-small"]
            engine.reload(read_settings(settings))
            sim.script(Fault(kind=FaultKind.STALL_BEFORE, times=None))
            may_answer.set()
            with pytest.raises(UpstreamBroken, match="'old' did not begin to answer in time"):
                await asked

    with running(SimOptions(port=0)) as sim:
        asyncio.run(scenario(sim))
