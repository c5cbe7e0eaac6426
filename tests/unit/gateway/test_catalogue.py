"""The model lists of providers: how often they are asked, and what holds while they cannot say."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from tests.support.house import free_port
from tests.support.provider import scripted, sized

from headrace.clock import ManualClock
from headrace.errors import UpstreamBroken
from headrace.gateway.engine import Engine
from headrace.limits import CATALOGUE_RETRY_S, CATALOGUE_TTL_S
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.settings import ProviderSettings, Settings

DOWN = sized(b"{}", "503 Service Unavailable")

Scenario = Callable[[Engine, ManualClock], Awaitable[None]]


def listing(*names: str) -> bytes:
    return sized(json.dumps({"data": [{"id": name} for name in names]}).encode())


def play(scenario: Scenario, *urls: str) -> None:
    """Run a scenario with an engine whose providers are at `urls`, called a, b and so on."""

    async def main() -> None:
        bugs: list[BaseException] = []
        clock, layout = ManualClock(), Layout()
        cells = Cells(layout.size)
        lanes = {
            name: ProviderSettings(dialect="openai", base_url=url)
            for name, url in zip("abc", urls, strict=False)
        }
        engine = Engine(
            Settings(providers=lanes),
            clock=clock,
            metrics=Metrics(layout, cells.row(), cells.slots, clock),
            on_bug=bugs.append,
            on_unreachable=lambda _provider, _error: None,
            on_tier=lambda _tier, _is_up, _why: None,
            say=lambda *_words, **_fields: None,
        )
        try:
            await scenario(engine, clock)
        finally:
            await engine.close()
        assert bugs == []

    asyncio.run(main())


async def names(engine: Engine) -> list[str]:
    page = json.loads(await engine.catalogue.page("openai"))
    return [item["id"] for item in page["data"]]


def test_who_asks_at_the_same_time_shares_one_call() -> None:
    async def scenario(engine: Engine, clock: ManualClock) -> None:
        lists = await asyncio.gather(*(names(engine) for _ in range(20)))
        assert all(found == ["m"] for found in lists)
        clock.advance(CATALOGUE_TTL_S - 1)
        assert await names(engine) == ["m"]
        assert len(provider.heads) == 1
        clock.advance(1)
        assert await names(engine) == ["n"]

    with scripted() as provider:
        provider.answers = [listing("m"), listing("n")]
        play(scenario, provider.url)
    assert len(provider.heads) == 2


def test_who_leaves_does_not_take_the_answer_from_the_others() -> None:
    async def scenario(engine: Engine, clock: ManualClock) -> None:
        first, second = (asyncio.create_task(names(engine)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == ["m"]
        assert first.cancelled()

    with scripted() as provider:
        provider.answers = [listing("m")]
        play(scenario, provider.url)
    assert len(provider.heads) == 1


@pytest.mark.parametrize(
    "broken",
    [DOWN, sized(b"no JSON"), sized(b'{"data": 1}'), sized(b"\xff"), b"no HTTP"],
    ids=["503", "no-json", "no-list", "no-text", "no-http"],
)
def test_a_failure_is_told_and_kept_only_briefly(broken: bytes) -> None:
    async def scenario(engine: Engine, clock: ManualClock) -> None:
        for _ in range(2):
            with pytest.raises(UpstreamBroken, match="Provider 'a'") as caught:
                await names(engine)
            assert (caught.value.status, caught.value.code) == (502, "models_unavailable")
        assert len(provider.heads) == 1
        clock.advance(CATALOGUE_RETRY_S)
        assert await names(engine) == ["m"]

    with scripted() as provider:
        provider.answers = [broken, listing("m")]
        play(scenario, provider.url)


def test_what_was_listed_before_holds_while_nobody_can_say() -> None:
    async def scenario(engine: Engine, clock: ManualClock) -> None:
        assert await names(engine) == ["m"]
        clock.advance(CATALOGUE_TTL_S)
        assert await names(engine) == ["m"]
        assert len(provider.heads) == 2
        clock.advance(CATALOGUE_RETRY_S)
        assert await names(engine) == ["n"]

    with scripted() as provider:
        provider.answers = [listing("m"), DOWN, listing("n")]
        play(scenario, provider.url)


def test_one_that_can_say_is_not_held_back_by_another() -> None:
    async def scenario(engine: Engine, clock: ManualClock) -> None:
        assert await names(engine) == ["a/m"]
        clock.advance(CATALOGUE_RETRY_S)
        assert await names(engine) == ["a/m"]
        assert len(provider.heads) == 1

    with scripted() as provider:
        provider.answers = [listing("m"), DOWN]
        play(scenario, provider.url, f"http://127.0.0.1:{free_port()}")


def test_every_reason_is_told() -> None:
    async def scenario(engine: Engine, clock: ManualClock) -> None:
        with pytest.raises(UpstreamBroken) as caught:
            await names(engine)
        message = caught.value.message
        assert "Provider 'a' answered 503." in message
        assert "Provider 'b' could not be reached" in message

    with scripted() as provider:
        provider.answers = [DOWN]
        play(scenario, provider.url, f"http://127.0.0.1:{free_port()}")


def test_who_waits_when_the_engine_closes_is_told() -> None:
    async def scenario(engine: Engine, clock: ManualClock) -> None:
        asked = asyncio.create_task(names(engine))
        await asyncio.sleep(0)
        await engine.close()
        with pytest.raises(UpstreamBroken, match="shutting down"):
            await asked

    with scripted() as provider:
        provider.answers = [listing("m")]
        play(scenario, provider.url)


def test_no_provider_of_a_dialect_lists_nothing() -> None:
    async def scenario(engine: Engine, clock: ManualClock) -> None:
        page = json.loads(await engine.catalogue.page("anthropic"))
        assert page == {"data": [], "has_more": False, "first_id": None, "last_id": None}

    play(scenario, "http://127.0.0.1:9")
