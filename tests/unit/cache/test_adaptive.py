"""Lifetimes move where observations say so, and nowhere else."""

import random
from itertools import pairwise
from math import exp

import pytest

from headrace.cache.adaptive import AdaptiveTtl, LastAnswers, answer_digest, same_answer
from headrace.cache.changes import stale_share


def engine(**settings: float) -> AdaptiveTtl:
    given: dict[str, float] = {"ttl_s": 600.0, "ttl_min_s": 60.0, "ttl_max_s": 86_400.0}
    return AdaptiveTtl(uniform=random.Random(2).random, **{**given, **settings})  # type: ignore[arg-type]


def live(ttls: AdaptiveTtl, rate: float, checks: int = 2000, noise: float = 0.0) -> list[float]:
    """Check answers of even ages, as the lifetimes of the time have it."""
    dice = random.Random(4)
    path = []
    for _ in range(checks):
        age_s = dice.uniform(0.0, ttls.ttl_s("news"))
        is_same = dice.random() < (1.0 - noise) * exp(-rate * age_s)
        ttls.observe("news", age_s, changed=not is_same)
        path.append(ttls.ttl_s("news"))
    return path


@pytest.mark.parametrize(("rate", "noise"), [(1 / 1200, 0.0), (1 / 20_000, 0.0), (1 / 5000, 0.1)])
def test_the_lifetime_settles_where_staleness_is_as_wanted(rate: float, noise: float) -> None:
    path = live(engine(), rate, noise=noise)
    settled = sorted(path[-500:])[250]
    assert stale_share(rate * settled) == pytest.approx(0.05, rel=0.8)


def test_what_never_changes_lives_as_long_as_allowed() -> None:
    assert live(engine(), 0.0, checks=3000)[-1] == 86_400.0


def test_what_changes_all_the_time_lives_as_short_as_allowed() -> None:
    assert live(engine(), 1.0)[-1] == 60.0


def test_a_lifetime_moves_by_bounded_steps() -> None:
    path = [600.0, *live(engine(), 1 / 100_000)]
    moves = [after / before for before, after in pairwise(path)]
    assert max(moves) <= 1.5 + 1e-9
    assert min(moves) >= 0.5 - 1e-9
    assert path[20] == 600.0, "it moved before there were twenty observations"


def test_a_category_that_nothing_is_known_of_has_the_usual_lifetime() -> None:
    assert engine().ttl_s("never seen") == 600.0


def test_categories_are_bounded_and_the_longest_unobserved_one_goes() -> None:
    ttls = engine(categories_max=3)
    for name in "abcad":
        ttls.observe(name, 10.0, changed=False)
    assert [known.category for known in ttls.report()] == ["c", "a", "d"]


def test_checks_take_their_share_of_hits() -> None:
    ttls = engine(shadow_share=0.01)
    assert 70 <= sum(ttls.wants_check() for _ in range(10_000)) <= 130


@pytest.mark.parametrize(("share", "checked"), [(0.0, 0), (1.0, 500)])
def test_none_or_all_hits_can_be_checked(share: float, checked: int) -> None:
    ttls = engine(shadow_share=share)
    assert sum(ttls.wants_check() for _ in range(500)) == checked


@pytest.mark.parametrize(
    "settings",
    [
        {"ttl_min_s": 700.0},
        {"ttl_max_s": 500.0},
        {"ttl_min_s": 0.0},
        {"stale_share_max": 0.0},
        {"shadow_share": 1.5},
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"ttl_s|shares"):
        engine(**settings)


SAID = (
    b'{"id":"a","created":1,"choices":[{"message":{"content":"yes","tool_calls":[{"id":"c1"}]}}]}'
)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (SAID, True),
        (SAID.replace(b'"a"', b'"b"').replace(b"c1", b"c2").replace(b":1,", b":2,"), True),
        (b'{"choices":[{"message":{"tool_calls":[{}],"content":"yes"}}]}', True),
        (SAID.replace(b"yes", b"no"), False),
        (b"not json", False),
        (b"[" * 100_000, False),
        (b'"\xff"', False),
    ],
)
def test_answers_are_the_same_where_they_say_the_same(other: bytes, same: bool) -> None:
    assert same_answer(SAID, other) is same


def test_what_is_not_json_is_compared_by_its_bytes() -> None:
    assert same_answer(b"plain", b"plain")
    assert not same_answer(b"plain", b"plane")


def test_what_was_said_last_tells_of_a_change_though_the_answer_has_left() -> None:
    last = LastAnswers()
    assert last.replace(b"k", answer_digest(SAID), 0.0) is None
    again = SAID.replace(b'"a"', b'"b"')
    assert last.replace(b"k", answer_digest(again), 60.0) == (60.0, False)
    other = SAID.replace(b"yes", b"no")
    assert last.replace(b"k", answer_digest(other), 100.0) == (40.0, True)


def test_what_was_said_last_is_bounded() -> None:
    last = LastAnswers(keys_max=2)
    for key in (b"a", b"b", b"a", b"c"):
        last.replace(key, b"", 0.0)
    assert len(last) == 2
    assert last.replace(b"b", b"", 0.0) is None
