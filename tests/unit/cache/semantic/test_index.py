"""The nearest vectors: exact, from a thread, and from a graph."""

import asyncio

import numpy as np
import pytest

from headrace.cache.semantic.graph import Graph
from headrace.cache.semantic.index import ExactIndex, ScopeIndex, Vector

DIMENSIONS = 16


def vectors(count: int, seed: int = 1) -> list[Vector]:
    """Random vectors of length one."""
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSIONS)).astype(np.float32)
    return list(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def key(number: int) -> bytes:
    return number.to_bytes(4, "big")


def brute_force(held: dict[bytes, Vector], vector: Vector, count: int) -> list[bytes]:
    return sorted(held, key=lambda name: -float(held[name] @ vector))[:count]


def test_nothing_is_near_in_an_empty_index() -> None:
    assert ExactIndex(DIMENSIONS).nearest(vectors(1)[0], 3) == []


def test_room_is_given_back() -> None:
    index = ExactIndex(DIMENSIONS)
    empty = index.weight_bytes
    for number, vector in enumerate(vectors(500)):
        index.add(key(number), vector)
    assert index.weight_bytes >= 500 * DIMENSIONS * 4
    for number in range(500):
        index.remove(key(number))
    assert index.weight_bytes == empty


def test_what_is_not_held_cannot_be_removed() -> None:
    with pytest.raises(KeyError):
        ExactIndex(DIMENSIONS).remove(b"no")


def test_a_scan_is_settled_by_what_the_rows_hold_now() -> None:
    index = ExactIndex(DIMENSIONS)
    held = dict(enumerate(vectors(10)))
    for number, vector in held.items():
        index.add(key(number), vector)
    rows = index.scan(held[0], 10)()
    index.remove(key(0))  # the last row takes its place
    near = index.settle(rows, held[0])
    assert key(0) not in dict(near)
    for name, similarity in near:
        vector = held[int.from_bytes(name, "big")]
        assert similarity == pytest.approx(float(vector @ held[0]), abs=1e-5)


def test_a_large_scope_is_searched_in_a_thread_and_as_exactly() -> None:
    held = {key(number): vector for number, vector in enumerate(vectors(2500))}

    async def run() -> list[tuple[bytes, float]]:
        index = ScopeIndex(DIMENSIONS, 3000)
        for name, vector in held.items():
            await index.add(name, vector)
        assert index.is_exact
        return await index.nearest(held[key(7)], 5)

    near = asyncio.run(run())
    assert [name for name, _ in near] == brute_force(held, held[key(7)], 5)


def test_beyond_the_bound_a_graph_takes_over_with_all_that_is_held() -> None:
    held = {key(number): vector for number, vector in enumerate(vectors(600))}

    async def run() -> ScopeIndex:
        index = ScopeIndex(DIMENSIONS, 300)
        for name, vector in held.items():
            await index.add(name, vector)
        assert not index.is_exact
        assert len(index) == 600
        found = 0
        for name, vector in held.items():
            near = await index.nearest(vector, 3)
            found += near[0][0] == name
            assert near[0][1] == pytest.approx(1.0, abs=1e-4) or near[0][0] != name
        assert found >= 590
        return index

    index = asyncio.run(run())
    assert index.weight_bytes > 600 * DIMENSIONS * 4


def test_what_is_removed_from_a_graph_is_not_found() -> None:
    held = {key(number): vector for number, vector in enumerate(vectors(200))}

    async def run() -> None:
        index = ScopeIndex(DIMENSIONS, 100)
        for name, vector in held.items():
            await index.add(name, vector)
        for number in range(0, 200, 2):
            index.remove(key(number))
        assert len(index) == 100
        for number in range(0, 200, 2):
            near = await index.nearest(held[key(number)], 5)
            assert len(near) == 5
            assert all(int.from_bytes(name, "big") % 2 for name, _ in near)
        with pytest.raises(KeyError):
            index.remove(key(0))

    asyncio.run(run())


def test_a_key_that_comes_again_is_found_by_its_new_vector_only() -> None:
    first, second = vectors(2)

    async def run() -> None:
        index = ScopeIndex(DIMENSIONS, 1)
        for name in (b"a", b"b", b"a"):
            await index.add(name, first)
        await index.add(b"a", second)
        near = dict(await index.nearest(second, 5))
        assert near[b"a"] == pytest.approx(1.0, abs=1e-4)
        assert len(near) == len(index) == 2

    asyncio.run(run())


def test_searches_go_on_while_the_graph_is_built() -> None:
    held = {key(number): vector for number, vector in enumerate(vectors(900))}

    async def run() -> None:
        index = ScopeIndex(DIMENSIONS, 899)
        names = list(held)
        for name in names[:899]:
            await index.add(name, held[name])
        building = asyncio.create_task(index.add(names[899], held[names[899]]))
        await asyncio.sleep(0)
        searches, gone = 0, set[bytes]()
        while not building.done():
            near = await index.nearest(held[names[searches % 100]], 1)
            assert near[0][0] == names[searches % 100]
            searches += 1
            if searches <= 50:
                gone.add(names[800 + searches])
                index.remove(names[800 + searches])
            await asyncio.sleep(0)
        await building
        assert gone
        assert not index.is_exact
        assert len(index) == 900 - len(gone)
        for name in names[800:]:
            near = await index.nearest(held[name], 3)
            assert (name in dict(near)) is (name not in gone)

    asyncio.run(run())


def test_what_changes_while_the_graph_is_built_is_found_as_it_is_now() -> None:
    held = {key(number): vector for number, vector in enumerate(vectors(900))}
    changed = vectors(1, seed=2)[0]

    async def run() -> None:
        index = ScopeIndex(DIMENSIONS, 899)
        names = list(held)
        for name in names[:899]:
            await index.add(name, held[name])
        building = asyncio.create_task(index.add(names[899], held[names[899]]))
        await asyncio.sleep(0)
        assert not building.done()
        await index.add(names[0], changed)  # of the first batch, which is under way
        await building
        near = await index.nearest(changed, 1)
        assert near == [(names[0], pytest.approx(1.0, abs=1e-4))]

    asyncio.run(run())


def test_a_graph_forgets_before_the_vector_is_gone() -> None:
    graph = Graph(DIMENSIONS)
    held = {key(number): vector for number, vector in enumerate(vectors(20))}
    graph.adding(list(held.items()))()
    graph.forget(key(3))
    near = graph.settle(graph.search(held[key(3)], 20), 20)
    assert len(graph) == len(near) == 19
    assert key(3) not in dict(near)
    graph.forget(key(3))
    assert len(graph) == 19
