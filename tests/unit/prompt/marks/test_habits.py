import pytest

from headrace.prompt.marks import habits
from headrace.prompt.marks.habits import Habits, Outlook, best_ttl
from headrace.prompt.marks.prefix import Prefix

BOTH: tuple[habits.Ttl, ...] = ("5m", "1h")
CALL = Prefix(b"circle", b"head", b"talk")


def ttls(gaps_s: list[float], prefix: Prefix = CALL) -> list[habits.Ttl | None]:
    """What is best for the head after each of these gaps."""
    seen, now_s, best = Habits(), 0.0, []
    seen.note(prefix, now_s)
    for gap_s in gaps_s:
        now_s += gap_s
        best.append(best_ttl(seen.note(prefix, now_s).head, BOTH))
    return best


def test_what_is_new_is_kept_for_five_minutes():
    advice = Habits().note(CALL, 0.0)
    assert best_ttl(advice.head, BOTH) == best_ttl(advice.talk, BOTH) == "5m"


def test_calls_soon_after_each_other_need_five_minutes():
    assert set(ttls([30.0] * 20)) == {"5m"}


def test_gaps_of_some_minutes_lead_to_an_hour():
    assert ttls([400.0] * 5)[1:] == ["1h"] * 4


def test_gaps_of_hours_lead_to_no_mark_and_back():
    best = ttls([7200.0] * 12 + [10.0] * 12)
    assert best[11] is None
    assert best[-1] == "5m"


@pytest.mark.parametrize(
    ("shares", "further", "best"),
    [
        ((1.0, 1.0, 1.0), 0.2, None),
        ((1.0, 1.0, 1.0), 0.3, "5m"),
        ((0.0, 0.0, 1.0), 1.0, None),
        ((0.0, 0.0, 1.0), 1.2, "1h"),
        ((0.9, 0.9, 1.0), 10.0, "1h"),
        ((0.96, 0.96, 1.0), 10.0, "5m"),
        ((0.0, 0.0, 0.0), 10.0, None),
    ],
)
def test_the_cheapest_is_chosen(shares, further, best):
    assert best_ttl(Outlook(shares, further), BOTH) == best


def test_half_an_hour_counts_for_whom_it_is_kept_so_long():
    outlook = Outlook((0.0, 1.0, 1.0), 3.0)
    assert best_ttl(outlook, ("30m",)) == "30m"
    assert best_ttl(outlook, ("5m",)) is None


def test_conversations_that_never_go_on_are_not_kept_after_a_few():
    seen = Habits()
    best = []
    for number in range(8):
        advice = seen.note(Prefix(b"circle", b"head", b"%d" % number), number * 10.0)
        best.append(best_ttl(advice.talk, BOTH))
        assert best_ttl(advice.head, BOTH) == "5m"
    assert best[0] == "5m"
    assert best[-1] is None


def test_a_conversation_that_went_on_is_kept_whatever_others_did():
    seen = Habits()
    for number in range(8):
        seen.note(Prefix(b"circle", b"head", b"%d" % number), number * 10.0)
    assert best_ttl(seen.note(Prefix(b"circle", b"head", b"7"), 80.0).talk, BOTH) == "5m"


def test_heads_that_never_come_again_are_not_kept_after_a_few():
    seen = Habits()
    for number in range(8):
        advice = seen.note(Prefix(b"circle", b"%d" % number, b"t%d" % number), number * 10.0)
    assert best_ttl(advice.head, BOTH) is None
    other = seen.note(Prefix(b"other", b"head", b"talk"), 100.0)
    assert best_ttl(other.head, BOTH) == "5m"


def test_busy_heads_share_their_conversations_out_among_keys():
    seen = Habits()
    shards = [seen.note(CALL, float(second)).shards for second in range(300)]
    assert (shards[59], shards[61], shards[-1]) == (1, 4, 4)
    assert seen.note(CALL, 900.0).shards == 1
    assert Habits(workers=4).note(CALL, 0.0).shards == 1


def test_no_more_is_known_than_there_is_room(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(habits, "HEADS_MAX", 2)
    monkeypatch.setattr(habits, "TALKS_MAX", 2)
    seen = Habits()
    for number in range(3):
        name = b"%d" % number
        seen.note(Prefix(name, name, name), 0.0)
    seen.note(Prefix(b"2", b"2", b"2"), 10_000.0)
    # The last one is known, and the first one is not any more.
    assert seen.note(Prefix(b"2", b"2", b"2"), 20_000.0).head.shares[2] < 1.0
    assert seen.note(Prefix(b"0", b"0", b"0"), 20_000.0).head.shares[2] == 1.0


def test_time_that_stands_still_or_goes_back_is_no_gap():
    seen = Habits()
    seen.note(CALL, 10.0)
    assert seen.note(CALL, 10.0).head.shares[0] == 1.0
    assert seen.note(CALL, 5.0).head.shares[0] == 1.0
