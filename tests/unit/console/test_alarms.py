"""What is the matter: each alarm with what has to raise it, and with what must not."""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
import pytest

from headrace.console import alarm_words
from headrace.console.alarm_rules import WATCHED
from headrace.console.alarm_words import ELSEWHERE, GIB, Wording
from headrace.console.alarms import Alarm, Place, alarms
from headrace.console.chronicle import Chronicle, sums_of
from headrace.console.signs import EVERY_S, LOOKS_BACK_S, History, SignReader
from headrace.observe.cells import SharedCells
from headrace.observe.export.alerts import ALERTS
from headrace.observe.layout import Layout
from headrace.observe.slo_burns import BURNS
from headrace.settings import Settings

LAYOUT: Final = Layout()
WELL: Final = Place(100 * GIB, 200 * GIB)
SELDOM_S: Final = 300.0  # for days: there is still a look in each step of the chronicle
# Of the page alone: what no series that Prometheus reads tells.
OWN: Final = {
    *("HeadraceSloUsedUp", "HeadraceBudgetSpent", "HeadraceBudgetRefuses"),
    *("HeadraceDiskNearlyFull", "HeadraceLedgerRefused", "HeadraceLedgerBehind"),
}
WORDINGS: Final = (
    *(watched.told for watched in WATCHED),
    *(each for each in vars(alarm_words).values() if isinstance(each, Wording)),
)


class House:
    """Two workers whose counters somebody turns, and what is made of them."""

    def __init__(self) -> None:
        self.board = SharedCells(2, LAYOUT.size)
        self.board.slots.assign(["sim"])
        self.now_s = 0.0
        self._reader = SignReader(LAYOUT)
        self.set("headrace_workers", 1.0)
        self.set("headrace_workers", 1.0, worker=1)
        first = self._read()
        self.history = History(first)
        self.chronicle = Chronicle(sums_of(first), first.at_s)

    def set(
        self, family: str, value: float, *labels: str, worker: int = 0, bucket: int = 0
    ) -> None:
        at = LAYOUT.place(family).at(*labels) + bucket
        self.board.row(worker)[at] = value

    def add(
        self, family: str, value: float, *labels: str, worker: int = 0, bucket: int = 0
    ) -> None:
        at = LAYOUT.place(family).at(*labels) + bucket
        self.board.row(worker)[at] += value

    def live(
        self, seconds: float, each: Callable[[], None] = lambda: None, every_s: float = EVERY_S
    ) -> None:
        """Time goes by, and somebody looks as often as the gateway does, unless told otherwise."""
        for _ in range(round(seconds / every_s)):
            self.now_s += every_s
            each()
            self.look()

    def look(self) -> None:
        signs = self._read()
        self.history.add(signs)
        self.chronicle.add(sums_of(signs), signs.at_s)

    def found(self, **more: Any) -> list[Alarm]:
        self.look()
        told: dict[str, Any] = {"slos": [], "budgets": [], "place": WELL, **more}
        return alarms(self.history, self.chronicle, told["slos"], told["budgets"], told["place"])

    def names(self, **more: Any) -> list[str]:
        return [alarm.name for alarm in self.found(**more)]

    def _read(self) -> Any:
        return self._reader.read(self.now_s, self.board.rows(), self.board.slots.names())


GROWN: Final = (
    ("HeadraceConnectionsRefused", "headrace_connections_refused_total", (), 1),
    ("HeadraceSheds", "headrace_shed_calls_total", ("low",), 1),
    ("HeadraceWorkersRestart", "headrace_worker_restarts_total", (), 1),
    ("HeadraceStoreErrors", "headrace_store_errors_total", ("lost",), 40),
    ("HeadraceBudgetRefuses", "headrace_budget_refusals_total", ("day",), 1),
    ("HeadraceLedgerLost", "headrace_ledger_rows_total", ("dropped",), 1),
    ("HeadraceJobsFail", "headrace_jobs_ended_total", ("failed",), 1),
    ("HeadraceLogLost", "headrace_log_lines_dropped_total", (), 1),
)
ABOVE: Final = (
    ("HeadraceMemory", "process_resident_memory_bytes", (), 3.0 * GIB, 1.0 * GIB),
    ("HeadraceProviderOut", "headrace_providers_out", ("0",), 1, 0),
    ("HeadraceProviderOut", "headrace_circuits_open", ("0",), 2, 0),
    ("HeadraceQuotaNearlyUsed", "headrace_quota_used_ratio", ("0", "1", "tokens"), 0.95, 0.8),
    ("HeadraceTierAway", "headrace_tiers_out", ("l2",), 1, 0),
    ("HeadraceStandbyLate", "headrace_standby_lag_seconds", ("1",), 30, 3),
    ("HeadraceStandbyLate", "headrace_standby_out", ("1",), 1, 0),
    ("HeadraceKeysUnseen", "headrace_keys_unseen_seconds", (), 300, 20),
    ("HeadraceKeysUnseen", "headrace_budgets_unshared_seconds", (), 300, 20),
    ("HeadraceQueueOld", "headrace_jobs_oldest_seconds", (), 900, 200),
)
LASTING: Final = (
    ("HeadracePoolFull", "headrace_waiting_calls", ("0",)),
    ("HeadraceStorePoolFull", "headrace_store_connections", ("waiting",)),
    ("HeadraceLedgerBehind", "headrace_ledger_pending_bytes", ()),
)


@pytest.mark.parametrize(("name", "family", "labels", "by"), GROWN, ids=str)
def test_what_grows_is_told_until_it_has_been_quiet(
    name: str, family: str, labels: tuple[str, ...], by: float
) -> None:
    house = House()
    house.add(family, by, *labels, worker=1)
    assert house.names() == [name]
    house.live(LOOKS_BACK_S + 2 * EVERY_S)
    assert house.names() == []


@pytest.mark.parametrize(("name", "family", "labels", "bad", "good"), ABOVE, ids=str)
def test_what_is_above_its_limit_is_told_at_once(
    name: str, family: str, labels: tuple[str, ...], bad: float, good: float
) -> None:
    house = House()
    house.set(family, good, *labels)
    assert house.names() == []
    house.set(family, bad, *labels)
    (alarm,) = house.found()
    assert alarm.name == name
    assert "{" not in alarm.what
    house.set(family, good, *labels)
    assert house.names() == []


@pytest.mark.parametrize(("name", "family", "labels"), LASTING, ids=str)
def test_what_waits_is_told_when_it_has_waited_long(
    name: str, family: str, labels: tuple[str, ...]
) -> None:
    house = House()
    house.set(family, 3.0, *labels)
    assert house.names() == []
    house.live(330)
    assert house.names() == [name]
    house.live(60, lambda: house.set(family, 3.0 * (house.now_s % 60 > 0), *labels))
    assert house.names() == []


def test_counters_of_before_are_no_news() -> None:
    house = House()
    house.add("headrace_ledger_rows_total", 7, "dropped")
    later = History(house.history.last)
    assert later.grown("headrace_ledger_rows_total", LOOKS_BACK_S) == {}
    house.look()
    later = History(house.history.last)
    assert later.grown("headrace_ledger_rows_total", LOOKS_BACK_S) == {}
    assert house.names() == ["HeadraceLedgerLost"]


def test_written_rows_and_jobs_that_succeed_are_nothing_to_hear_of() -> None:
    house = House()
    for family, label in (
        ("headrace_ledger_rows_total", "written"),
        ("headrace_jobs_ended_total", "succeeded"),
        ("headrace_store_connections", "used"),
    ):
        house.live(330, lambda f=family, n=label: house.add(f, 100, n))  # type: ignore[misc]
    assert house.names() == []


def test_failures_are_told_from_a_share_of_answers_on() -> None:
    house = House()
    house.add("headrace_answer_seconds", 1000, "chat", "good")
    house.add("headrace_answer_seconds", 500, "chat", "left")
    house.add("headrace_answer_seconds", 5, "chat", "bad")
    assert house.names() == []
    house.add("headrace_answer_seconds", 10, "messages", "bad", worker=1)
    (alarm,) = house.found()
    assert (alarm.name, alarm.what.split()[0]) == ("HeadraceErrors", "1%")


def test_a_provider_that_fails_is_named() -> None:
    house = House()
    house.add("headrace_upstream_requests_total", 96, "0", "2xx")
    house.add("headrace_upstream_requests_total", 2, "0", "5xx")
    house.add("headrace_upstream_errors_total", 2, "0", "reset")
    assert house.names() == []
    house.add("headrace_upstream_errors_total", 10, "0", "connect", worker=1)
    (alarm,) = house.found()
    assert alarm.name == "HeadraceProviderErrors"
    assert "provider sim" in alarm.what


def test_a_loop_that_is_late_and_a_processor_that_is_taken() -> None:
    house = House()
    house.live(330)
    buckets = LAYOUT.place("headrace_loop_lag_seconds").family.buckets
    house.add("headrace_loop_lag_seconds", 1000, bucket=0)
    house.add("headrace_loop_lag_seconds", 5, bucket=buckets.index(0.5))
    assert house.names() == []
    house.add("headrace_loop_lag_seconds", 20, bucket=len(buckets))  # above all bounds
    assert house.names() == ["HeadraceLoopLate"]

    busy = House()
    busy.live(600, lambda: busy.add("process_cpu_seconds_total", 0.8 * 2 * EVERY_S))
    assert busy.names() == ["HeadraceCpu"]
    busy.live(600, lambda: busy.add("process_cpu_seconds_total", 0.5 * 2 * EVERY_S))
    assert busy.names() == []


def level(**changes: Any) -> dict[str, Any]:
    usual = {
        "name": "up",
        "window_days": 30,
        "answers": 1000,
        "bad": 100,
        "budget_left": 0.5,
        "burn_rates": {"5m": 20.0, "30m": 20.0, "1h": 20.0, "6h": 7.0, "3d": 2.0},
        "burning": None,
        "reaction": None,
    }
    return {**usual, **changes}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, []),
        ({"burning": "fast"}, ["HeadraceSloBurnsFast"]),
        ({"burning": "steady"}, ["HeadraceSloBurnsSteady"]),
        ({"burning": "slow"}, ["HeadraceSloBurnsSlow"]),
        ({"burning": "slow", "budget_left": 0.0}, ["HeadraceSloBurnsSlow"]),
        ({"budget_left": 0.0}, ["HeadraceSloUsedUp"]),
        ({"budget_left": 0.0, "answers": 0, "bad": 0}, []),
        ({"reaction": {"share": 0.0}}, []),
        ({"reaction": {"share": 0.3}}, ["HeadraceGivesWay"]),
    ],
)
def test_service_levels(changes: dict[str, Any], names: list[str]) -> None:
    assert House().names(slos=[level(**changes)]) == names


def budget(spent_usd: float, reserved_usd: float = 0.0, limit_usd: float = 10.0) -> dict[str, Any]:
    day = {
        "limit_usd": limit_usd,
        "spent_usd": spent_usd,
        "reserved_usd": reserved_usd,
        "ends_at": "2026-11-22T00:00:00+00:00",
    }
    return {"name": "tenant=acme", "state": "ok", "day": day}


@pytest.mark.parametrize(
    ("told", "names"),
    [
        (budget(8.0), []),
        (budget(8.0, 1.5), ["HeadraceBudgetNearlySpent"]),
        (budget(10.0), ["HeadraceBudgetSpent"]),
        (budget(0.0, limit_usd=0.0), []),
    ],
)
def test_budgets(told: dict[str, Any], names: list[str]) -> None:
    assert House().names(budgets=[told]) == names


@pytest.mark.parametrize(
    ("place", "names"),
    [
        (WELL, []),
        (None, []),
        (Place(GIB // 2, GIB), ["HeadraceDiskNearlyFull"]),
        (Place(2 * GIB, 100 * GIB), ["HeadraceDiskNearlyFull"]),
        (Place(100 * GIB, 200 * GIB, refused_rows=3), ["HeadraceLedgerRefused"]),
        (Place(100 * GIB, 200 * GIB, unreadable=1), ["HeadraceLedgerRefused"]),
    ],
)
def test_the_directory_of_data(place: Place | None, names: list[str]) -> None:
    assert House().names(place=place) == names


def test_pressing_things_come_first() -> None:
    house = House()
    house.set("headrace_tiers_out", 1, "l2")
    house.add("headrace_connections_refused_total", 1)
    assert [alarm.severity for alarm in house.found()] == ["page", "ticket"]


def spend(house: House, hours: float, usd_per_h: float) -> None:
    house.live(
        hours * 3600,
        lambda: house.add("headrace_spent_usd_total", usd_per_h * SELDOM_S / 3600, "0", worker=1),
        SELDOM_S,
    )


def test_a_cost_spike_is_told_from_the_third_day_on() -> None:
    house = House()
    spend(house, 46, 2.0)
    spend(house, 1, 20.0)
    assert house.names() == []  # of a week that has no day in it yet
    house = House()
    spend(house, 50, 2.0)
    spend(house, 1, 5.0)
    assert house.names() == []
    spend(house, 1, 20.0)
    (alarm,) = house.found()
    assert (alarm.name, alarm.severity) == ("HeadraceCostSpike", "page")
    assert "$2.00" in alarm.what
    spend(house, 2, 2.0)
    assert house.names() == []


def test_cents_are_no_spike() -> None:
    house = House()
    spend(house, 50, 0.01)
    spend(house, 1, 0.9)
    assert house.names() == []


def ask(house: House, hours: float, hits: int, misses: int) -> None:
    """So many at a time, as often as the gateway looks."""
    times = SELDOM_S / EVERY_S

    def each() -> None:
        house.add("headrace_requests_total", hits * times, "chat", "200", "l1")
        house.add("headrace_requests_total", misses * times, "chat", "200", "miss", worker=1)
        house.add("headrace_requests_total", 100 * times, "admin", "200", "none")

    house.live(hours * 3600, each, SELDOM_S)


def test_a_hit_rate_that_fell_is_compared_with_the_same_time_yesterday() -> None:
    house = House()
    ask(house, 25, 8, 2)
    assert house.names() == []
    ask(house, 1, 5, 5)
    assert house.names() == []
    ask(house, 1, 1, 9)
    (alarm,) = house.found()
    assert alarm.name == "HeadraceHitRateFell"
    assert "80%" in alarm.what
    ask(house, 24, 1, 9)
    assert house.names() == []  # it is as it was


def test_a_hit_rate_of_few_requests_is_none() -> None:
    house = House()
    ask(house, 25, 8, 2)
    house.live(2 * 3600)
    house.add("headrace_requests_total", 9, "chat", "200", "miss")
    assert house.names() == []


def test_names_and_severities_are_those_of_the_exported_alerts() -> None:
    exported = {alert.name: alert.severity for alert in ALERTS}
    exported |= {f"HeadraceSloBurns{burn.name}": burn.severity for burn in BURNS}
    here = {wording.name: wording.severity for wording in WORDINGS}
    assert set(here) - set(exported) == OWN
    assert set(exported) - set(here) == {each.name for each in ELSEWHERE}
    assert {name: here[name] for name in here if name in exported} == {
        name: exported[name] for name in here if name in exported
    }


def test_what_helps_names_settings_that_there_are() -> None:
    named = {
        found
        for wording in WORDINGS
        for found in re.findall(r"\b[a-z]+\.[a-zA-Z]+(?:\.[a-z_]+|_[a-z_]+)*", wording.todo)
    }
    assert "listen.connections_max" in named
    for path in named:
        room, _, rest = path.partition(".")
        kind: Any = Settings.__annotations__[room]
        for name in rest.split("."):
            if name == "NAME":
                kind = msgspec.inspect.type_info(kind).value_type.cls  # type: ignore[union-attr]
            else:
                assert name in kind.__struct_fields__, path
