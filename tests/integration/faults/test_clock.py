"""The wall clock is set back, and put right again: answers stay right, and tiers are used."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.adapter import CHAT, settings_for, soon
from tests.support.valkey import Valkey

from headrace import Adapter
from headrace.clock import SystemClock
from headrace.sim.thread import ThreadedSim

HOUR_S = 3600.0


class Watch(SystemClock):
    """The machine's own clocks, of which the wall clock goes wrong by as much as a test says."""

    ahead_s = 0.0

    def wall_s(self) -> float:  # type: ignore[override]
        return super().wall_s() + self.ahead_s


@pytest.mark.parametrize("tier", ["l2", "l3"])
@pytest.mark.parametrize("jump_s", [-HOUR_S, -10 * HOUR_S, HOUR_S / 2])
def test_a_wall_clock_that_jumps(
    sim: ThreadedSim, valkey: Valkey, tmp_path: Path, tier: str, jump_s: float
):
    below: dict[str, Any] = {"shared": valkey.url} if tier == "l2" else {"durable": True}
    cache = {"entries_max": 1, "tier_timeout_ms": 2000, **below}
    settings = {**settings_for(sim.url), "cache": cache, "data_dir": str(tmp_path)}
    watch = Watch()

    async def run() -> None:
        async with Adapter(settings) as plain:
            right = (await plain.generate("Why?", model=CHAT, use_cache=False)).text
        adapter = Adapter(settings)
        adapter._clock = watch
        async with adapter:

            async def found_in() -> str:
                """Where the answer is found once another one has pushed it out of memory."""
                answer = await adapter.generate("Why?", model=CHAT)
                assert answer.text == right
                await adapter.generate("Something else?", model=CHAT)
                return answer.cache

            async def is_kept() -> None:
                while await found_in() != tier:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

            await is_kept()
            watch.ahead_s = jump_s
            first = await found_in()
            assert first == ("miss" if jump_s < 0 else tier)
            if tier == "l3":  # Valkey has a clock of its own, and lets go by that
                await is_kept()
            watch.ahead_s = 0.0
            await found_in()
            await is_kept()
            assert adapter._running().tiers == {tier: "up"}
            await soon(lambda: not adapter._live)

    async def in_time() -> None:
        async with asyncio.timeout(100):
            await run()

    asyncio.run(in_time())
