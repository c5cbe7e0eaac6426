"""Which scopes and entries leave when there are too many."""

import asyncio

import numpy as np

from headrace.cache.semantic.scopes import Scopes

VECTOR = np.array([1.0, 0.0], dtype=np.float32)


def scopes(*, scopes_max: int = 9, entries_max: int = 9, bytes_max: int = 1 << 20) -> Scopes:
    return Scopes(scopes_max=scopes_max, entries_max=entries_max, bytes_max=bytes_max, exact_max=9)


def add(held: Scopes, name: bytes, *keys: bytes, text: str = "why") -> None:
    async def run() -> None:
        for key in keys:
            await held.add(name, key, text, VECTOR)

    asyncio.run(run())


def test_the_scope_used_least_recently_leaves_whole() -> None:
    held = scopes(scopes_max=2)
    add(held, b"one", b"1a", b"1b")
    add(held, b"two", b"2a")
    assert held.scope(b"one") is not None
    add(held, b"three", b"3a")
    assert held.scope(b"two") is None
    assert held.entry(b"2a") is None
    assert (len(held), held.count) == (3, 2)


def test_adding_to_a_scope_is_using_it() -> None:
    held = scopes(scopes_max=2)
    add(held, b"one", b"1a")
    add(held, b"two", b"2a")
    add(held, b"one", b"1b")
    add(held, b"three", b"3a")
    assert held.scope(b"two") is None
    assert held.entry(b"1a") is not None


def test_where_bytes_are_short_the_oldest_scope_gives() -> None:
    held = scopes(bytes_max=12_000)
    add(held, b"one", b"1a", b"1b", text="x" * 1000)
    add(held, b"two", b"2a", text="x" * 1000)
    assert held.entry(b"1a") is None
    assert held.entry(b"1b") is not None
    assert held.entry(b"2a") is not None
    assert held.bytes_held <= 12_000


def test_what_is_larger_than_all_room_is_not_held() -> None:
    held = scopes(bytes_max=4000)
    add(held, b"one", b"1a", text="x" * 2000)
    assert (len(held), held.count, held.bytes_held) == (0, 0, 0)


def test_a_key_is_in_one_scope_only() -> None:
    held = scopes()
    add(held, b"one", b"key")
    add(held, b"two", b"key")
    assert held.scope(b"one") is None
    assert len(held) == 1
