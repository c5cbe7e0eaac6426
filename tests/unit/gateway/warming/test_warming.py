"""When the file of prompts is run: by a clock that the test moves, and files that are not there."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from headrace.clock import ManualClock
from headrace.gateway.engine import Engine
from headrace.gateway.warming.warming import Warming
from headrace.observe.cells import Cells
from headrace.observe.event_log import Level, Value
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.settings import CacheSettings, ProviderSettings, Settings
from headrace.settings.schema import WarmSettings

LANE = ProviderSettings(dialect="openai", base_url="http://127.0.0.1:1/v1", warm_connections=0)
NOON_S = 1_700_006_400.0  # 2023-11-15T00:00:00Z
HOUR_S = 3600.0
NOWHERE = WarmSettings(file="/nowhere/prompts.jsonl", at="0 4 * * *")

Said = dict[str, Any]


class Scene:
    """A gateway's warming, its clock, what it said and what it started."""

    def __init__(self, warm: WarmSettings | None, *, cache: CacheSettings | None = None) -> None:
        self.clock = ManualClock(NOON_S)
        layout = Layout()
        cells = Cells(layout.size)
        self.engine = Engine(
            Settings(providers={"p": LANE}, cache=cache or CacheSettings()),
            clock=self.clock,
            metrics=Metrics(layout, cells.row(), cells.slots, self.clock),
            on_bug=lambda bug: None,
            on_unreachable=lambda provider, error: None,
            on_tier=lambda tier, is_up, why: None,
            say=lambda *told, **more: None,
        )
        self.said: list[Said] = []
        self.started: list[asyncio.Task[None]] = []
        self.warming = Warming(
            warm,
            pipeline=self.engine.pipeline,
            dialects=self.engine.dialects,
            turns=None,
            clock=self.clock,
            spawn=self._spawn,
            say=self._say,
        )

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.started.append(asyncio.get_running_loop().create_task(coroutine))

    def _say(self, level: Level, event: str, about: str = "", **fields: Value) -> None:
        self.said.append({"level": level, "event": event, "about": about, **fields})

    async def go(self, seconds: float) -> int:
        """Let time pass, tick, and wait for what was started; says how many runs that were."""
        self.clock.advance(seconds)
        self.warming.tick()
        started, self.started = self.started, []
        await asyncio.gather(*started)
        return len(started)


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def test_it_runs_when_the_minute_has_come_and_once():
    async def test() -> None:
        scene = Scene(NOWHERE)
        assert await scene.go(0) == 0
        assert await scene.go(4 * HOUR_S - 1) == 0
        assert await scene.go(1) == 1
        assert await scene.go(1) == 0
        assert await scene.go(23 * HOUR_S) == 0
        assert await scene.go(HOUR_S) == 1

    play(test)


def test_what_was_slept_through_is_run_once():
    async def test() -> None:
        scene = Scene(NOWHERE)
        assert await scene.go(10 * 24 * HOUR_S) == 1
        assert await scene.go(HOUR_S) == 0

    play(test)


def test_every_so_often_begins_at_the_same_time_everywhere():
    async def test() -> None:
        scene = Scene(WarmSettings(file="/nowhere", every_s=600))
        await scene.go(100)
        scene.warming.adopt(WarmSettings(file="/elsewhere", every_s=600))
        assert await scene.go(499) == 0
        assert await scene.go(1) == 1
        assert await scene.go(599) == 0
        assert await scene.go(1) == 1

    play(test)


def test_a_clock_that_was_set_back_does_not_end_it():
    async def test() -> None:
        scene = Scene(NOWHERE)
        assert await scene.go(5 * HOUR_S) == 1
        assert await scene.go(-3 * HOUR_S) == 0  # two o'clock again
        assert await scene.go(2 * HOUR_S) == 1

    play(test)


def test_a_clock_that_is_put_right_by_a_little_runs_nothing_twice():
    async def test() -> None:
        scene = Scene(NOWHERE)
        assert await scene.go(4 * HOUR_S) == 1
        assert await scene.go(-2) == 0
        assert await scene.go(2) == 0

    play(test)


def test_other_settings_count_from_their_reload_on():
    async def test() -> None:
        scene = Scene(None)
        assert await scene.go(5 * HOUR_S) == 0
        scene.warming.adopt(NOWHERE)
        assert await scene.go(22 * HOUR_S) == 0
        scene.warming.adopt(NOWHERE)  # a reload that changes nothing
        assert await scene.go(HOUR_S) == 1
        scene.warming.adopt(None)
        assert await scene.go(24 * HOUR_S) == 0

    play(test)


def test_after_the_end_nothing_begins():
    async def test() -> None:
        scene = Scene(NOWHERE)
        scene.warming.stop()
        scene.warming.adopt(NOWHERE)
        assert await scene.go(5 * HOUR_S) == 0

    play(test)


def test_without_a_cache_there_is_nothing_to_warm():
    async def test() -> None:
        scene = Scene(NOWHERE, cache=CacheSettings(enabled=False))
        assert await scene.go(5 * HOUR_S) == 0
        assert scene.said == []

    play(test)


def test_a_run_waits_for_the_one_before():
    async def test() -> None:
        scene = Scene(NOWHERE)
        scene.clock.advance(5 * HOUR_S)
        scene.warming.tick()
        scene.clock.advance(24 * HOUR_S)
        scene.warming.tick()
        assert len(scene.started) == 1
        [skipped] = scene.said
        assert (skipped["event"], skipped["about"]) == ("warm_skipped", "run 2")
        await scene.go(0)
        assert await scene.go(24 * HOUR_S) == 1

    play(test)


def test_a_file_that_cannot_be_read_is_told_and_tried_again(tmp_path: Path):
    async def test() -> None:
        file = tmp_path / "prompts.jsonl"
        scene = Scene(WarmSettings(file=str(file), at="0 * * * *"))
        await scene.go(HOUR_S)
        file.write_text('{"prompt": 5}\n')
        await scene.go(HOUR_S)
        assert [(told["level"], told["event"]) for told in scene.said] == [
            ("warning", "warm_refused")
        ] * 2
        assert "No such file" in scene.said[0]["detail"]
        assert scene.said[1]["detail"].startswith(f"{file}:1: ")

    play(test)
