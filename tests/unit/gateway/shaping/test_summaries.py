"""Summaries in the background: asked for once, by a few at a time, and never waited for."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from headrace.errors import BudgetExceeded, UpstreamBroken
from headrace.gateway.shaping.summaries import AT_ONCE_MAX, REST_S, Summaries
from headrace.prompt.window.fit import FitReport

TALK = [{"role": "user", "content": f"word {number}"} for number in range(40)]


class Desk:
    """Summaries whose model says what a test wants, when it wants it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.asked: list[tuple[str, str, int, str]] = []
        self.running: list[asyncio.Task[None]] = []
        self.says: str | Exception = "they counted"
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.summaries = Summaries(self._complete, self._spawn, lambda: self.now_s, 1 << 20)

    async def _complete(
        self, target: str, prompt: str, purpose: str, tokens_max: int, tenant: str
    ) -> str:
        self.asked.append((target, purpose, tokens_max, tenant))
        await self.may_answer.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self.running.append(task)
        return task

    def note(self, end: int = 5, tenant: str = "ann") -> None:
        told = FitReport(
            tokens_before=9, tokens_after=9, budget_tokens=9, left_out=((1, end),), next_out=()
        )
        self.summaries.note("sum/m", tenant, TALK, told, 100)

    def recall(self, end: int = 5, tenant: str = "ann") -> str | None:
        return self.summaries.recall("sum/m", tenant)(TALK[1:end])

    async def done(self) -> None:
        self.summaries.sweep()
        await asyncio.gather(*self.running)


def test_what_is_noted_is_written_and_found() -> None:
    async def run() -> None:
        desk = Desk()
        assert desk.recall() is None
        desk.note()
        assert desk.asked == []  # not on the way of the request
        await desk.done()
        assert desk.asked == [("sum/m", "summary", 100, "ann")]
        assert desk.recall() == "they counted"
        assert desk.recall(tenant="bob") is None
        assert desk.recall(end=6) is None
        desk.note()
        await desk.done()
        assert len(desk.asked) == 1

    asyncio.run(run())


def test_the_same_is_asked_once_and_a_few_at_a_time() -> None:
    async def run() -> None:
        desk = Desk()
        desk.may_answer.clear()
        for _ in range(3):
            for end in range(3, 3 + 2 * AT_ONCE_MAX):
                desk.note(end)
        desk.summaries.sweep()
        await asyncio.sleep(0)
        assert len(desk.asked) == AT_ONCE_MAX
        desk.may_answer.set()
        while desk.running:
            await asyncio.gather(*desk.running)
            desk.running.clear()
            desk.summaries.sweep()
        assert len(desk.asked) == 2 * AT_ONCE_MAX

    asyncio.run(run())


def test_a_model_that_fails_is_left_alone_for_a_while() -> None:
    async def run() -> None:
        desk = Desk()
        desk.says = UpstreamBroken("no")
        desk.note()
        await desk.done()
        desk.says = "they counted"
        desk.note()
        await desk.done()
        assert (len(desk.asked), desk.recall()) == (1, None)
        desk.now_s = REST_S
        desk.note()
        await desk.done()
        assert desk.recall() == "they counted"

    asyncio.run(run())


def test_a_tenant_without_money_does_not_keep_others_from_theirs() -> None:
    async def run() -> None:
        desk = Desk()
        desk.says = BudgetExceeded("no", status=429, retry_after_s=None)
        desk.note()
        await desk.done()
        desk.says = "they counted"
        desk.note(tenant="bob")
        await desk.done()
        assert (desk.recall(), desk.recall(tenant="bob")) == (None, "they counted")

    asyncio.run(run())


def test_nothing_said_is_no_summary() -> None:
    async def run() -> None:
        desk = Desk()
        desk.says = "  \n"
        desk.note()
        await desk.done()
        assert desk.recall() is None
        desk.note()
        await desk.done()
        assert len(desk.asked) == 1  # whoever says nothing is left alone too
        desk.now_s = REST_S
        desk.summaries.resize(0)
        desk.says = "they counted"
        desk.note()
        await desk.done()
        assert desk.recall() is None  # no room for it

    asyncio.run(run())
