"""Listeners are told once of each thing, whatever they do."""

import threading
from typing import Any

import pytest

from headrace import Cache
from headrace.toolkit.telling import ROUNDS_MAX, Telling

LIMIT_S = 60


def test_a_listener_may_use_the_cache_and_is_told_of_that_too() -> None:
    heard: list[tuple[str, str]] = []

    def keep_a_trace(key: str, value: int, reason: str) -> None:
        heard.append((key, reason))
        if not key.startswith("trace"):
            cache.set(f"trace of {key}", value)
        cache.get(key)

    cache: Cache[str, int] = Cache(max_size=2, listeners=[keep_a_trace])
    for number, key in enumerate("abc"):
        cache.set(key, number)
    assert heard[0] == ("a", "capacity")
    assert ("b", "capacity") in heard
    assert cache.stats().listener_errors == 0


def test_a_listener_that_changes_the_cache_each_time_comes_to_an_end() -> None:
    heard: list[str] = []

    def set_again(key: str, value: int, reason: str) -> None:
        heard.append(reason)
        cache.set(key, value + 1)

    cache: Cache[str, int] = Cache(max_size=2, listeners=[set_again])
    cache.set("a", 1)
    cache.set("a", 2)
    assert heard == ["replaced"] * ROUNDS_MAX
    assert (cache.stats().listener_errors, len(cache)) == (0, 1)
    cache.set("a", 1)
    assert len(heard) > ROUNDS_MAX


def test_an_interrupt_goes_on_and_the_rest_is_told_later() -> None:
    heard: list[str] = []
    telling = Telling([lambda key, _value, _reason: heard.append(key) or heard[1:] or interrupt()])

    def interrupt() -> None:
        raise KeyboardInterrupt

    telling.left.extend([("a", 1, "removed"), ("b", 2, "removed")])
    with pytest.raises(KeyboardInterrupt):
        telling.tell()
    telling.tell()
    assert heard == ["a", "b"]


def test_threads_tell_without_waiting_for_each_other() -> None:
    begun, let = threading.Event(), threading.Event()
    heard: list[Any] = []

    def listen(key: str, _value: int, _reason: str) -> None:
        if key == "slow":
            begun.set()
            assert let.wait(LIMIT_S)
        heard.append(key)

    cache: Cache[str, int] = Cache(max_size=5, listeners=[listen])
    cache.set("slow", 1)
    cache.set("fast", 1)
    thread = threading.Thread(target=cache.delete, args=("slow",))
    thread.start()
    assert begun.wait(LIMIT_S)
    cache.delete("fast")
    assert heard == ["fast"]
    let.set()
    thread.join(LIMIT_S)
    assert heard == ["fast", "slow"]
