"""Room goes to who makes more of it."""

import random

from headrace.cache.reuse.admission import AdmissionGate


def gate(draw: float = 0.99, **settings: float) -> AdmissionGate:
    return AdmissionGate(uniform=lambda: draw, **settings)


def test_room_is_free_until_somebody_had_to_leave() -> None:
    assert gate().admits(0.0, 0.0, 1000)


def test_what_saves_less_per_byte_than_what_leaves_is_refused() -> None:
    door = gate(margin=1.0)
    for _ in range(500):
        door.left(0.5, 0.02, 1000)
    assert door.admits(0.5, 0.021, 1000)
    assert not door.admits(0.5, 0.019, 1000)
    assert not door.admits(0.5, 0.021, 2000)
    assert door.refused == 2


def test_the_margin_says_how_much_of_the_price_is_enough() -> None:
    door = gate(margin=0.5)
    for _ in range(500):
        door.left(1.0, 0.02, 1000)
    assert door.admits(1.0, 0.011, 1000)
    assert not door.admits(1.0, 0.009, 1000)


def test_some_of_the_refused_come_in_so_that_the_price_can_fall() -> None:
    door = AdmissionGate(uniform=random.Random(1).random, probe_share=0.1)
    door.left(1.0, 1e9, 1)
    before = door.price
    admitted = sum(door.admits(0.1, 0.01, 1000) for _ in range(1000))
    assert 60 <= admitted <= 140
    for _ in range(500):
        door.left(0.1, 0.01, 1000)
    assert door.price < before / 1000
