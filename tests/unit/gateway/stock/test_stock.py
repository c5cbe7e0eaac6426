"""What the cache as a whole goes by, through reloads."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.support.stores import PATIENT

from headrace.clock import ManualClock
from headrace.gateway.engine import Engine
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.settings import Settings, read_settings
from headrace.store.open import open_store

DAY_S = 86_400.0


def settings(ttl_s: float) -> Settings:
    lane = {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}
    cache = {"ttl_s": ttl_s, "ttl_s_max": ttl_s, "adaptive": {"ttl_s_max": ttl_s}}
    return read_settings({"providers": {"p": lane}, "cache": cache})


Test = Callable[[Engine, ManualClock], Awaitable[None]]


def run(test: Test, started_with: Settings) -> None:
    async def body() -> None:
        clock, layout = ManualClock(), Layout()
        cells = Cells(layout.size)
        engine = Engine(
            started_with,
            clock=clock,
            metrics=Metrics(layout, cells.row(), cells.slots, clock),
            on_bug=lambda error: None,
            on_unreachable=lambda _provider, _error: None,
            on_tier=lambda _tier, _is_up, _why: None,
            say=lambda *_words, **_fields: None,
        )
        await test(engine, clock)
        await engine.close()

    asyncio.run(body())


def test_purges_are_known_for_as_long_as_any_answer_lives_through_reloads():
    async def test(engine: Engine, clock: ManualClock) -> None:
        engine.reload(settings(ttl_s=10 * DAY_S))
        engine.reload(settings(ttl_s=60.0))  # what was stored in between lives on
        ledger = engine.stock._ledger
        before = ledger.latest
        ledger.issue("tag:a")
        clock.advance(5 * DAY_S)
        ledger.issue("tag:b")
        assert not ledger.is_valid(before, ("tag:a",))
        assert ledger.is_valid(before, ("tag:c",))

    run(test, settings(ttl_s=60.0))


def test_the_lease_of_a_call_that_takes_long_is_held_for_as_long(tmp_path: Path):
    lane = {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}
    shared = {
        "providers": {"p": lane},
        "cache": {"durable": True, "tier_timeout_ms": 10_000},
        "data_dir": str(tmp_path),
        "listen": {"workers": 2},
    }

    async def test(engine: Engine, clock: ManualClock) -> None:
        turns, store = engine.stock.cellar.turns, open_store("sqlite", tmp_path, bounds=PATIENT)
        assert turns is not None
        token = await turns.take(b"key")
        assert token is not None
        for _ in range(6):
            clock.advance(10.0)
            engine.stock.sweep()
            while engine.tasks:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert not await store.leases.try_lease(b"key", b"other", 30.0, clock.wall_s())
        clock.advance(30.0)  # as if its process had been killed
        assert await store.leases.try_lease(b"key", b"other", 30.0, clock.wall_s())
        await store.close()

    run(test, read_settings(shared))
