"""Warming at set times: a file of prompts is asked by the gateway itself, before callers do.

It is told once when a run begins and once when it ends; requests never wait for it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from hashlib import blake2b
from math import inf
from pathlib import Path
from typing import Any, Final, Protocol

from headrace.cache.turns import Turns
from headrace.cache.warm_file import Prompt, WarmFileInvalid, read_prompts
from headrace.clock import Clock
from headrace.dialects.base import Dialect
from headrace.gateway.pipeline import Pipeline
from headrace.gateway.warming.run import WarmRun
from headrace.model import DialectName
from headrace.observe.event_log import Level, Value
from headrace.settings.cron import Cron, Every
from headrace.settings.schema import WarmSettings

# A clock that went back further than this was set; less is the drift that is put right all along.
_SET_BACK_S: Final = 60.0
_NAME_BYTES: Final = 20

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Say(Protocol):
    """Tells the log, as `EventLog.say` does."""

    def __call__(self, level: Level, event: str, about: str = "", **fields: Value) -> None: ...


class Warming:
    """Runs the file of prompts when it is time. Belongs to one event loop.

    Args:
        warm: which file, and when; `None` for none.
        pipeline: who answers.
        dialects: the grammars, by name.
        turns: who of all processes that share a tier does it, where any is shared.
        clock: the time.
        spawn: starts background tasks.
        say: tells the log.
    """

    def __init__(
        self,
        warm: WarmSettings | None,
        *,
        pipeline: Pipeline,
        dialects: Mapping[DialectName, Dialect],
        turns: Turns | None,
        clock: Clock,
        spawn: Spawn,
        say: Say,
    ) -> None:
        self._pipeline = pipeline
        self._dialects = dialects
        self._turns = turns
        self._clock = clock
        self._spawn = spawn
        self._say = say
        self._runs = 0
        self._is_running = False
        self._is_stopped = False
        self._task: asyncio.Task[Any] | None = None
        self._timetable: Cron | Every | None = None
        self._due_s = inf
        self._seen_s = -inf
        self._warm: WarmSettings | None = None
        self.adopt(warm)

    def adopt(self, warm: WarmSettings | None) -> None:
        """Go by other settings; a run that is under way goes on as it began."""
        if warm == self._warm or self._is_stopped:
            return
        self._warm = warm
        self._timetable = None if warm is None else warm.timetable
        self._set(self._clock.wall_s())

    def tick(self) -> None:
        """See whether it is time; called several times a second."""
        warm = self._warm
        if warm is None:
            return
        now_s = self._clock.wall_s()
        if now_s < self._seen_s - _SET_BACK_S:
            self._set(now_s)
        self._seen_s = now_s
        if now_s < self._due_s:
            return
        due_s = self._due_s
        self._set(now_s)
        self._runs += 1
        if self._is_running:
            self._tell("warm_skipped", detail="the run before is still under way")
        elif self._pipeline.plan.cache_enabled:
            self._is_running = True
            self._spawn(self._run(warm, due_s))

    def stop(self) -> None:
        """Give up the run that is under way, and begin no other."""
        self._is_stopped, self._warm = True, None
        if self._task is not None:
            self._task.cancel()

    def _set(self, now_s: float) -> None:
        self._seen_s = now_s
        self._due_s = inf if self._timetable is None else self._timetable.next_s(now_s)

    async def _run(self, warm: WarmSettings, due_s: float) -> None:
        self._task = asyncio.current_task()
        try:
            if self._turns is not None and not await self._turns.claim(_name(warm, due_s)):
                self._tell("warm_skipped", detail="another process does it")
                return
            try:
                prompts = await asyncio.to_thread(_read, warm.file)
            except (WarmFileInvalid, OSError) as error:
                self._tell("warm_refused", "warning", file=warm.file, detail=str(error))
                return
            await self._ask(prompts, warm)
        finally:
            self._is_running, self._task = False, None

    async def _ask(self, prompts: tuple[Prompt, ...], warm: WarmSettings) -> None:
        pipeline, now_s = self._pipeline, self._clock.monotonic_s
        run = WarmRun(prompts, warm, pipeline=pipeline, dialects=self._dialects, now_s=now_s)
        tally, began_s = run.tally, now_s()
        self._tell(
            "warm_began",
            file=warm.file,
            tenant=warm.tenant,
            lines=len(prompts),
            usd_max=warm.usd_max,
        )
        try:
            await run.run()
        finally:
            self._tell(
                "warm_ended",
                "warning" if tally.failed or tally.not_stored else "info",
                why=tally.ended,
                asked=tally.asked,
                there=tally.there,
                not_stored=tally.not_stored,
                failed=tally.failed,
                left=tally.left,
                usd=round(tally.usd, 6),
                seconds=round(now_s() - began_s, 3),
                detail=tally.trouble or None,
            )

    def _tell(self, event: str, level: Level = "info", **fields: Value) -> None:
        # Each run is news: told apart by its number, none is taken for a repetition.
        self._say(level, event, about=f"run {self._runs}", **fields)


def _read(name: str) -> tuple[Prompt, ...]:
    with Path(name).open("rb") as file:
        return read_prompts(file, name)


def _name(warm: WarmSettings, due_s: float) -> bytes:
    """The same for every process that is to do the same at the same time."""
    return blake2b(
        f"warm {due_s} {warm.tenant} {warm.file}".encode(), digest_size=_NAME_BYTES
    ).digest()
