"""When what is promised about faults is kept, and that the simulated world is as it is told."""

import pytest
from benchmarks.flow.fault_world import FIRST_BYTE_S_MAX, Clock, Nature, Provider, Way, World
from benchmarks.flow.faults_case import ALL, BOTH, above_budget, row_of


@pytest.mark.parametrize(
    ("values", "is_kept"), [([1.0, 1.0], True), ([0.9995, 0.9985], False), ([0.99, 0.99], False)]
)
def test_whole_interval_has_to_keep_a_promise(values: list[float], *, is_kept: bool) -> None:
    assert row_of("fault mix", ALL, "success, share", values).is_kept is is_kept


def test_nothing_is_promised_of_those_who_do_nothing() -> None:
    assert row_of("fault mix", "one try", "success, share", [0.1]).is_kept is None


def test_retries_above_the_budget_are_seen_in_the_window_where_they_are() -> None:
    provider = Provider("p", Nature(), Way(), "1", Clock())
    provider.asked_s = [number / 10 for number in range(400)]
    provider.retried_s = [5.0, 20.0, 20.1, *[25.0] * 11]
    assert above_budget(provider) == 0.0
    provider.retried_s.append(25.0)
    assert above_budget(provider) == pytest.approx(1.0)


def test_world_is_as_its_nature_says() -> None:
    world = World({"primary": Nature(errors=0.05, resets=0.02, stalls=0.01)}, Way(), "7")
    answers = world.run(50.0, 200.0)
    failed = [one for one in answers if one.by is None]
    assert len(failed) / len(answers) == pytest.approx(0.08, abs=0.01)
    assert max(one.latency_s for one in failed) == pytest.approx(FIRST_BYTE_S_MAX)
    assert {one.sent for one in answers} == {1}


def test_same_seed_is_the_same_run() -> None:
    runs = [World({"primary": Nature(resets=0.1)}, Way(retries=True), "3") for _ in range(2)]
    assert runs[0].run(20.0, 20.0) == runs[1].run(20.0, 20.0)


def test_hedges_go_to_the_other_and_are_few() -> None:
    tail = Nature(slow_share=0.01)
    world = World(dict.fromkeys(BOTH, tail), Way(BOTH, hedges=True), "5")
    answers = world.run(20.0, 200.0)
    hedged = [one for one in answers if one.sent == 2]
    assert 0 < len(hedged) <= 0.02 * len(answers)
    assert {one.by for one in hedged} == {"primary", "secondary"}
