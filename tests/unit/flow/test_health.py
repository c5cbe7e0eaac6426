"""When an endpoint is checked, and what turns an opinion."""

from headrace.flow.health import HealthCheck, HealthTerms

TERMS = HealthTerms(interval_s=30.0, interval_s_ill=5.0, failures=3, successes=2, jitter=0.0)


def make(now_s: float = 0.0, uniform: float = 0.0, told: list[bool] | None = None) -> HealthCheck:
    heard = [] if told is None else told
    return HealthCheck(TERMS, now_s=now_s, uniform=lambda: uniform, on_change=heard.append)


def check(endpoint: HealthCheck, *, is_well: bool) -> float:
    """Tell of the next check at its time; returns how long after it the one after that comes."""
    now_s = endpoint.next_s
    assert endpoint.is_due(now_s)
    endpoint.tell(now_s, is_well=is_well)
    return endpoint.next_s - now_s


def test_first_check_comes_within_the_interval_by_lot() -> None:
    endpoint = make(100.0, uniform=0.5)
    assert not endpoint.is_due(114.9)
    assert endpoint.is_due(115.0)


def test_failures_in_a_row_turn_the_opinion_and_successes_turn_it_back() -> None:
    told: list[bool] = []
    endpoint, seen = make(told=told), []
    for is_well in (False, False, True, False, False, False, True, False, True, True):
        check(endpoint, is_well=is_well)
        seen.append(endpoint.is_well)
    assert seen == [True] * 5 + [False] * 4 + [True]
    assert told == [False, True]


def test_whoever_is_in_doubt_or_ill_is_asked_more_often() -> None:
    endpoint = make()
    outcomes = (True, False, True, False, False, False, True, True)
    waits_s = [check(endpoint, is_well=is_well) for is_well in outcomes]
    assert waits_s == [30.0, 5.0, 30.0, 5.0, 5.0, 5.0, 5.0, 30.0]


def test_nobody_is_asked_twice_at_once() -> None:
    endpoint = make()
    assert endpoint.is_due(0.0)
    assert not endpoint.is_due(100.0)
    endpoint.tell(100.0, is_well=True)
    assert endpoint.is_due(130.0)


def test_lot_takes_off_a_part_of_the_interval() -> None:
    terms = HealthTerms(interval_s=30.0, jitter=0.2)
    endpoint = HealthCheck(terms, now_s=0.0, uniform=lambda: 0.5, on_change=print)
    assert check(endpoint, is_well=True) == 27.0
