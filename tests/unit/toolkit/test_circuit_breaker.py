"""The public face of the breaker: blocks, functions, coroutines, threads, listeners."""

import asyncio
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from headrace.clock import ManualClock
from headrace.flow.breaker import State
from headrace.toolkit.circuit_breaker import CircuitBreaker, CircuitOpen


def make(clock: ManualClock, **more: Any) -> CircuitBreaker:
    given = {"calls_min": 2, "probes": 1, "open_s": 5.0, "uniform": lambda: 0.0, **more}
    return CircuitBreaker(clock=clock, **given)


def break_(breaker: CircuitBreaker, times: int = 2) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError), breaker.call():
            raise ConnectionError


def test_block_is_refused_while_open_and_let_through_after() -> None:
    clock = ManualClock()
    breaker = make(clock)
    break_(breaker)
    with pytest.raises(CircuitOpen) as refused, breaker.call():
        raise AssertionError("was let through")
    assert refused.value.retry_after_s == 5.0
    assert "5.0 s" in refused.value.message
    clock.advance(5.0)
    with breaker.call():
        assert breaker.state is State.HALF_OPEN
    assert breaker.stats().state is State.CLOSED
    assert (breaker.stats().opened, breaker.stats().refused) == (1, 1)


def test_functions_and_coroutines_are_guarded() -> None:
    breaker = make(ManualClock())

    @breaker
    def ask(word: str, *, fail: bool = False) -> str:
        if fail:
            raise ConnectionError
        return word

    @breaker
    async def ask_later(*, fail: bool) -> str:
        if fail:
            raise ConnectionError
        return "later"

    assert ask("mill") == "mill"
    assert ask.__name__ == "ask"
    assert asyncio.run(ask_later(fail=False)) == "later"
    with pytest.raises(ConnectionError):
        ask("mill", fail=True)
    with pytest.raises(ConnectionError):
        asyncio.run(ask_later(fail=True))
    with pytest.raises(CircuitOpen):
        asyncio.run(ask_later(fail=False))


def test_generators_are_refused() -> None:
    def count() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        make(ManualClock())(count)


def test_async_block_that_is_cancelled_counts_for_nothing() -> None:
    breaker = make(ManualClock())

    async def hang() -> None:
        async with breaker.call():
            await asyncio.Event().wait()

    async def main() -> None:
        for _ in range(3):
            task = asyncio.ensure_future(hang())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert breaker.stats().calls == 0


def test_cancelled_probe_lets_another_pass() -> None:
    clock = ManualClock()
    breaker = make(clock)
    break_(breaker)
    clock.advance(5.0)
    with pytest.raises(KeyboardInterrupt), breaker.call():
        raise KeyboardInterrupt
    with breaker.call():
        pass
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize(
    "failures",
    [ConnectionError, (ConnectionError, OSError), lambda error: isinstance(error, OSError)],
)
def test_only_failures_count_as_such(failures: Any) -> None:
    breaker = make(ManualClock(), failures=failures)
    for _ in range(5):
        with pytest.raises(ValueError, match="bad"), breaker.call():
            raise ValueError("bad question")
    assert (breaker.stats().calls, breaker.stats().failures) == (5, 0)
    break_(breaker, 5)
    assert breaker.state is State.OPEN


def test_slow_calls_are_measured_on_its_clock() -> None:
    clock = ManualClock()
    breaker = make(clock, slow_s=2.0, slow_rate=1.0)
    for _ in range(2):
        with breaker.call():
            clock.advance(2.5)
    assert breaker.state is State.OPEN


def test_window_of_calls() -> None:
    clock = ManualClock()
    breaker = make(clock, window_calls=4, calls_min=4)
    break_(breaker, 1)
    clock.advance(1e6)
    for _ in range(2):
        with breaker.call():
            pass
    break_(breaker, 1)
    assert breaker.state is State.OPEN


def test_listeners_are_told_and_harm_nobody() -> None:
    clock = ManualClock()
    told: list[tuple[State, State]] = []

    def fall_over(old: State, new: State) -> None:
        raise RuntimeError("listener")

    breaker = make(clock, listeners=[fall_over, lambda old, new: told.append((old, new))])
    break_(breaker)
    clock.advance(5.0)
    with breaker.call():
        pass
    breaker.open()
    breaker.close()
    closed, open_, half = State.CLOSED, State.OPEN, State.HALF_OPEN
    assert told == [
        (closed, open_),
        (open_, half),
        (half, closed),
        (closed, open_),
        (open_, closed),
    ]
    assert breaker.stats().listener_errors == 5


def test_listener_may_use_the_breaker() -> None:
    breaker = make(ManualClock(), listeners=[lambda old, new: breaker.stats()])
    break_(breaker)
    assert breaker.stats().listener_errors == 0


def test_threads_lose_no_call() -> None:
    breaker = make(ManualClock(), window_calls=100_000)

    def work() -> None:
        for _ in range(500):
            with breaker.call():
                pass

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert breaker.stats().calls == 4000


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="failure_rate"):
        CircuitBreaker(failure_rate=2)
