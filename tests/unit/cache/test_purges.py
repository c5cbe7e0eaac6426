"""The ledger of purges: what was purged stays purged, whatever else becomes of what is known."""

import pytest

from headrace.cache.purges import ALL, NUMBER_STEP, PurgeLedger, number_at
from headrace.clock import ManualClock

S = NUMBER_STEP
TAGGED = ("tenant:app", "tag:a")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(clock: ManualClock) -> PurgeLedger:
    ledger = PurgeLedger(clock, keep_s=100.0)
    ledger.learn(5 * S)
    return ledger


def test_a_purge_concerns_what_began_before_it(ledger: PurgeLedger) -> None:
    before = ledger.latest
    assert ledger.is_valid(before, TAGGED)
    assert ledger.apply("tag:a", 6 * S)
    assert ledger.latest == 6 * S
    assert not ledger.is_valid(before, TAGGED)
    assert ledger.is_valid(before, ("tenant:app", "tag:b"))
    assert ledger.is_valid(before, ())
    assert ledger.is_valid(ledger.latest, TAGGED)


def test_everything_is_a_scope_of_everything(ledger: PurgeLedger) -> None:
    before = ledger.latest
    assert ledger.apply(ALL, 6 * S)
    assert not ledger.is_valid(before, TAGGED)
    assert not ledger.is_valid(before, ())
    assert ledger.is_valid(6 * S, TAGGED)


def test_what_was_told_is_no_news(ledger: PurgeLedger) -> None:
    assert ledger.apply("tag:a", 7 * S)
    assert not ledger.apply("tag:a", 7 * S)
    assert not ledger.apply("tag:a", 6 * S)
    assert ledger.apply(ALL, 9 * S)
    assert not ledger.apply("tag:a", 8 * S)
    assert not ledger.apply("tag:never heard of", 9 * S)
    assert ledger.apply("tag:a", 10 * S)
    assert ledger.latest == 10 * S


def test_one_that_is_told_late_concerns_what_was_compared_meanwhile(ledger: PurgeLedger) -> None:
    ledger.apply("tag:b", 8 * S)
    compared = ledger.latest
    assert ledger.is_valid(compared, TAGGED)
    assert ledger.apply("tag:a", 7 * S)
    assert ledger.latest > compared
    assert not ledger.is_valid(compared, TAGGED)
    assert ledger.is_valid(compared, ("tag:b",))
    assert ledger.told() == {"tag:b": 8 * S, "tag:a": 7 * S}


def test_everything_told_late_forgets_nothing_that_is_newer(ledger: PurgeLedger) -> None:
    ledger.apply("tag:a", 6 * S)
    ledger.apply("tag:b", 8 * S)
    compared = ledger.latest
    assert ledger.apply(ALL, 7 * S)
    assert not ledger.is_valid(compared, ("tag:c",))
    assert ledger.told() == {"tag:b": 8 * S, ALL: 7 * S}


def test_a_stamp_from_elsewhere_that_is_larger_counts_for_nothing(ledger: PurgeLedger) -> None:
    assert not ledger.is_valid(ledger.latest + 1, TAGGED)
    ledger.learn(9 * S)
    assert ledger.is_valid(9 * S, TAGGED)
    ledger.learn(7 * S)
    assert ledger.latest == 9 * S


def test_nothing_of_a_held_scope_is_valid_until_its_purge_has_a_number(
    ledger: PurgeLedger,
) -> None:
    before = ledger.latest
    held = ledger.hold("tag:a")
    assert ledger.latest > before  # so that what was compared is compared again
    for seq in (before, ledger.latest):
        assert not ledger.is_valid(seq, TAGGED)
        assert ledger.is_valid(seq, ("tag:b",))
    during = ledger.latest
    ledger.apply("tag:a", 6 * S)
    assert not ledger.is_valid(ledger.latest, TAGGED)
    ledger.release(held)
    assert not ledger.is_valid(during, TAGGED)
    assert ledger.is_valid(ledger.latest, TAGGED)


def test_everything_may_be_held(ledger: PurgeLedger) -> None:
    held = ledger.hold(ALL)
    assert not ledger.is_valid(ledger.latest, ())
    ledger.apply(ALL, 6 * S)
    ledger.release(held)
    assert ledger.is_valid(ledger.latest, ())


def test_one_that_was_held_again_stays_held(ledger: PurgeLedger) -> None:
    first = ledger.hold("tag:a")
    second = ledger.hold("tag:a")
    assert first != second
    ledger.release(first)
    assert not ledger.is_valid(ledger.latest, TAGGED)
    ledger.release(second)
    assert ledger.is_valid(ledger.latest, TAGGED)


def test_too_many_that_are_held_are_everything() -> None:
    ledger = PurgeLedger(ManualClock(), scopes_max=3)
    holds = [ledger.hold(f"tag:{number}") for number in range(5)]
    assert [held.scope for held in holds] == ["tag:0", "tag:1", "tag:2", ALL, ALL]
    assert ledger.hold("tag:1").scope == "tag:1"
    assert not ledger.is_valid(ledger.latest, ("tag:none of these",))


def test_what_is_older_than_any_answer_is_forgotten(
    ledger: PurgeLedger, clock: ManualClock
) -> None:
    ledger.apply("tag:a", 6 * S)
    clock.advance(60)
    ledger.apply("tag:b", 7 * S)
    ledger.apply("tag:a", 8 * S)
    clock.advance(60)
    ledger.apply("tag:c", 9 * S)
    assert set(ledger.told()) == {"tag:a", "tag:b", "tag:c"}  # it was purged again
    clock.advance(60)
    ledger.apply("tag:d", 10 * S)
    assert set(ledger.told()) == {"tag:c", "tag:d"}
    clock.advance(101)
    ledger.apply("tag:d", 11 * S)
    assert set(ledger.told()) == {"tag:d"}
    assert ledger.latest == 11 * S


def test_what_does_not_fit_becomes_a_purge_of_everything_before_it() -> None:
    ledger = PurgeLedger(ManualClock(), scopes_max=10)
    for number in range(1, 1000):
        ledger.apply(f"tag:{number}", number * S)
        assert len(ledger) <= 10
        assert not ledger.is_valid((number - 1) * S, (f"tag:{number}",))
        assert not ledger.is_valid(0, ("tag:1",))
        assert ledger.is_valid(number * S, (f"tag:{number}",))
    assert ledger.is_valid(998 * S, ("tag:5",))
    everything = ledger.told()[ALL]
    assert not ledger.is_valid(everything - 1, ("tag:none of these",))
    assert ledger.is_valid(everything, ("tag:none of these",))
    assert not ledger.apply("tag:5", 5 * S)


def test_everything_known_can_be_dropped(ledger: PurgeLedger) -> None:
    compared = ledger.latest
    ledger.drop_before(3 * S)
    assert ledger.latest > compared
    assert not ledger.is_valid(compared, ())
    ledger.drop_before(8 * S)
    assert ledger.latest == 8 * S
    assert ledger.is_valid(8 * S, ())


def test_alone_it_numbers_by_the_clock_and_never_back(clock: ManualClock) -> None:
    ledger = PurgeLedger(clock)
    first = ledger.issue("tag:a")
    assert first == number_at(clock.wall_s()) == ledger.latest
    assert ledger.issue("tag:a") > first
    clock.advance(-50)
    assert ledger.issue("tag:b") > first
    assert not ledger.is_valid(first, ("tag:b",))


def test_numbers_are_microseconds() -> None:
    assert number_at(1_700_000_000.25) == 1_700_000_000_250_000
