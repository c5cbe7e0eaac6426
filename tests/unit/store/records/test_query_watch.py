"""Slow queries are told by name, with their time and rows, and never with values."""

import pytest

from headrace.clock import ManualClock
from headrace.store.faults import StoreFault, StoreTimeout
from headrace.store.records.query_watch import QueryWatch


class Heard:
    """Keeps what is told and counted."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, object]]] = []
        self.counted: list[tuple[str, float | str]] = []

    def say(self, level: str, event: str, about: str = "", **fields: object) -> None:
        self.told.append((event, about, fields))

    def done(self, query: str, seconds: float) -> None:
        self.counted.append((query, seconds))

    def failed(self, query: str, kind: str) -> None:
        self.counted.append((query, kind))


def test_only_slow_ones_are_told_and_all_are_counted() -> None:
    heard, clock = Heard(), ManualClock()
    watch = QueryWatch(clock, 0.2, heard.say, heard)
    for took_s in (0.1, 0.25):
        with watch.of("keys.find") as look:
            clock.advance(took_s)
            look.rows = 3
    assert heard.told == [
        ("slow_query", "keys.find", {"took_ms": 250, "rows": 3, "outcome": "done"})
    ]
    assert [name for name, _ in heard.counted] == ["keys.find"] * 2
    assert [seconds for _, seconds in heard.counted] == pytest.approx([0.1, 0.25])


def test_a_transaction_is_told_by_all_its_names_and_counted_by_the_first() -> None:
    heard, clock = Heard(), ManualClock()
    watch = QueryWatch(clock, 0.2, heard.say, heard)

    def fail() -> None:
        with watch.of("ledger.hold", "ledger.add", "ledger.add", "ledger.reach"):
            clock.advance(5.0)
            raise StoreTimeout("too long")

    with pytest.raises(StoreTimeout):
        fail()
    assert heard.told == [
        (
            "slow_query",
            "ledger.hold+ledger.add+ledger.reach",
            {"took_ms": 5000, "rows": 0, "outcome": "StoreTimeout"},
        )
    ]
    assert heard.counted == [("ledger.hold", "timeout")]


def test_none_is_told_where_none_is_wanted() -> None:
    heard, clock = Heard(), ManualClock()
    watch = QueryWatch(clock, 0.0, heard.say, None)
    with watch.of("keys.find"):
        clock.advance(100.0)
    with pytest.raises(StoreFault), watch.of("keys.find"):
        raise StoreFault("no")
    assert heard.told == []
