"""An adapter over a simulated provider, and the proof that it leaves nothing behind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.waiting import eventually

from headrace import Adapter
from headrace.sim.thread import ThreadedSim

CHAT = "gpt-4o-mini"
MESSAGES = "claude-sim"
MODELS = (CHAT, MESSAGES)
POLLS_MAX = 10_000

Loop = Callable[[], asyncio.AbstractEventLoop]
Scenario = Callable[[Adapter], Awaitable[None]]


def settings_for(url: str, **fields: Any) -> dict[str, Any]:
    """Settings with the provider at `url` in both dialects; `fields` go to both."""
    fields = {"retry": {"tries_max": 1}, **fields}  # what a provider does wrong is to be seen
    return {
        "providers": {
            "openai": {"dialect": "openai", "base_url": f"{url}/v1", **fields},
            "anthropic": {"dialect": "anthropic", "base_url": url, **fields},
        }
    }


def play(loop: Loop, sim: ThreadedSim, scenario: Scenario, **fields: Any) -> None:
    """Run a scenario; afterwards no task, call or connection is left."""

    async def main() -> None:
        async with Adapter(settings_for(sim.url, **fields)) as adapter:
            await scenario(adapter)
        told = adapter.metrics()
        assert told["inflight"] == 0
        assert told["upstream_connections"]["active"] == 0
        assert told["upstream_connections"]["idle"] == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
    eventually(lambda: sim.stats().connections_open == 0 and sim.stats().inflight == 0)


async def soon(predicate: Callable[[], bool]) -> None:
    """Let the loop go on until something holds."""
    for _ in range(POLLS_MAX):
        if predicate():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come about")
