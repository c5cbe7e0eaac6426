"""Background work: what is to go on goes on."""

import asyncio

from headrace.gateway.tasks import Tasks


def test_work_that_is_kept_goes_on_after_a_bug_which_is_told() -> None:
    async def main() -> None:
        bugs: list[BaseException] = []
        problems = [ValueError("a"), TypeError("b")]
        runs = 0

        async def work() -> None:
            nonlocal runs
            runs += 1
            if problems:
                raise problems.pop(0)

        tasks = Tasks(bugs.append, again_s=0.0)
        await tasks.keep(work)
        assert (runs, [str(bug) for bug in bugs], len(tasks)) == (3, ["a", "b"], 0)

    asyncio.run(main())


def test_work_that_is_kept_ends_when_it_is_cancelled() -> None:
    async def main() -> None:
        tasks = Tasks(lambda bug: None)
        task = tasks.keep(_forever)
        await asyncio.sleep(0)
        await tasks.close()
        assert task.cancelled()

    asyncio.run(main())


async def _forever() -> None:
    await asyncio.Event().wait()
