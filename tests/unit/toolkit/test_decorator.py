"""`@cached` on functions, methods and coroutines, called by one at a time."""

import asyncio
import functools
import gc
import inspect
import math
import weakref
from typing import Any

import pytest

from headrace import Cache, CacheInfo, cached
from headrace.clock import ManualClock


class Counted:
    """A function that counts its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> int:
        self.calls.append((*args, *kwargs.items()))
        return len(self.calls)


def test_a_call_is_made_once() -> None:
    counted = Counted()

    @cached(ttl=60)
    def double(number: int) -> int:
        """Twice as much."""
        counted(number)
        return 2 * number

    assert [double(2), double(2), double(3), double(number=2)] == [4, 4, 6, 4]
    assert counted.calls == [(2,), (3,)]
    assert double.cache_info() == CacheInfo(hits=2, misses=2, maxsize=1000, currsize=2)
    assert double.__wrapped__(2) == 4
    assert (double.__name__, double.__doc__) == ("double", "Twice as much.")  # type: ignore[attr-defined]


def test_it_needs_no_arguments_of_its_own() -> None:
    counted = Counted()

    @cached
    def count() -> int:
        return counted()

    assert (count(), count()) == (1, 1)


def test_arguments_may_be_anything_and_are_not_confused() -> None:
    counted = Counted()
    function = cached(counted)
    questions: list[Any] = [1, 1.0, True, "1", [1], (1,), {"a": [1]}, {"a": [True]}, None]
    answers = [function(question) for question in questions]
    assert answers == [function(question) for question in questions] == list(range(1, 10))


def test_none_is_an_answer() -> None:
    counted = Counted()

    @cached
    def nothing() -> None:
        counted()

    assert (nothing(), nothing()) == (None, None)
    assert len(counted.calls) == 1


def test_exceptions_are_not_kept() -> None:
    counted = Counted()

    @cached
    def fail() -> None:
        raise ValueError(counted())

    for attempt in (1, 2):
        with pytest.raises(ValueError, match=str(attempt)):
            fail()
    assert fail.cache_info().currsize == 0


def test_wrong_arguments_raise_what_the_function_raises() -> None:
    @cached
    def function(a: int) -> int:
        return a

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        function()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="multiple values"):
        function(1, a=1)  # type: ignore[misc]


def test_answers_leave_when_their_time_is_up() -> None:
    clock = ManualClock()
    counted = Counted()
    function = cached(ttl=10, backend=Cache(clock=clock))(counted)
    assert function() == 1
    clock.advance(9)
    assert function() == 1
    clock.advance(1)
    assert function() == 2


def test_the_number_of_answers_is_bounded() -> None:
    function = cached(max_size=2)(Counted())
    for number in range(10):
        function(number)
    assert function.cache_info() == CacheInfo(0, 10, 2, 2)


def test_the_weight_of_answers_is_bounded() -> None:
    @cached(max_size=None, max_bytes=20_000)
    def blank(size: int) -> bytes:
        return bytes(size)

    for size in range(4000, 4010):
        blank(size)
    assert blank.cache_info() == CacheInfo(0, 10, None, 4)


def test_one_answer_can_be_dropped() -> None:
    function = cached(Counted())
    assert (function(1, x=[2]), function(3)) == (1, 2)
    assert function.invalidate(1, x=[2])
    assert not function.invalidate(1, x=[2])
    assert (function(1, x=[2]), function(3)) == (3, 2)


def test_all_answers_can_be_dropped_and_counting_begins_anew() -> None:
    function = cached(Counted())
    function(1)
    function(1)
    function.cache_clear()
    assert function.cache_info() == CacheInfo(0, 0, 1000, 0)
    assert function(1) == 2
    assert function.cache_info() == CacheInfo(0, 1, 1000, 1)


def test_a_function_may_make_the_key() -> None:
    counted = Counted()

    @cached(key=lambda prompt, client: [prompt])
    def ask(prompt: str, client: object) -> int:
        return counted(prompt)

    assert (ask("a", object()), ask("a", object()), ask("b", client={})) == (1, 1, 2)
    assert ask.invalidate("a", None)


@pytest.mark.parametrize("failing", [lambda x: 1 / 0, lambda x: _Unhashable()])
def test_a_key_function_that_fails_costs_the_caching_and_no_more(failing: Any) -> None:
    counted = Counted()
    function = cached(key=failing)(counted)
    assert (function(1), function(1)) == (1, 2)
    errors = function.cache_errors()
    assert errors.key_errors == 2
    assert errors.last_key_error.partition(" ")[0] in ("ZeroDivisionError", "TypeError")
    assert not function.invalidate(1)
    assert function.cache_info().currsize == 0


class _Unhashable:
    __hash__ = None  # type: ignore[assignment]


def test_an_argument_that_cannot_be_a_key_is_told() -> None:
    function = cached(Counted())
    with pytest.raises(TypeError, match=r"_Unhashable cannot be part of a key.*key="):
        function(_Unhashable())


def test_a_cache_can_be_shared_and_functions_stay_apart() -> None:
    shared: Cache[Any, Any] = Cache(max_size=100)
    first, second = cached(backend=shared)(Counted()), cached(backend=shared)(Counted())
    assert (first(1), first(1), second(1), first(2), second(1)) == (1, 1, 1, 2, 1)
    assert len(shared) == 3
    assert first.cache_info() == CacheInfo(1, 2, 100, 2)
    assert second.cache_info() == CacheInfo(1, 1, 100, 1)
    first.cache_clear()
    assert first.cache_info() == CacheInfo(0, 0, 100, 0)
    assert (first(1), second(1)) == (3, 1)


def test_methods_are_cached_for_each_instance_and_keep_none_alive() -> None:
    counted = Counted()

    class Weir:
        @cached
        def height(self, mark: int) -> int:
            return counted(mark)

    one, other = Weir(), Weir()
    assert [one.height(1), one.height(1), other.height(1), one.height(mark=1)] == [1, 1, 2, 1]
    assert Weir.height.cache_info().hits == 2
    assert one.height.cache_info().hits == 2
    with pytest.raises(TypeError, match=r"Weir\.height\.invalidate\(instance"):
        one.height.invalidate(1)  # type: ignore[attr-defined]
    assert Weir.height.invalidate(one, 1)
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None


def test_class_and_static_methods_are_cached_below_their_decorators() -> None:
    counted = Counted()

    class Weir:
        @classmethod
        @cached
        def build(cls, size: int) -> int:
            return counted(size)

        @staticmethod
        @cached
        def cost(size: int) -> int:
            return counted(size)

    assert [Weir.build(1), Weir().build(1), Weir.cost(1), Weir().cost(1)] == [1, 1, 2, 2]
    for decorator in (classmethod, staticmethod, property):
        with pytest.raises(TypeError, match=f"below @{decorator.__name__}"):
            cached(decorator(Counted()))  # type: ignore[call-overload]


def test_what_can_be_read_once_only_is_refused() -> None:
    def numbers() -> Any:
        yield 1

    async def later() -> Any:
        yield 1

    for function in (numbers, later):
        with pytest.raises(TypeError, match="generator"):
            cached(function)
    with pytest.raises(TypeError, match="cannot be called"):
        cached("text")  # type: ignore[call-overload]


def test_bounds_and_times_are_checked_where_they_are_given() -> None:
    with pytest.raises(ValueError, match="its own bounds"):
        cached(backend=Cache(), max_size=5)
    with pytest.raises(ValueError, match="stale is -1"):
        cached(stale=-1)
    with pytest.raises(ValueError, match="ttl is nan"):
        cached(ttl=math.nan)
    with pytest.raises(ValueError, match="max_size is 0"):
        cached(max_size=0)(Counted())


def test_a_function_may_ask_itself() -> None:
    @cached(max_size=None)
    def fibonacci(number: int) -> int:
        return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)

    assert fibonacci(80) == 23416728348467685
    assert fibonacci.cache_info().misses == 81


def test_a_function_that_asks_for_its_own_answer_does_not_wait_for_itself() -> None:
    depth = 0

    @cached
    def again() -> int:
        nonlocal depth
        depth += 1
        return depth if depth == 3 else again()

    assert (again(), again(), depth) == (3, 3, 3)


def test_coroutines_are_called_once() -> None:
    counted = Counted()

    @cached(ttl=60)
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * counted(number)

    async def main() -> None:
        assert [await double(1), await double(number=1), await double(2)] == [2, 2, 4]
        assert double.cache_info() == CacheInfo(1, 2, 1000, 2)
        assert double.invalidate(1)
        assert await double(1) == 6

    assert inspect.iscoroutinefunction(double)
    asyncio.run(main())
    asyncio.run(main_again(double))


async def main_again(double: Any) -> None:
    assert await double(1) == 6


def test_whatever_gives_coroutines_is_taken_for_one() -> None:
    counted = Counted()

    class Asks:
        async def __call__(self, number: int) -> int:
            return counted(number)

        @cached
        async def method(self, number: int) -> int:
            return counted(number)

    async def main() -> None:
        asks = Asks()
        partial = cached(functools.partial(asks, 1))
        assert [await partial(), await partial()] == [1, 1]
        instance = cached(asks)
        assert [await instance(1), await instance(1)] == [2, 2]
        assert [await asks.method(1), await asks.method(1), await Asks().method(1)] == [3, 3, 4]
        assert inspect.iscoroutinefunction(instance)

    asyncio.run(main())


def test_a_plain_function_that_gives_coroutines_is_refused() -> None:
    async def answer() -> int:
        return 1

    function = cached(lambda *_: answer())
    with pytest.raises(TypeError, match="async def"):
        function()


def test_exceptions_of_coroutines_are_not_kept() -> None:
    counted = Counted()

    @cached
    async def fail() -> None:
        raise ValueError(counted())

    async def main() -> None:
        for attempt in (1, 2):
            with pytest.raises(ValueError, match=str(attempt)):
                await fail()

    asyncio.run(main())


def test_a_key_function_that_fails_leaves_coroutines_uncached() -> None:
    function = cached(key=lambda: 1 / 0)(_count_async())

    async def main() -> None:
        assert (await function(), await function()) == (1, 2)

    asyncio.run(main())
    assert function.cache_errors().key_errors == 2


def _count_async() -> Any:
    counted = Counted()

    async def count() -> int:
        return counted()

    return count
