"""Two calls have the same key exactly if they say the same."""

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace.toolkit.call_key import CallKeys
from headrace.toolkit.freezing import freeze, frozen_bytes

PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.0, -0.0, 1.0, math.inf, math.nan])
    | st.sampled_from(["", "a", "1", "a:", "\ud800"])
    | st.sampled_from([b"", b"a", b"1"])
)
HASHABLE = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=2).map(tuple), max_leaves=4)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(["a", "b", "c", "d"])
CALLS = st.tuples(st.lists(VALUES, max_size=3), st.dictionaries(NAMES, VALUES, max_size=3))


def takes_any(*args: Any, **kwargs: Any) -> None: ...


def said(value: Any) -> str:
    """A value in words, the same for the same: slow, plain, and nothing like the keys."""
    kind = type(value).__name__
    if isinstance(value, dict):
        return f"{kind}{sorted((said(key), said(inner)) for key, inner in value.items())}"
    if isinstance(value, set):
        return f"{kind}{sorted(map(said, value))}"
    if isinstance(value, list | tuple):
        return f"{kind}{list(map(said, value))}"
    return f"{kind} {value!r}"


@given(VALUES, VALUES)
def test_frozen_values_are_equal_exactly_if_they_say_the_same(one: Any, other: Any) -> None:
    same = said(one) == said(other)
    assert (freeze(one) == freeze(other)) is same
    assert (frozen_bytes(freeze(one)) == frozen_bytes(freeze(other))) is same
    if same:
        assert hash(freeze(one)) == hash(freeze(other))


@given(CALLS, CALLS)
def test_calls_have_one_key_exactly_if_they_say_the_same(one: Any, other: Any) -> None:
    keys = CallKeys(takes_any)
    made = [keys.key(tuple(args), kwargs) for args, kwargs in (one, other)]
    same = said(list(one)) == said(list(other))
    assert (made[0] == made[1]) is same
    assert (frozen_bytes(made[0]) == frozen_bytes(made[1])) is same


@given(CALLS)
def test_names_in_another_order_make_the_same_key(call: Any) -> None:
    args, kwargs = call
    keys = CallKeys(takes_any)
    turned = dict(reversed(kwargs.items()))
    assert keys.key(tuple(args), kwargs) == keys.key(tuple(args), turned)
