"""The simulated world of routers: the same each time, and as blind as real prompts are."""

import pytest
from benchmarks.prompt.routing_case import (
    CALLS_FEWER_MIN,
    cost,
    find_pairs,
    make_world,
    point,
    random_cost,
    scores_of,
)
from benchmarks.prompt.routing_world import quality, requests

from headrace.routing.complexity.measures import apgr


def test_the_same_seed_makes_the_same_requests() -> None:
    assert requests(200, 1) == requests(200, 1)
    assert requests(200, 1) != requests(200, 2)


def test_the_strong_model_is_right_wherever_the_cheap_one_is() -> None:
    made = requests(500, 3)
    assert all(each.loss in (0.0, 1.0) for each in made)
    assert quality(made, [False] * 500) < quality(made, [True] * 500)


def test_length_says_as_little_as_it_does_of_real_answers() -> None:
    """RouteLLM's files: .586 and .601."""
    made = requests(4_000, 4)
    found = apgr([each.features.length for each in made], [each.loss for each in made])
    assert 0.56 <= found.value <= 0.61


@pytest.mark.heavy
def test_costs_are_those_of_the_calls() -> None:
    world, pair = make_world(5, 1.0), find_pairs()[0]
    strong, cheap = [True] * len(world.asked), [False] * len(world.asked)
    assert cost(world.asked, strong, pair) == 1.0
    assert cost(world.asked, cheap, pair) == pytest.approx(0.2)
    assert random_cost(world, pair, 0.5) == pytest.approx(0.6)
    oracle = point(world, world.scores["oracle"], pair, 0.8)
    learnt = point(world, scores_of(world, "calibrated", pair), pair, 0.8)
    assert oracle.strong_share < learnt.strong_share < 0.8 - CALLS_FEWER_MIN


@pytest.mark.heavy
def test_who_knows_what_answers_cost_pays_less() -> None:
    world, pair = make_world(6, 1.0), find_pairs()[0]
    plain = point(world, scores_of(world, "calibrated", pair), pair, 0.5)
    known = point(world, scores_of(world, "by length", pair), pair, 0.5)
    assert known.cost < 0.9 * plain.cost
