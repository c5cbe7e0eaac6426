"""A run through a file of prompts, in one process with a real engine and a simulated provider."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest
from tests.support.provider import scripted, sized
from tests.support.waiting import eventually

from headrace.cache.warm_file import read_prompt
from headrace.clock import Clock, ManualClock, SystemClock
from headrace.gateway.call import Hints, Stopwatch, make_call
from headrace.gateway.engine import Engine
from headrace.gateway.order import Order
from headrace.gateway.waiter import Waiter
from headrace.gateway.warming.run import Tally, WarmRun
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.settings import parse_settings
from headrace.settings.schema import WarmSettings
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

USD_A_TOKEN = 1.0
FREE = WarmSettings(file="-", every_s=60, usd_max=None, concurrency=2)

Scene = Callable[[Engine], Awaitable[None]]


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


def play(
    url: str,
    scene: Scene,
    headers: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    **cache: Any,
) -> None:
    """An engine before one provider in each dialect, as long as the scene lasts."""
    price = {"input": USD_A_TOKEN * 1e6, "output": USD_A_TOKEN * 1e6}
    providers = {
        "p": {"dialect": "openai", "base_url": f"{url}/v1", "headers": headers or {}},
        "a": {"dialect": "anthropic", "base_url": url},
    }
    document = {
        "providers": providers,
        "models": {
            "priced": {"targets": ["p/priced"], "price": price},
            "claude": {"targets": ["a/claude-sim"]},
        },
        "cache": cache,
    }
    settings = parse_settings(json.dumps(document), {})
    clock = clock or SystemClock()

    async def scene_of_it() -> None:
        layout = Layout()
        cells = Cells(layout.size)
        bugs: list[BaseException] = []
        engine = Engine(
            settings,
            clock=clock,
            metrics=Metrics(layout, cells.row(), cells.slots, clock),
            on_bug=bugs.append,
            on_unreachable=lambda provider, error: None,
            on_tier=lambda tier, is_up, why: None,
            say=lambda *told, **more: None,
        )
        engine.start()
        try:
            await scene(engine)
        finally:
            await engine.close()
        assert bugs == []

    asyncio.run(scene_of_it())


async def warm(engine: Engine, *lines: dict[str, Any], how: WarmSettings = FREE) -> Tally:
    prompts = [read_prompt(json.dumps(line).encode(), at) for at, line in enumerate(lines, 1)]
    run = WarmRun(
        prompts,
        how,
        pipeline=engine.pipeline,
        dialects=engine.dialects,
        now_s=SystemClock().monotonic_s,
    )
    await run.run()
    return run.tally


async def found_by_caller(engine: Engine, document: dict[str, Any], tenant: str) -> str:
    """Where a caller with the official SDK's headers finds the answer."""
    dialect = engine.dialects["anthropic" if "max_tokens" in document else "openai"]
    [operation] = [o for o in dialect.grammars if o.value in ("chat", "messages")]
    call = make_call(dialect, operation, tenant, Hints(), dialect.default_headers)
    waiter, now_s = Waiter(), SystemClock().monotonic_s
    order = Order(call, json.dumps(document).encode(), waiter, Stopwatch(now_s, now_s()))
    engine.pipeline.handle_all([order])
    await waiter.outcome()
    assert waiter.source is not None
    return waiter.source.cache.value


def plain(text: str, model: str = "p/m", **more: Any) -> dict[str, Any]:
    return {"prompt": text, "model": model, **more}


def told(tally: Tally) -> tuple[int, int, int, int, int]:
    return (tally.asked, tally.there, tally.not_stored, tally.failed, tally.left)


def test_callers_find_what_was_warmed_and_a_second_run_asks_nothing(sim: ThreadedSim):
    async def scene(engine: Engine) -> None:
        lines = [plain(f"question {number}") for number in range(5)]
        tally = await warm(engine, *lines)
        assert (told(tally), tally.ended, tally.trouble) == ((5, 0, 0, 0, 0), "done", "")
        document = {"messages": [{"role": "user", "content": "question 3"}], "model": "p/m"}
        assert await found_by_caller(engine, document, "default") == "l1"
        assert await found_by_caller(engine, document, "else") == "miss"
        saved = engine.metrics.cache_books()["saved"]
        assert told(await warm(engine, *lines)) == (0, 5, 0, 0, 0)
        books = engine.metrics.cache_books()
        assert books["saved"] == saved  # nobody was spared a call
        assert books["spent"] == {"warm": {"calls": 5, "usd": 0.0}}

    play(sim.url, scene)


def test_a_model_of_the_other_dialect_is_asked_in_its_own(sim: ThreadedSim):
    async def scene(engine: Engine) -> None:
        assert told(await warm(engine, plain("hi", "claude"))) == (1, 0, 0, 0, 0)
        messages = [{"role": "user", "content": "hi"}]
        document = {"model": "claude", "messages": messages, "max_tokens": 4096}
        assert await found_by_caller(engine, document, "default") == "l1"

    play(sim.url, scene)


def test_a_stream_finds_what_was_warmed_for_one(sim: ThreadedSim):
    async def scene(engine: Engine) -> None:
        messages = [{"role": "user", "content": "hi"}]
        document = {"model": "p/m", "messages": messages, "stream": True}
        assert told(await warm(engine, document)) == (1, 0, 0, 0, 0)
        assert await found_by_caller(engine, document, "default") == "l1"

    play(sim.url, scene)


def test_the_answers_are_those_of_the_tenant_that_is_named(sim: ThreadedSim):
    async def scene(engine: Engine) -> None:
        how = WarmSettings(file="-", every_s=60, usd_max=None, tenant="app")
        await warm(engine, plain("hi"), how=how)
        document = {"messages": [{"role": "user", "content": "hi"}], "model": "p/m"}
        assert await found_by_caller(engine, document, "app") == "l1"

    play(sim.url, scene)


def test_tags_and_times_of_a_line_are_kept(sim: ThreadedSim):
    async def scene(engine: Engine) -> None:
        lines = [plain("a", tags=["docs"]), plain("b", ttl_s=50), plain("c")]
        await warm(engine, *lines)
        await engine.desk.purge("tag:docs")
        assert told(await warm(engine, *lines)) == (1, 2, 0, 0, 0)
        # What ends within a minute counts as gone.
        how = WarmSettings(file="-", every_s=60, usd_max=None, ahead_s=60)
        assert told(await warm(engine, *lines, how=how)) == (1, 2, 0, 0, 0)

    play(sim.url, scene)


def test_no_more_is_spent_than_the_budget_and_the_calls_under_way(sim: ThreadedSim):
    async def scene(engine: Engine) -> None:
        lines = [plain(f"question {number}", "priced") for number in range(30)]
        how = WarmSettings(file="-", every_s=60, usd_max=0.5, concurrency=2)
        tally = await warm(engine, *lines, how=how)
        assert tally.ended == "budget"
        assert 1 <= tally.asked <= 2
        assert tally.left == 30 - tally.asked
        assert tally.usd >= 0.5
        spent = engine.metrics.cache_books()["spent"]["warm"]
        assert (spent["calls"], spent["usd"]) == (tally.asked, pytest.approx(tally.usd))

    play(sim.url, scene)


def test_nothing_is_asked_where_the_budget_is_none(sim: ThreadedSim):
    async def scene(engine: Engine) -> None:
        how = WarmSettings(file="-", every_s=60, usd_max=0)
        tally = await warm(engine, plain("a", "priced"), how=how)
        assert (told(tally), tally.ended) == ((0, 0, 0, 0, 1), "budget")

    play(sim.url, scene)


def test_a_budget_wants_prices(sim: ThreadedSim):
    async def scene(engine: Engine) -> None:
        how = WarmSettings(file="-", every_s=60, usd_max=1000)
        tally = await warm(engine, plain("a"), plain("b", "priced"), how=how)
        assert told(tally) == (1, 0, 0, 1, 0)
        assert "line 1: No price of 'p/m' is known" in tally.trouble
        assert sum(sim.stats().requests["/v1/chat/completions"].values()) == 1

    play(sim.url, scene)


def test_a_cost_that_nobody_knows_ends_a_run_with_a_budget():
    choice = {"index": 0, "message": {"content": "yes"}, "finish_reason": "stop"}
    body = json.dumps({"object": "chat.completion", "choices": [choice]}).encode()

    async def scene(engine: Engine) -> None:
        how = WarmSettings(file="-", every_s=60, usd_max=1000, concurrency=1)
        tally = await warm(engine, *[plain(text, "priced") for text in "abc"], how=how)
        assert (told(tally), tally.ended) == ((1, 0, 0, 0, 2), "cost_unknown")

    with scripted() as provider:
        provider.answers = [sized(body)]
        provider.closes = False
        play(provider.url, scene)


def test_what_fails_is_told_and_the_rest_goes_on(sim: ThreadedSim):
    async def scene(engine: Engine) -> None:
        sim.script(
            Fault(kind=FaultKind.STATUS, model="down", status=500),
            Fault(kind=FaultKind.RESET_BEFORE, model="gone", times=None),
        )
        one = WarmSettings(file="-", every_s=60, usd_max=None, concurrency=1)
        lines = [plain("a"), plain("a", "p/down"), plain("a", "p/gone"), plain("a", "x/y")]
        tally = await warm(engine, *lines, plain("b"), how=one)
        assert told(tally) == (2, 0, 0, 3, 0)
        assert tally.trouble == "line 2: Provider 'p' answered 500."

    play(sim.url, scene)


def test_what_may_not_be_stored_is_told(sim: ThreadedSim):
    messages = [{"role": "user", "content": "hi"}]
    short = {"model": "p/m", "messages": messages, "max_tokens": 1}
    hot = {"model": "p/m", "messages": messages, "temperature": 1.5}

    async def scene(engine: Engine) -> None:
        tally = await warm(engine, short, hot)
        assert told(tally) == (0, 0, 1, 1, 0)
        assert tally.trouble in (
            "line 1: the answer may not be stored: truncated",
            "line 2: Its temperature is above cache.temperature_max.",
        )

    play(sim.url, scene, temperature_max=1.0)


def test_what_is_larger_than_may_be_stored_is_told(sim: ThreadedSim):
    messages = [{"role": "user", "content": "write at length"}]

    async def scene(engine: Engine) -> None:
        tally = await warm(engine, {"model": "p/m", "messages": messages})
        assert told(tally) == (0, 0, 1, 0, 0)
        assert tally.trouble == "line 1: the answer may not be stored: too_large"
        assert len(engine.cache) == 0

    play(sim.url, scene, {"x-sim-tokens": "2000"}, entry_kb_max=1)


@pytest.mark.parametrize(
    ("terms", "trouble"),
    [
        ({"stale_s": 600}, "line 1: Provider 'p' answered 503."),
        ({"stale_if_error_s": 600}, "line 1: Provider 'p' failed; the answer kept is stale."),
    ],
    ids=["while-revalidate", "if-error"],
)
def test_a_stale_answer_is_asked_for_again(terms: dict[str, int], trouble: str):
    choice = {"index": 0, "message": {"content": "yes"}, "finish_reason": "stop"}
    body = json.dumps({"object": "chat.completion", "choices": [choice]}).encode()

    clock = ManualClock()

    async def scene(engine: Engine) -> None:
        line = plain("a", ttl_s=60)
        assert told(await warm(engine, line)) == (1, 0, 0, 0, 0)
        clock.advance(59)
        assert told(await warm(engine, line)) == (0, 1, 0, 0, 0)
        clock.advance(2)
        assert told(await warm(engine, line)) == (1, 0, 0, 0, 0)
        clock.advance(61)
        tally = await warm(engine, line)
        assert told(tally) == (0, 0, 0, 1, 0)
        assert tally.trouble == trouble
        assert list(engine.metrics.cache_books()["spent"]) == ["warm"]

    with scripted() as provider:
        provider.answers = [sized(body), sized(body), sized(b"no", "503 Service Unavailable")]
        provider.closes = False
        play(provider.url, scene, clock=clock, **terms)


def test_who_gives_up_ends_the_calls(sim: ThreadedSim):
    async def scene(engine: Engine) -> None:
        sim.script(Fault(kind=FaultKind.STALL_BEFORE, times=None))
        task = asyncio.get_running_loop().create_task(warm_until_cancelled(engine))
        await asyncio.to_thread(eventually, lambda: sim.stats().inflight == 2)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert engine.calls == 0

    async def warm_until_cancelled(engine: Engine) -> None:
        await warm(engine, plain("a"), plain("b"), plain("c"))

    play(sim.url, scene)
