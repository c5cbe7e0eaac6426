"""Why a standby is left out, and when it is back."""

import pytest

from headrace.store.records.roster import ReplicaBounds, Roster, Sighting, Why
from headrace.store.records.sessions import read_lsn

BOUNDS = ReplicaBounds()


def sighting(position: int = 100, *, is_standby: bool = True, cluster: int = 7) -> Sighting:
    return Sighting(position, is_standby=is_standby, cluster=cluster)


PRIMARY = sighting(is_standby=False)


def roster_of(count: int, now_s: float = 0.0) -> Roster:
    """Standbys that were looked at and are as far as the primary."""
    roster = Roster(tuple("abc"[:count]), BOUNDS)
    look(roster, now_s)
    return roster


def look(roster: Roster, now_s: float, primary: Sighting = PRIMARY, **seen: Sighting) -> None:
    """Look at the primary, and at every standby that is to be looked at."""
    roster.primary_seen(primary, now_s)
    for at, standing in enumerate(roster.standings()):
        if roster.is_due(at, now_s):
            roster.seen(at, seen.get(standing.name, sighting()), primary, now_s)


def why(roster: Roster) -> list[Why | None]:
    return [each.why_out for each in roster.standings()]


def test_nobody_is_asked_before_it_was_looked_at() -> None:
    roster = Roster(("a",), BOUNDS)
    assert roster.ready(0) is None
    assert roster.nearest() is None
    look(roster, 0.0)
    assert roster.ready(100) == 0


def test_only_who_is_there_answers_and_the_furthest_is_waited_for() -> None:
    roster = roster_of(3)
    roster.reached(1, 150)
    assert {roster.ready(100) for _ in range(6)} == {0, 1, 2}
    assert {roster.ready(150) for _ in range(6)} == {1}
    assert roster.ready(151) is None
    assert roster.nearest() == 1


def test_who_has_least_to_do_is_asked() -> None:
    roster = roster_of(2)
    roster.began(0)
    assert {roster.ready(0) for _ in range(4)} == {1}
    roster.began(1)
    roster.began(1)
    assert {roster.ready(0) for _ in range(4)} == {0}
    roster.ended(1)
    assert {roster.ready(0) for _ in range(4)} == {0, 1}


def test_failures_in_a_row_take_it_out_and_right_answers_between_do_not() -> None:
    roster = roster_of(1)
    for _ in range(5):
        assert not roster.failed(0, 1.0, is_lost=False)
        assert not roster.failed(0, 1.0, is_lost=False)
        roster.answered(0)
    outs = [roster.failed(0, 1.0, is_lost=False) for _ in range(3)]
    assert outs == [False, False, True]
    assert why(roster) == ["failed"]


def test_each_time_out_is_twice_as_long_up_to_a_bound() -> None:
    roster = roster_of(1)
    now_s, outs = 1.0, []
    for _ in range(7):
        roster.failed(0, now_s, is_lost=True)
        # Others that fail with it make it no longer.
        roster.failed(0, now_s, is_lost=True)
        out_s = next(n / 4 for n in range(1000) if roster.is_due(0, now_s + n / 4))
        outs.append(out_s)
        now_s += out_s
        look(roster, now_s)
        assert why(roster) == [None]
    assert outs == [1, 2, 4, 8, 16, 30, 30]
    # A second look that finds it well forgets them.
    look(roster, now_s + 1)
    roster.failed(0, now_s + 2, is_lost=True)
    assert roster.is_due(0, now_s + 3)


def test_a_late_one_is_back_when_it_is_half_as_late() -> None:
    roster = roster_of(1)
    for second in range(1, 14):
        look(roster, second, sighting(100 + second, is_standby=False), a=sighting(100))
        assert why(roster) == ["late" if second > 11 else None]
    for replayed in range(101, 112):
        look(roster, 14, sighting(114, is_standby=False), a=sighting(replayed))
        lag_s = roster.standings()[0].lag_s
        assert lag_s == 14 - (replayed - 99)
        assert why(roster) == ["late" if lag_s > 5 else None]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (sighting(is_standby=False), "promoted"),
        (sighting(cluster=8), "foreign"),
        (sighting(101), "ahead"),
    ],
)
def test_what_is_no_copy_of_the_primary_is_left_out(told: Sighting, reason: Why) -> None:
    roster = roster_of(2)
    look(roster, 1.0, a=told)
    assert why(roster) == [reason, None]
    assert {roster.ready(0) for _ in range(4)} == {1}
    look(roster, 2.0)
    assert why(roster) == [None, None]


def test_standbys_go_on_answering_while_the_primary_is_away() -> None:
    roster = roster_of(1)
    roster.seen(0, sighting(130), None, 60.0)
    assert roster.ready(130) == 0


def test_after_a_change_of_the_primary_nobody_answers_before_it_was_looked_at() -> None:
    roster = roster_of(2)
    roster.primary_seen(sighting(90, is_standby=False), 1.0)
    assert roster.ready(0) is None
    look(roster, 1.0, sighting(90, is_standby=False), a=sighting(80), b=sighting(100))
    assert why(roster) == [None, "ahead"]
    assert roster.ready(80) == 0
    assert roster.ready(90) is None


def test_who_is_waited_for_in_vain_is_waited_for_no_more_until_it_moves() -> None:
    roster = roster_of(1)
    for _ in range(8):
        assert roster.nearest() == 0
        roster.waited_in_vain(0)
    assert roster.nearest() is None
    assert roster.ready(100) == 0
    roster.reached(0, 101)
    assert roster.nearest() == 0


@pytest.mark.parametrize(
    "text", ["", "0", "0/", "/0", "0/123456789", "0/0/0", "x/1", "-1/1", "0/0\n"]
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a position"):
        read_lsn(text)
