"""What records steps, by itself."""

import asyncio
import threading
from typing import Any

from tests.support.stores import Place
from tests.support.waiting import eventually

from headrace.jobs.durable import DoStep, DurableSteps
from headrace.jobs.job import Job
from headrace.store.workflow_engine import make_workflow_engine


def job(number: int) -> Job:
    return Job(
        id=f"job{number}",
        tenant="t",
        caller="",
        kind="k",
        queue="q",
        priority=5,
        state="running",
        digest="",
        created_s=0.0,
        due_s=0.0,
        attempts_max=3,
        fence=1,
    )


async def body(step: DoStep) -> Any:
    async def work() -> str:
        return "done"

    return await step("one", work)


def test_who_is_cancelled_while_it_opens_leaves_it_to_the_others(place: Place) -> None:
    reached, go = threading.Event(), threading.Event()
    made: list[str] = []

    def engine() -> Any:
        made.append("engine")
        reached.set()
        assert go.wait(60)
        return make_workflow_engine(place.url, place.folder)

    async def main() -> None:
        steps = DurableSteps(engine, "w")
        try:
            first = asyncio.create_task(steps.run(job(1), body))
            await asyncio.to_thread(reached.wait, 60)
            first.cancel()
            await asyncio.wait((first,))
            others = [asyncio.create_task(steps.run(job(n), body)) for n in (2, 3)]
            go.set()
            async with asyncio.timeout(60):
                assert await asyncio.gather(*others) == ["done", "done"]
        finally:
            go.set()
            steps.close()

    asyncio.run(main())
    assert made == ["engine"]


def test_what_was_opened_for_nobody_is_closed(place: Place) -> None:
    reached, go = threading.Event(), threading.Event()

    def engine() -> Any:
        reached.set()
        assert go.wait(60)
        return make_workflow_engine(place.url, place.folder)

    async def main() -> None:
        steps = DurableSteps(engine, "w")
        first = asyncio.create_task(steps.run(job(1), body))
        await asyncio.to_thread(reached.wait, 60)
        first.cancel()
        await asyncio.wait((first,))
        go.set()
        steps.close()

    before = set(threading.enumerate())
    for _ in range(2):  # the second would be refused by what the first had left
        asyncio.run(main())
    eventually(lambda: set(threading.enumerate()) <= before)
