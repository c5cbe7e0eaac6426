"""The library face from its start to its end, and where its settings come from."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.adapter import CHAT, Loop, play, settings_for, soon

from headrace import Adapter, Completion, NotRunning, SettingsInvalid, UpstreamBroken
from headrace.settings import load_settings
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim


def test_it_is_used_where_it_runs_only(sim: ThreadedSim) -> None:
    adapter = Adapter(settings_for(sim.url))

    async def ask() -> Completion:
        return await adapter.generate("Hi", model=CHAT)

    async def refused(code: str) -> None:
        with pytest.raises(NotRunning) as caught:
            await ask()
        assert caught.value.code == code
        with pytest.raises(NotRunning):
            adapter.stream("Hi", model=CHAT)

    async def live() -> None:
        await refused("not_started")
        await adapter.close()  # nothing to close is fine
        await adapter.start()
        assert (await ask()).text
        with pytest.raises(NotRunning, match="starts only once"):
            await adapter.start()
        await asyncio.to_thread(asyncio.run, refused("wrong_loop"))
        await adapter.close()
        await adapter.close()
        await refused("closed")

    asyncio.run(live())
    assert adapter.metrics()["requests"]["miss"] == 1


def test_connections_are_open_before_the_first_call(loop: Loop, sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter) -> None:
        assert adapter.metrics()["upstream_connections"]["idle"] == 6
        assert sim.stats().requests_total == 0

    play(loop, sim, scenario, warm_connections=3)


def test_a_provider_that_is_down_does_not_keep_it_from_starting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def live() -> None:
        async with Adapter(settings_for("http://127.0.0.1:1")):
            pass

    asyncio.run(live())
    assert "could not be reached" in caplog.text


def test_models_are_those_of_whoever_can_say(sim: ThreadedSim) -> None:
    both = settings_for(sim.url)["providers"]
    down = settings_for("http://127.0.0.1:1")["providers"]

    async def models(**providers: Any) -> tuple[str, ...]:
        async with Adapter({"providers": providers}) as adapter:
            return await adapter.models()

    assert CHAT in asyncio.run(models(openai=both["openai"], anthropic=down["anthropic"]))
    with pytest.raises(UpstreamBroken, match="No provider could say"):
        asyncio.run(models(**down))


def test_the_end_waits_for_calls_under_way(loop: Loop, sim: ThreadedSim) -> None:
    async def live() -> None:
        sim.script(Fault(kind=FaultKind.SLOW, delay_ms=1000))
        adapter = Adapter(settings_for(sim.url))
        await adapter.start()
        call = asyncio.create_task(adapter.generate("Last", model=CHAT))
        await soon(lambda: sim.stats().inflight == 1)
        closing = asyncio.create_task(adapter.close())
        assert (await call).text
        await closing
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(live())


def test_the_end_gives_up_on_calls_above_the_limit(loop: Loop, sim: ThreadedSim) -> None:
    async def live() -> None:
        sim.script(Fault(kind=FaultKind.STALL_BEFORE))
        async with Adapter(settings_for(sim.url), close_timeout_s=0.05) as adapter:
            call = asyncio.create_task(adapter.generate("Stuck", model=CHAT))
            await soon(lambda: sim.stats().inflight == 1)
        with pytest.raises(NotRunning, match="closed before"):
            await call
        await soon(lambda: sim.stats().connections_open == 0)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(live())


def test_settings_come_from_anywhere(
    sim: ThreadedSim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GEMINI_API_KEY", "MISTRAL_API_KEY", "HEADRACE_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{sim.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    path = tmp_path / "headrace.yaml"
    path.write_text(json.dumps(settings_for(sim.url)), "utf-8")
    mapping = settings_for("${URL}")
    monkeypatch.setenv("URL", sim.url)

    async def ask(source: Any) -> None:
        async with Adapter(source) as adapter:
            assert (await adapter.generate("Hi", model=CHAT)).text

    for source in (None, path, str(path), mapping, load_settings(path)):
        asyncio.run(ask(source))
    assert any(
        request.headers.get("authorization") == "Bearer sk-from-the-environment"
        for request in sim.stats().last_requests
    )


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"providers": {"a": {"dialect": "openai", "base_uri": "http://x"}}}, "base_url"),
        ({"providers": object()}, "not plain data"),
        ("/nowhere/at/all.yaml", "cannot be read"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_once(source: Any, told: str) -> None:
    with pytest.raises(SettingsInvalid, match=told):
        Adapter(source)
