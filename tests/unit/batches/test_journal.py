"""Results come to the disk while the batch is held, and whoever waits for that hears the end."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from headrace.batches.journal import Journal
from headrace.batches.results import Overtaken, Result, ResultFile, Totals, Writing

WORDS = Writing("01hf7yat00")


class Case:
    """A journal, and whether it may write."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "output"
        self.may_write = True
        self.was_asked = asyncio.Event()
        self.troubles: list[OSError] = []
        self.files = ResultFile(self.path), ResultFile(folder / "errors")
        self.journal = Journal(
            *self.files,
            Totals(),
            may_write=self._may_write,
            on_trouble=self.troubles.append,
            spawn=asyncio.ensure_future,
            now_s=lambda: 0.0,
        )

    def _may_write(self) -> bool:
        self.was_asked.set()
        return self.may_write

    async def until_refused(self) -> None:
        self.was_asked.clear()
        await self.was_asked.wait()


def result(number: int) -> Result:
    return Result(WORDS.answered(number, f"c{number}", 200, b"{}"), True)


def run(use: Callable[[Case], Awaitable[None]], folder: Path) -> None:
    async def main() -> None:
        await use(Case(folder))

    asyncio.run(asyncio.wait_for(main(), 60))


def test_what_comes_while_the_batch_is_not_held_is_written_once_it_is(tmp_path: Path) -> None:
    async def use(case: Case) -> None:
        case.may_write = False
        putting = asyncio.ensure_future(case.journal.put(result(1)))
        await case.until_refused()
        assert case.path.read_bytes() == b""
        case.may_write = True
        await putting
        assert case.path.read_bytes() == result(1).line
        assert case.journal.totals.completed == 1
        await case.journal.close()

    run(use, tmp_path)


def test_who_waits_is_told_when_it_is_over(tmp_path: Path) -> None:
    async def use(case: Case) -> None:
        case.may_write = False
        putting = [asyncio.ensure_future(case.journal.put(result(n))) for n in range(3)]
        await case.until_refused()
        await case.journal.close()
        for each in putting:
            with pytest.raises(Overtaken):
                await each
        assert case.journal.totals == Totals()

    run(use, tmp_path)


def test_what_another_process_has_gone_on_with_is_left_alone(tmp_path: Path) -> None:
    async def use(case: Case) -> None:
        await case.journal.put(result(1))
        other = ResultFile(case.path)
        other.recover(bytearray(10), is_good=True, totals=Totals())
        other.append(result(2).line)
        for number in (3, 4):
            with pytest.raises(Overtaken):
                await case.journal.put(result(number))
        await case.journal.close()
        assert case.path.read_bytes() == result(1).line + result(2).line
        other.append(result(3).line)
        other.close()
        assert case.troubles == []

    run(use, tmp_path)
