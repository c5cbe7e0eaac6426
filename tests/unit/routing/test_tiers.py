"""Which tier answers: shares that come about, sessions that never come down, bounds."""

from random import Random

import pytest

from headrace.routing.complexity.features import Features, Reading
from headrace.routing.complexity.weights import Scorer, Weights, probability
from headrace.routing.tiers import (
    Decision,
    Fixed,
    Quality,
    Shares,
    Tier,
    TierChooser,
    TierTerms,
)

# The logit is 8 length - 4, so that length .5 is a probability of one half.
SCORER = Scorer(Weights(-4.0, {"length": 8.0}))
FIXED = Fixed(0.3, 0.7)


def reading(length: float, *, is_read: bool = True) -> Reading:
    return Reading(Features(length=length), is_read)


def chooser(**terms: object) -> TierChooser:
    return TierChooser(TierTerms(**{"margin": 0.0, **terms}), SCORER)  # type: ignore[arg-type]


def choose(of: TierChooser, length: float, session: bytes = b"", now_s: float = 0.0) -> Decision:
    return of.choose(reading(length), session, now_s)


def test_fixed_thresholds_part_the_scores() -> None:
    of = chooser(goal=FIXED)
    assert [choose(of, length).tier for length in (0.1, 0.5, 0.9)] == list(Tier)
    assert choose(of, 0.1).why == "score"
    assert choose(of, 0.5).probability == pytest.approx(0.5)


def test_nothing_is_certain_before_there_are_scores() -> None:
    of = chooser(goal=Shares(0.5, 0.5), scores_min=10, default=Tier.STANDARD)
    first = [choose(of, at / 10) for at in range(9)]
    assert {(each.tier, each.why) for each in first} == {(Tier.STANDARD, "cold")}
    for _ in range(100):  # thresholds are found from time to time
        later = choose(of, 0.0)
    assert (later.tier, later.why) == (Tier.CHEAP, "score")


@pytest.mark.parametrize(("cheap", "strong"), [(0.5, 0.5), (0.7, 0.1), (0.2, 0.3), (1.0, 0.0)])
def test_the_shares_that_are_set_come_about(cheap: float, strong: float) -> None:
    random, of = Random(1), chooser(goal=Shares(cheap, strong), scores_min=100)
    tiers = [choose(of, random.random()).tier for _ in range(6_000)][1_000:]
    assert tiers.count(Tier.CHEAP) / 5_000 == pytest.approx(cheap, abs=0.03)
    assert tiers.count(Tier.STRONG) / 5_000 == pytest.approx(strong, abs=0.03)


def test_the_shares_come_about_with_sessions_too() -> None:
    random, of = Random(2), chooser(goal=Shares(0.6, 0.4), scores_min=100)
    sessions = [random.randbytes(4) for _ in range(1_500)]
    tiers = []
    for at in range(12_000):
        # Sessions come and go: about ten at a time, eight requests each.
        session = sessions[min(at // 8 + random.randrange(10), len(sessions) - 1)]
        tiers.append(choose(of, random.random(), session).tier)
    assert tiers[4_000:].count(Tier.STRONG) / 8_000 == pytest.approx(0.4, abs=0.04)


def test_shares_follow_the_traffic_as_it_changes() -> None:
    random, of = Random(3), chooser(goal=Shares(0.5, 0.5), scores_min=50, half_life_s=60.0)
    for at in range(2_000):
        choose(of, random.random() * 0.5, now_s=at * 0.1)
    tiers = [
        choose(of, 0.5 + random.random() * 0.5, now_s=200 + at * 0.5).tier for at in range(2_000)
    ]
    assert tiers[:50].count(Tier.STRONG) > 45
    assert tiers[-500:].count(Tier.STRONG) / 500 == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize("share", [0.8, 0.9, 0.97])
def test_quality_is_what_the_probabilities_say(share: float) -> None:
    random, of = Random(4), chooser(goal=Quality(share), scores_min=100)
    found = [choose(of, random.random()) for _ in range(6_000)][1_000:]
    losses = sum(each.probability for each in found if each.tier is Tier.CHEAP)
    assert 1 - losses / 5_000 == pytest.approx(share, abs=0.01)
    assert {each.tier for each in found} == {Tier.CHEAP, Tier.STRONG}


def test_near_a_threshold_the_default_answers() -> None:
    of = chooser(goal=FIXED, margin=0.05, default=Tier.STRONG)
    just_below = (4 - 0.9) / 8  # a probability of .31
    assert choose(of, just_below).why == "near"
    assert choose(of, just_below).tier is Tier.STRONG
    assert choose(of, 0.1).why == "score"


def test_no_margin_where_there_is_no_threshold() -> None:
    of = chooser(goal=Fixed(0.0, 0.0), margin=0.05, default=Tier.CHEAP)
    assert choose(of, 0.01).tier is Tier.STRONG


def test_what_was_not_read_goes_to_the_default_and_teaches_nothing() -> None:
    of = chooser(goal=Shares(0.5, 0.5), scores_min=1, default=Tier.STANDARD)
    for _ in range(100):
        found = of.choose(reading(0.9, is_read=False), b"", 0.0)
    assert (found.tier, found.why) == (Tier.STANDARD, "unread")
    assert of.told(0.0)["scores"] == 0


def test_a_session_never_comes_down() -> None:
    of = chooser(goal=FIXED)
    assert choose(of, 0.1, b"s").tier is Tier.CHEAP
    assert choose(of, 0.5, b"s").tier is Tier.STANDARD
    assert choose(of, 0.9, b"s").tier is Tier.STRONG
    again = choose(of, 0.1, b"s")
    assert again.tier is Tier.STRONG
    assert choose(of, 0.1, b"other").tier is Tier.CHEAP
    assert choose(of, 0.1).tier is Tier.CHEAP


def test_a_conversation_goes_on_from_its_opening() -> None:
    of = chooser(goal=FIXED)
    of.choose(reading(0.9), b"opening", 0.0, is_new=True)
    later = of.choose(reading(0.1), b"one", 1.0, opening=b"opening")
    assert (later.tier, later.why) == (Tier.STRONG, "session")
    # Who begins with the same words is nobody's session.
    assert of.choose(reading(0.1), b"opening", 2.0, is_new=True).tier is Tier.CHEAP
    assert of.choose(reading(0.1), b"one", 3.0, opening=b"opening").tier is Tier.STRONG
    assert of.choose(reading(0.1), b"two", 3.0, opening=b"opening").tier is Tier.CHEAP


def test_a_session_never_comes_down_whatever_thresholds_do() -> None:
    random, of = Random(5), chooser(goal=Shares(0.5, 0.2), scores_min=20, half_life_s=5.0)
    highest: dict[bytes, Tier] = {}
    for at in range(5_000):
        session = b"%d" % random.randrange(50)
        # What is hard today is easy tomorrow.
        found = choose(of, min(1.0, random.random() * at / 5_000), session, now_s=at / 10)
        assert found.tier >= highest.get(session, Tier.CHEAP)
        highest[session] = found.tier
    assert set(highest.values()) == {Tier.STRONG}


def test_a_session_that_was_away_for_long_begins_anew() -> None:
    of = chooser(goal=FIXED, session_idle_s=60.0)
    choose(of, 0.9, b"s", now_s=0.0)
    assert choose(of, 0.1, b"s", now_s=60.0).tier is Tier.STRONG
    assert choose(of, 0.1, b"s", now_s=120.1).tier is Tier.CHEAP


def test_sessions_are_bounded() -> None:
    of = chooser(goal=FIXED, sessions_max=1_000)
    for at in range(50_000):
        choose(of, 0.9, b"%d" % at, now_s=at * 1e-6)
    assert of.told(1.0)["sessions"] == 1_000
    assert choose(of, 0.1, b"49999").tier is Tier.STRONG
    assert choose(of, 0.1, b"1").tier is Tier.CHEAP


def test_idle_sessions_leave_as_others_come() -> None:
    of = chooser(goal=FIXED, sessions_max=1_000_000, session_idle_s=10.0)
    for at in range(2_000):
        choose(of, 0.9, b"%d" % at, now_s=at * 0.1)
    sessions = of.told(200.0)["sessions"]
    assert sessions is not None
    assert sessions <= 102


def test_what_is_told_are_probabilities() -> None:
    of = chooser(goal=FIXED)
    told = of.told(0.0)
    assert (told["cheap_below"], told["strong_from"]) == (0.3, 0.7)
    assert chooser(goal=Shares(0.5, 0.5)).told(0.0)["cheap_below"] is None
    assert chooser(goal=Fixed(0.0, 1.0)).told(0.0)["strong_from"] == 1.0
    assert probability(0.0) == 0.5


def test_for_a_dollar_short_answers_go_to_the_strong_model_first() -> None:
    """Two kinds that are as hard; answers to one of them are ten times as long."""
    of = chooser(goal=Shares(0.5, 0.5), scores_min=10, per_dollar=True)
    assert of.lengths is not None
    brief, long = Features(length=0.5), Features(length=0.5, code=1.0)
    for at in range(400):
        features = (brief, long)[at % 2]
        decision = of.choose(Reading(features, is_read=True), b"", 0.0)
        assert decision.probability == pytest.approx(0.5)
        of.lengths.learn(features, (100, 1000)[at % 2])
    assert of.choose(Reading(brief, is_read=True), b"", 0.0).tier is Tier.STRONG
    assert of.choose(Reading(long, is_read=True), b"", 0.0).tier is Tier.CHEAP
    # A long prompt is dear as well.
    dear = of.choose(Reading(brief, is_read=True), b"", 0.0, input_as_output=5000)
    assert dear.tier is Tier.CHEAP
    assert of.peek(Reading(brief, is_read=True), 0.0).tier is Tier.STRONG
    assert of.told(0.0)["cheap_below"] is None
