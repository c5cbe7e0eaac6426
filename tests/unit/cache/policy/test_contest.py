"""A challenger has to earn more, clearly and for long enough."""

import random

from headrace.cache.policy.contest import Contest, ContestRules

RULES = ContestRules(
    uses_half_life=512, uses_per_round=32, uses_dwell=128, margin=0.05, deviations=3.0
)
LED, OTHER, BOTH, NEITHER = (True, False), (False, True), (True, True), (False, False)


def play(contest: Contest, uses: list[tuple[bool, ...]], worth: float = 1.0) -> list[int]:
    """Book uses and crown whoever should lead; tells at which use that was."""
    changes = []
    for number, hits in enumerate(uses, start=1):
        contest.book(hits, worth)
        if contest.is_round_over and (winner := contest.decide()) is not None:
            contest.crown(winner)
            changes.append(number)
    return changes


def test_who_earns_more_leads_after_the_dwell() -> None:
    contest = Contest(2, leader=0, rules=RULES)
    assert play(contest, [OTHER] * 200) == [RULES.uses_dwell]
    assert contest.leader == 1


def test_the_best_of_several_challengers_leads() -> None:
    contest = Contest(3, leader=0, rules=RULES)
    play(contest, [(False, True, True), (False, False, True)] * 100)
    assert contest.leader == 2


def test_a_gain_below_the_margin_changes_nothing() -> None:
    contest = Contest(2, leader=0, rules=RULES)
    assert play(contest, ([BOTH] * 24 + [OTHER]) * 400) == []
    assert play(contest, ([BOTH] * 14 + [OTHER]) * 400) != []


def test_a_gain_within_the_noise_changes_nothing() -> None:
    contest = Contest(2, leader=0, rules=RULES)
    assert play(contest, [OTHER, OTHER, LED, LED, OTHER, NEITHER] * 20) == []


def test_one_dear_use_proves_nothing() -> None:
    contest = Contest(2, leader=0, rules=RULES)
    assert play(contest, [OTHER], worth=1000.0) == []
    assert play(contest, [BOTH] * 2000) == []


def test_equal_competitors_hardly_ever_replace_each_other() -> None:
    chance = random.Random(5)
    uses = [tuple(chance.random() < 0.4 for _ in range(3)) for _ in range(100_000)]
    assert len(play(Contest(3, leader=0, rules=RULES), uses)) <= 4


def test_what_is_past_counts_less_and_less() -> None:
    contest = Contest(2, leader=0, rules=RULES)
    play(contest, [LED] * 8 * RULES.uses_half_life)
    changes = play(contest, [OTHER] * 2 * RULES.uses_half_life)
    assert len(changes) == 1
    assert changes[0] <= RULES.uses_half_life + RULES.uses_per_round * 10
    assert contest.earned[1] > contest.earned[0]
