"""However often the policy changes, every key that is held leaves exactly once."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.cache.policy import SelectingPolicy
from headrace.cache.policy.contest import ContestRules

# Any gain is enough for a change.
RESTLESS = ContestRules(
    uses_half_life=8, uses_per_round=1, uses_dwell=1, margin=0.0, deviations=0.0
)
ROOM = 1000


# Keys that left the real cache, and no shadow, come in again.
_AGAIN = (
    b"\xe7\xdf~V\xea\xa1\x94wG\x90\xe0;E\x7f\xad_-p\x0c\xe4"
    b"\x18\x07\xd0\xe3`}\x91\xbf\r\x90A\x16\x99p2\x1b\xf7X\xae'"
)


@given(data=st.binary(min_size=200, max_size=1200), keys_max=st.integers(1, 20))
@example(data=_AGAIN, keys_max=4)
def test_keys_are_neither_lost_nor_doubled(data: bytes, keys_max: int) -> None:
    policy = SelectingPolicy[int](
        bytes_max=ROOM, entries_max=10, keys_max=keys_max, share_max=1.0, rules=RESTLESS
    )
    held: dict[int, int] = {}
    for action, facts in zip(data[::2], data[1::2], strict=False):
        key = facts % 16
        if action < 15 and key in held:
            policy.remove(key)
            del held[key]
        elif action < 20:
            policy.resize(bytes_max=10 * action, entries_max=1 + action % 10)
        elif key in held:
            policy.touch(key)
        else:
            held[key] = 1 + facts * 2
            policy.insert(key, held[key], action / 1000)
            while sum(held.values()) > ROOM or len(held) > 10:
                del held[policy.evict()]
        assert policy.state.keys <= keys_max
    assert sorted(policy.evict() for _ in sorted(held)) == sorted(held)
    with pytest.raises(KeyError):
        policy.evict()


def test_such_runs_do_change_the_policy() -> None:
    policy = SelectingPolicy[int](bytes_max=ROOM, entries_max=10, share_max=1.0, rules=RESTLESS)
    held: set[int] = set()
    chance = random.Random(1)
    for number in range(3000):
        # Now all of them in turn, now a few of them by chance.
        key = number % 14 if number // 100 % 2 else int(20 * chance.random() ** 2)
        if key in held:
            policy.touch(key)
        else:
            held.add(key)
            policy.insert(key, 100, 0.001)
            if len(held) > 10:
                held.remove(policy.evict())
    assert policy.state.changes > 10
