"""Budgets: who they apply to, when they are soft or hard, and what is said of a shortage."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from headrace.clock import ManualClock
from headrace.errors import SettingsInvalid
from headrace.identity.budget_terms import terms_of
from headrace.identity.budgets import Payer, Shortage, State, Terms
from headrace.identity.periods import Period
from headrace.identity.purse import Purse, Reservation
from headrace.identity.tallies import TallyTable
from headrace.settings import parse_settings

NOON_S = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
HOUR_S = 3600
ACME = Payer("app", "acme", frozenset(("gpt-5", "openai/gpt-5")), "chat")


def table(places: int = 1, own: int = 0, rows: int = 64) -> TallyTable:
    cells = memoryview(bytearray(TallyTable.cells_for(places, rows) * 8)).cast("q")
    return TallyTable(cells, places, own)


def purse(*terms: Terms, clock: ManualClock | None = None) -> Purse:
    clock = ManualClock(NOON_S) if clock is None else clock
    made = Purse(table(), clock.wall_s)
    made.adopt(terms, {}, UTC)
    return made


def taken(from_: Purse, usd: float, payer: Payer = ACME) -> Reservation:
    reservation = from_.reserve(payer, "openai/gpt-5", usd)
    assert isinstance(reservation, Reservation)
    return reservation


def short(from_: Purse, usd: float, payer: Payer = ACME) -> Shortage:
    shortage = from_.reserve(payer, "openai/gpt-5", usd)
    assert isinstance(shortage, Shortage)
    return shortage


@pytest.mark.parametrize(
    ("terms", "applies"),
    [
        (Terms("all"), True),
        (Terms("key", key="app"), True),
        (Terms("key", key="other"), False),
        (Terms("tenant", tenant="acme"), True),
        (Terms("tenant", tenant="zenith"), False),
        (Terms("model", model="gpt-5"), True),
        (Terms("model", model="openai/gpt-5"), True),
        (Terms("model", model="gpt-5-mini"), False),
        (Terms("intent", intent="chat"), True),
        (Terms("intent", intent="code"), False),
        (Terms("both", tenant="acme", model="gpt-5"), True),
        (Terms("both", tenant="acme", model="gpt-5-mini"), False),
    ],
)
def test_a_budget_applies_where_all_that_it_names_is_so(terms: Terms, applies: bool) -> None:
    assert terms.applies_to(ACME) is applies
    assert bool(purse(terms).of(ACME)) is applies


def test_a_budget_that_does_not_apply_bounds_nothing() -> None:
    made = purse(Terms("others", tenant="zenith", day_usd=0.0))
    taken(made, 1e6).settle(1e6)


def test_what_is_reserved_counts_as_much_as_what_is_spent() -> None:
    made = purse(Terms("day", day_usd=1.0))
    first = taken(made, 0.6)
    shortage = short(made, 0.5)
    assert (shortage.spent_usd, shortage.reserved_usd, shortage.needed_usd) == (0.0, 0.6, 0.5)
    first.settle(0.25)
    shortage = short(made, 0.8)
    assert (shortage.spent_usd, shortage.reserved_usd) == (0.25, 0.0)
    taken(made, 0.75).give_back()
    taken(made, 0.75)


@pytest.mark.parametrize("usd", [0.0, 1e-9, 1.0])
def test_a_budget_of_zero_refuses_all(usd: float) -> None:
    shortage = short(purse(Terms("none", day_usd=0.0, month_usd=10.0)), usd)
    assert (shortage.limit_usd, shortage.reset_s) == (0.0, None)


def test_what_is_larger_than_the_budget_is_not_told_to_wait() -> None:
    assert short(purse(Terms("day", day_usd=1.0)), 1.01).reset_s is None


def test_a_shortage_ends_with_the_day_or_the_month_in_the_zone() -> None:
    zone = ZoneInfo("Asia/Tokyo")  # where it is nine in the evening
    made = purse(Terms("day", tenant="acme", day_usd=1.0, month_usd=3.0, zone=zone))
    taken(made, 1.0).settle(1.0)
    shortage = short(made, 0.1)
    assert (shortage.period, shortage.reset_s) == (Period.DAY, 3 * HOUR_S)
    taken(made, 1.0, Payer("x", "zenith")).settle(1.0)  # is bounded by nothing


def test_of_several_shortages_the_longest_is_told() -> None:
    made = purse(
        Terms("day", day_usd=1.0), Terms("month", month_usd=1.0), Terms("also day", day_usd=1.0)
    )
    taken(made, 1.0).settle(1.0)
    shortage = short(made, 0.5)
    assert (shortage.budget.terms.name, shortage.period) == ("month", Period.MONTH)
    assert shortage.reset_s == (datetime(2026, 12, 1, tzinfo=UTC).timestamp() - NOON_S)


def test_what_was_reserved_before_midnight_is_spent_there() -> None:
    clock = ManualClock(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC).timestamp())
    made = purse(Terms("day", day_usd=1.0, month_usd=1.5), clock=clock)
    call = taken(made, 0.9)
    clock.advance(2)
    assert isinstance(made.reserve(ACME, "openai/gpt-5", 1.0), Reservation)
    call.settle(0.8, 100, 10)
    entry = next(each for each in made.books() if each.dimension == "tenant")
    assert (entry.day.spent, entry.day.reserved) == (0, 10**9)
    assert (entry.day_before.spent, entry.day_before.reserved) == (8 * 10**8, 0)
    assert (entry.month.spent, entry.month_before.spent) == (0, 8 * 10**8)


def test_what_is_added_is_booked_beside_what_is_held() -> None:
    made = purse(Terms("day", day_usd=1.0))
    for name in ("openai/gpt-5", "other/gpt-5"):
        taken(made, 0.1).settle(0.1, booked_as=name)
    call = taken(made, 0.5)
    call.add(0.2, 7, "openai/gpt-5")
    assert (short(made, 0.5).spent_usd, short(made, 0.5).reserved_usd) == (0.4, 0.5)
    call.settle(0.3, 10, 5, "other/gpt-5")
    call.add(9.0, 7, "openai/gpt-5")  # it has ended
    told = {each.name: each.day for each in made.books() if each.day.calls}
    sums = {
        name: (day.spent // 10**8, day.input_tokens, day.calls)
        for name, day in told.items()
        if name not in ("app", "chat")
    }
    assert sums == {"openai/gpt-5": (3, 7, 2), "other/gpt-5": (4, 10, 2), "acme": (7, 17, 4)}


def test_a_clock_that_is_put_back_does_not_open_a_budget() -> None:
    clock = ManualClock(NOON_S)
    made = purse(Terms("day", day_usd=1.0), clock=clock)
    taken(made, 1.0).settle(1.0)
    clock.advance(-10 * 24 * HOUR_S)
    taken(made, 1.0).settle(1.0)
    assert short(made, 0.5).spent_usd == 1.0


def test_a_budget_is_soft_and_then_hard() -> None:
    clock = ManualClock(NOON_S)
    made = purse(Terms("day", day_usd=1.0, soft_share=0.8, cheaper="gpt-5-mini"), clock=clock)
    (budget,) = made.budgets
    states = []
    for usd in (0.79, 0.01, 0.19, 0.01):
        taken(made, usd)
        states.append(budget.state(clock.wall_s()))
    assert states == [State.OK, State.SOFT, State.SOFT, State.HARD]
    clock.advance(12 * HOUR_S)
    assert budget.state(clock.wall_s()) is State.OK


def test_the_strictest_of_those_that_apply_counts() -> None:
    made = purse(
        Terms("wide", month_usd=100.0),
        Terms("narrow", tenant="acme", day_usd=1.0, soft_share=0.5),
        Terms("full", tenant="zenith", day_usd=0.0),
    )
    assert made.strictest(ACME)[0] is State.OK
    taken(made, 0.5)
    assert made.strictest(ACME) == (State.SOFT, made.budgets[1])
    assert made.strictest(Payer("", "zenith")) == (State.HARD, made.budgets[2])
    assert purse().strictest(ACME) == (State.OK, None)


def test_the_books_are_kept_in_all_four_ways() -> None:
    made = purse()
    for payer in (ACME, ACME._replace(key="job"), ACME._replace(tenant="zenith", intent="")):
        taken(made, 0.5, payer).settle(0.25, 100, 10, "openai/gpt-5")
    told = {
        (each.dimension, each.name): (each.day.spent, each.day.calls, each.day.input_tokens)
        for each in made.books()
    }
    quarter = 25 * 10**7
    assert ("key", "app") in told
    assert told["key", "job"] == told["tenant", "zenith"] == (quarter, 1, 100)
    assert told["tenant", "acme"] == told["intent", "chat"] == (2 * quarter, 2, 200)
    assert told["model", "openai/gpt-5"] == (3 * quarter, 3, 300)


def test_names_that_callers_make_up_do_not_fill_the_books() -> None:
    made = Purse(table(rows=600), ManualClock().wall_s)
    for number in range(400):
        reservation = made.reserve(ACME, f"made-up-{number}", 0.001)
        assert isinstance(reservation, Reservation)
        reservation.settle(0.001, booked_as=f"made-up-{number}")
    models = {each.name: each.day.calls for each in made.books() if each.dimension == "model"}
    assert len(models) == 257
    assert models["other"] == 144


def test_a_table_that_is_full_counts_what_it_can() -> None:
    made = Purse(table(rows=2), ManualClock().wall_s)
    budgets = [Terms("first", day_usd=1.0), Terms("second", day_usd=1.0)]
    made.adopt(budgets, {}, UTC)
    with pytest.raises(SettingsInvalid, match="no room to count 'third'"):
        made.adopt([*budgets, Terms("third", day_usd=0.0)], {}, UTC)
    reservation = made.reserve(ACME, "m", 0.5)
    assert isinstance(reservation, Reservation)
    reservation.settle(0.5)
    assert (len(made.budgets), made.books()) == (2, [])


WORKERS = 16


def workers(models: frozenset[str] = frozenset()) -> list[Purse]:
    """Of each worker of a machine, those that share a table as large as a gateway's."""
    cells = memoryview(bytearray(TallyTable.cells_for(WORKERS) * 8)).cast("q")
    made = [Purse(TallyTable(cells, WORKERS, own), lambda: NOON_S) for own in range(WORKERS)]
    for each in made:
        each.adopt([], {}, UTC, models)
    return made


def made_up(made: Purse, beginning: str, count: int = 300, *, answers: bool = True) -> None:
    for number in range(count):
        name = f"p/{beginning}-{number}"
        reservation = made.reserve(ACME, name, 0.0)
        assert isinstance(reservation, Reservation)
        reservation.settle(0.0, booked_as=name, has_answered=answers)


def model_rows(made: Purse) -> set[str]:
    return {each.name for each in made.books() if each.dimension == "model"}


def test_a_name_that_never_answered_has_no_row() -> None:
    made, *_ = workers()
    made_up(made, "refused", answers=False)
    assert model_rows(made) == {"other"}


def test_workers_make_no_more_rows_together_than_one_by_itself() -> None:
    made = workers()
    for number, each in enumerate(made):
        made_up(each, f"worker-{number}")
    assert len(model_rows(made[0])) == 257
    # Whoever comes after a worker that died finds what there is.
    successor = Purse(TallyTable(made[0]._table._cells, WORKERS, 3), lambda: NOON_S)
    successor.adopt([], {}, UTC)
    made_up(successor, "later")
    made_up(successor, "worker-0", 256)
    assert len(model_rows(successor)) == 257


def test_models_of_the_settings_have_rows_in_any_case() -> None:
    made, *_ = workers(frozenset(("p/named",)))
    made_up(made, "made-up")
    taken = made.reserve(ACME, "p/named", 0.5)
    assert isinstance(taken, Reservation)
    assert "p/named" in model_rows(made)


def test_rows_are_kept_back_for_budgets() -> None:
    made = Purse(table(rows=40), lambda: NOON_S)
    for number in range(100):
        reservation = made.reserve(Payer(f"key-{number}", "t"), "m", 0.0)
        assert isinstance(reservation, Reservation)
        reservation.settle(0.0)
    made.adopt([Terms(str(number), day_usd=0.0) for number in range(10)], {}, UTC)
    assert isinstance(made.reserve(ACME, "m", 1.0), Shortage)
    with pytest.raises(SettingsInvalid):
        made.adopt([Terms("one more", day_usd=0.0)], {}, UTC)
    assert len(made.budgets) == 10


def test_keys_and_tenants_whose_names_run_together_have_budgets_of_their_own() -> None:
    document = {
        "providers": {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}},
        "keys": [
            {"key": "one-and-only-1", "name": "c", "tenant": "a/b"},
            {"key": "one-and-only-2", "name": "b/c", "tenant": "a"},
        ],
        "budgets": [{"key": "*", "day_usd": 1}],
    }
    terms = list(terms_of(parse_settings(json.dumps(document), {}, "test.yaml")))
    assert len({each.name for each in terms}) == 1
    made = purse(*terms)
    taken(made, 1.0, Payer("c", "a/b")).settle(1.0)
    assert short(made, 0.5, Payer("c", "a/b")).spent_usd == 1.0
    taken(made, 1.0, Payer("b/c", "a"))


def test_new_terms_find_what_was_spent_by_the_budgets_name() -> None:
    made = purse(Terms("day", day_usd=1.0))
    taken(made, 1.0).settle(1.0)
    made.adopt([Terms("day", day_usd=2.0)], {}, UTC)
    assert short(made, 1.5).spent_usd == 1.0
    taken(made, 1.0)


def test_sums_beyond_all_reason_are_still_sums() -> None:
    made = purse()
    for _ in range(100):
        taken(made, 1e300).settle(1e300, 10**9, 10**9)
    (tenant,) = (each for each in made.books() if each.dimension == "tenant")
    assert tenant.day.spent >= 10**18
