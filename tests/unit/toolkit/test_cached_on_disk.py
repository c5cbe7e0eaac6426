"""`@cached` with its answers on disk."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.waiting import eventually

from headrace import CacheInfo, NotStorable, SimpleCache, cached
from headrace.clock import ManualClock

ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 60


class Disk:
    """A cache on disk with a clock that stands still, and a function that counts its calls."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.cache = SimpleCache(path=folder / "cache.db", clock=self.clock)
        self.calls: list[Any] = []

    def count(self, *arguments: Any) -> int:
        self.calls.append(arguments)
        return len(self.calls)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.cache.close()


def test_answers_are_kept(disk: Disk) -> None:
    @cached(ttl=10, backend=disk.cache)
    def answer(question: Any, *, tone: float = 0.5) -> int:
        return disk.count(question, tone)

    questions: list[Any] = ["a", 1, 1.0, True, [1], (1,), {"a": None}, b"a", None, 0.0, -0.0]
    answers = [answer(question, tone=0.1) for question in questions]
    assert answers == [answer(tone=0.1, question=question) for question in questions]
    assert len(disk.calls) == len(questions)
    assert answer.cache_info() == CacheInfo(11, 11, None, 11)
    disk.clock.advance(10)
    assert answer("a", tone=0.1) == 12


def test_functions_stay_apart_and_leave_other_keys_alone(disk: Disk) -> None:
    @cached(backend=disk.cache)
    def first(number: int) -> list[Any]:
        return ["first", number]

    @cached(backend=disk.cache)
    def second(number: int) -> list[Any]:
        return ["second", number]

    disk.cache.set("mine", 1)
    assert [first(1), second(1), first(1)] == [["first", 1], ["second", 1], ["first", 1]]
    first.cache_clear()
    assert first.cache_info() == CacheInfo(0, 0, None, 0)
    assert second.cache_info() == CacheInfo(0, 1, None, 1)
    assert disk.cache.get("mine") == 1
    assert second.invalidate(1)
    assert not second.invalidate(1)


def test_every_caller_gets_an_answer_of_its_own(disk: Disk) -> None:
    @cached(backend=disk.cache)
    def answer() -> list[int]:
        return [1]

    answer()
    answer().append(2)
    assert answer() == [1]


def test_what_cannot_be_stored_is_told(disk: Disk) -> None:
    @cached(backend=disk.cache)
    def answer() -> tuple[int, ...]:
        return (1, 2)

    with pytest.raises(NotStorable, match="tuple"):
        answer()


def test_arguments_that_only_this_process_knows_are_refused(disk: Disk) -> None:
    class Asks:
        @cached(backend=disk.cache)
        def plain(self, number: int) -> int:
            return disk.count(number)

        @cached(backend=disk.cache, key=lambda self, number: number)
        def keyed(self, number: int) -> int:
            return disk.count(number)

    with pytest.raises(TypeError, match=r"other processes understand.*key="):
        Asks().plain(1)
    assert (Asks().keyed(1), Asks().keyed(1)) == (1, 1)


def test_a_key_function_that_fails_costs_the_caching_only(disk: Disk) -> None:
    failing = cached(backend=disk.cache, key=lambda: 1 / 0)(disk.count)
    assert (failing(), failing()) == (1, 2)
    assert failing.cache_errors().key_errors == 2
    assert not failing.invalidate()


def test_a_disk_that_cannot_be_used_costs_the_caching_only(disk: Disk) -> None:
    answer = cached(backend=disk.cache)(disk.count)
    answer(1)
    disk.cache.close()
    assert (answer(1), answer(1)) == (2, 3)
    errors = answer.cache_errors()
    assert errors.backend_errors > 0
    assert "closed" in errors.last_backend_error


def test_stale_answers_are_given_while_new_ones_are_computed(disk: Disk) -> None:
    let = threading.Event()
    let.set()

    @cached(ttl=10, stale=5, backend=disk.cache)
    def answer() -> int:
        assert let.wait(LIMIT_S)
        return disk.count()

    assert answer() == 1
    disk.clock.advance(12)
    let.clear()
    assert [answer(), answer()] == [1, 1]
    let.set()
    eventually(lambda: answer() == 2)
    disk.clock.advance(16)
    assert answer() == 3


class Doubles:
    def __call__(self, number: int) -> int:
        return 2 * number


@pytest.mark.parametrize("function", [lambda number: number, partial(pow, 2), Doubles()])
def test_functions_without_a_name_would_be_mixed_up_and_are_refused(
    disk: Disk, function: Any
) -> None:
    with pytest.raises(TypeError, match="no name of its own"):
        cached(backend=disk.cache)(function)


PROGRAM = """
import sys
from headrace import SimpleCache, cached
with SimpleCache(path=sys.argv[1]) as cache:
    @cached(backend=cache)
    def answer(question):
        return sys.argv[2]
    print(answer("why"), end=" ")
"""


def test_programs_that_share_a_file_are_told_apart_and_known_again(tmp_path: Path) -> None:
    said = ""
    for program in ("one", "other"):
        (tmp_path / f"{program}.py").write_text(PROGRAM)
    for program, word in (("one", "a"), ("other", "b"), ("one", "c"), ("other", "d")):
        said += subprocess.run(
            [sys.executable, tmp_path / f"{program}.py", tmp_path / "cache.db", word],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    assert said == "a b a b "


def test_coroutines_are_kept_too(disk: Disk) -> None:
    @cached(backend=disk.cache)
    async def answer(number: int) -> int:
        await asyncio.sleep(0)
        return disk.count(number)

    async def main() -> None:
        assert await asyncio.gather(*(answer(7) for _ in range(20))) == [1] * 20
        assert await answer(7) == 1

    asyncio.run(main())


def test_another_process_finds_the_answers(tmp_path: Path) -> None:
    program = """
import sys
from headrace import SimpleCache, cached
with SimpleCache(path=sys.argv[1]) as cache:
    @cached(backend=cache)
    def answer(question, **more):
        print("computing")
        return {"to": question[0]}
    print(answer(["why", 1.5, {"b": None, "a": {"x", "y"}}], z=1, y=2))
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", program, tmp_path / "cache.db"],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.split("\n")
        for seed in (1, 2)
    ]
    assert said[0][0] == "computing"
    assert said[1][0] == "{'to': 'why'}"
