"""The public face of the retry budget: loops, functions, coroutines, threads."""

import asyncio
from collections.abc import AsyncIterator
from threading import Thread
from typing import Any

import pytest

from headrace.clock import ManualClock
from headrace.errors import Overloaded
from headrace.flow.retry import Again
from headrace.toolkit.retry_budget import RetryBudget


def make(**more: Any) -> RetryBudget:
    return RetryBudget(**{"clock": ManualClock(), "uniform": lambda: 0.0, **more})


class Flaky:
    """Fails so often, and then answers."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.calls = 0
        self.failures = failures
        self.error = error or ConnectionError("broke")

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return f"answer {self.calls}"

    async def later(self) -> str:
        return self()


def test_function_is_tried_again_until_it_answers() -> None:
    budget, flaky = make(), Flaky(2)
    assert budget.retrying()(flaky.__call__)() == "answer 3"
    assert budget.stats().requests == 1
    assert budget.stats().retries == 2
    assert budget.stats().left == pytest.approx(1.1)


def test_coroutine_is_tried_again_until_it_answers() -> None:
    budget, flaky = make(), Flaky(2)
    assert asyncio.run(budget.retrying()(flaky.later)()) == "answer 3"
    assert budget.stats().retries == 2


def test_last_error_goes_through_when_tries_are_used_up() -> None:
    flaky = Flaky(9)
    with pytest.raises(ConnectionError, match="broke"):
        make().retrying(tries=2)(flaky.__call__)()
    assert flaky.calls == 2


def test_spent_budget_leaves_one_try_for_each_request() -> None:
    budget = make(floor=3)
    flaky = Flaky(1000)
    for _ in range(100):
        with pytest.raises(ConnectionError):
            budget.retrying(tries=5)(flaky.__call__)()
    assert flaky.calls == 100 + budget.stats().retries
    assert budget.stats().retries == 13
    assert budget.stats().refused > 80


def test_block_is_run_again_in_a_loop() -> None:
    flaky = Flaky(1)
    numbers = []
    for attempt in make().attempts():
        with attempt:
            numbers.append(attempt.number)
            answer = flaky()
    assert (numbers, answer) == ([1, 2], "answer 2")


def test_block_is_run_again_on_a_loop() -> None:
    async def main() -> list[int]:
        flaky, numbers = Flaky(2), []
        async for attempt in make().attempts():
            with attempt:
                numbers.append(attempt.number)
                await flaky.later()
        return numbers

    assert asyncio.run(main()) == [1, 2, 3]


def test_what_is_no_exception_goes_through_at_once() -> None:
    budget = make()
    for attempt in budget.attempts(on=lambda error: True):
        with pytest.raises(KeyboardInterrupt), attempt:
            raise KeyboardInterrupt
    assert budget.stats().retries == 0


@pytest.mark.parametrize(
    ("on", "calls"),
    [
        (ValueError, 2),
        ((KeyError, ValueError), 2),
        (KeyError, 1),
        (lambda error: str(error) == "odd", 2),
        (lambda error: Again.ELSEWHERE, 1),
        (lambda error: Again.HERE, 2),
    ],
)
def test_caller_says_what_may_be_tried_again(on: Any, calls: int) -> None:
    flaky = Flaky(9, ValueError("odd"))
    with pytest.raises(ValueError, match="odd"):
        make().retrying(tries=2, on=on)(flaky.__call__)()
    assert flaky.calls == calls


def test_wrong_question_is_asked_once() -> None:
    flaky = Flaky(9, ValueError("odd"))
    with pytest.raises(ValueError, match="odd"):
        make().retrying()(flaky.__call__)()
    assert flaky.calls == 1


def test_deadline_counts_from_the_call_and_what_the_provider_asks_for() -> None:
    clock = ManualClock()
    budget = make(clock=clock)
    patient = Flaky(9, Overloaded("busy", retry_after_s=10.0))
    ask = budget.retrying(deadline_s=10.0, on=Overloaded)(patient.__call__)
    clock.advance(100.0)
    with pytest.raises(Overloaded):
        ask()
    assert patient.calls == 1


def test_deposits_and_spending_by_hand() -> None:
    budget = make(share=0.5, floor=0)
    assert not budget.try_spend()
    budget.deposit()
    budget.deposit()
    assert budget.try_spend()
    assert not budget.try_spend()


def test_threads_share_one_budget() -> None:
    budget = make(share=0.1, floor=0)

    def work() -> None:
        for _ in range(250):
            budget.deposit()
            budget.try_spend()

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.stats().requests == 2000
    assert budget.stats().retries == 200


def test_generators_and_numbers_that_make_no_sense_are_refused() -> None:
    async def stream() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        make().retrying()(stream)
    for bad in ({"tries": 0}, {"base_s": -1.0}, {"base_s": 2.0, "max_s": 1.0}):
        with pytest.raises(ValueError, match="tries"):
            make().retrying(**bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="share"):
        RetryBudget(1.5)
