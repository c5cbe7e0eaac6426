"""Uses by key: counted a few at a time, taken once, bounded both ways."""

from headrace.cache.uses import UseCounter


def test_uses_are_counted_by_key_and_taken_once():
    uses = UseCounter()
    for key in (b"a", b"b", b"a"):
        uses.note(key)
    assert uses.take() == {}
    uses.count(9)
    assert uses.take() == {b"a": 2, b"b": 1}
    assert uses.take() == {}


def test_a_step_counts_so_many_at_most():
    uses = UseCounter()
    for _ in range(10):
        uses.note(b"a")
    uses.count(4)
    assert uses.take() == {b"a": 4}
    uses.count(99)
    assert uses.take() == {b"a": 6}


def test_what_waits_is_bounded_and_so_are_keys():
    uses = UseCounter(waiting_max=5, keys_max=2)
    for key in (b"z", b"z", b"a", b"b", b"c", b"a", b"b"):
        uses.note(key)
    uses.count(99)
    assert uses.take() == {b"a": 2, b"b": 2}
