"""Who is checked when, and what turns an opinion."""

from headrace.flow.health import Checked, HealthSchedule, HealthTerms

TERMS = HealthTerms(
    interval_s=30.0, interval_s_ill=5.0, failures=3, successes=2, jitter=0.0, check_s_max=4.0
)


def make(names: list[str], uniform: float = 0.0, told: list[str] | None = None) -> HealthSchedule:
    def tell(checked: Checked) -> None:
        if told is not None:
            told.append(f"{checked.name} {'well' if checked.is_well else 'ill'}")

    return HealthSchedule(names, TERMS, now_s=0.0, uniform=lambda: uniform, on_change=tell)


def test_first_checks_are_spread_over_the_interval() -> None:
    numbers = iter([0.0, 0.5, 0.9, 0.0])
    schedule = HealthSchedule(["a", "b", "c"], TERMS, now_s=100.0, uniform=lambda: next(numbers))
    assert schedule.due(100.0) == ["a"]
    schedule.passed("a", 100.0)
    assert schedule.due(114.9) == []
    assert schedule.due(115.0) == ["b"]


def test_failures_in_a_row_turn_the_opinion_and_successes_turn_it_back() -> None:
    told: list[str] = []
    schedule, now_s, seen = make(["a"], told=told), 0.0, []
    for is_well in (False, False, True, False, False, False, True, False, True, True):
        assert schedule.due(now_s) == ["a"]
        (schedule.passed if is_well else schedule.failed)("a", now_s)
        seen.append(schedule.endpoints["a"].is_well)
        now_s = schedule.endpoints["a"].next_s
    assert seen == [True] * 5 + [False] * 4 + [True]
    assert told == ["a ill", "a well"]


def test_whoever_is_in_doubt_or_ill_is_asked_more_often() -> None:
    schedule = make(["a"])
    endpoint = schedule.endpoints["a"]
    for is_well, wait_s in ((True, 30.0), (False, 5.0), (True, 30.0), (False, 5.0), (False, 5.0)):
        now_s = endpoint.next_s
        assert schedule.due(now_s) == ["a"]
        (schedule.passed if is_well else schedule.failed)("a", now_s)
        assert endpoint.next_s - now_s == wait_s


def test_check_never_heard_of_has_failed_and_says_nothing_later() -> None:
    schedule = make(["a"])
    assert schedule.due(0.0) == ["a"]
    assert schedule.due(3.9) == []
    assert schedule.due(4.0) == []
    assert schedule.endpoints["a"].in_row == 1
    schedule.failed("a", 4.5)
    schedule.passed("a", 4.5)
    assert schedule.endpoints["a"].in_row == 1
    assert schedule.due(9.0) == ["a"]


def test_lot_takes_off_a_part_of_the_interval() -> None:
    terms = HealthTerms(interval_s=30.0, jitter=0.2)
    schedule = HealthSchedule(["a"], terms, now_s=0.0, uniform=lambda: 0.5)
    schedule.due(15.0)
    schedule.passed("a", 15.0)
    assert schedule.endpoints["a"].next_s == 15.0 + 27.0
