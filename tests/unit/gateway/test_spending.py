"""Which calls are booked, on whom and when, and what is not asked for want of money."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.support.engine import StillEngine, run
from tests.unit.gateway.test_relay import EVENTS, Flow, Reader

from headrace.errors import BudgetExceeded, SettingsInvalid
from headrace.gateway.flight import Flight
from headrace.gateway.ledger.bill import bill_of
from headrace.gateway.reader import Place
from headrace.gateway.spend.size import size_of
from headrace.identity.tallies import ROWS_MAX
from headrace.limits import STREAM_EDGE_BYTES
from headrace.model import Usage
from headrace.settings import parse_settings
from headrace.settings.spend import BudgetSettings, SpendSettings

CALL_USD = 0.01  # 900 and 100 tokens at 10 dollars a million
MIDNIGHT_S = datetime(2026, 12, 1, tzinfo=UTC).timestamp()


def adopt(still: StillEngine, *budgets: BudgetSettings, **spend: Any) -> None:
    settings = msgspec.structs.replace(
        still.engine.settings, budgets=budgets, spend=SpendSettings(enabled=True, **spend)
    )
    still.engine.reload(settings)
    pool = still.engine.pipeline.plan.lanes["p"].endpoint.pool
    pool.send = still._send  # type: ignore[method-assign]


def rows(still: StillEngine, what: str) -> dict[str, dict[str, Any]]:
    """What was spent today, by name."""
    told = still.engine.treasury.told()
    return {each["name"]: each["today"] for each in told[what] if each["today"]["calls"]}


def held_usd(still: StillEngine) -> float:
    told = still.engine.treasury.told()
    return sum(each["today"]["reserved_usd"] for each in told["tenants"])


def test_a_call_is_held_while_it_is_under_way_and_booked_at_its_end() -> None:
    async def test(still: StillEngine) -> None:
        adopt(still)
        order = still.order("Hello?")
        still.engine.pipeline.handle_all([order])
        assert held_usd(still) >= 1000 * 10e-6  # of what calls usually answer
        await still.answer()
        assert held_usd(still) == 0
        (booked,) = rows(still, "models").values()
        assert (booked["usd"], booked["calls"]) == (CALL_USD, 1)
        assert (booked["input_tokens"], booked["output_tokens"]) == (900, 100)
        assert set(rows(still, "tenants")) == {"t"}

    run(test)


def test_hits_and_joined_calls_cost_nothing() -> None:
    async def test(still: StillEngine) -> None:
        adopt(still, BudgetSettings(tenant="t", day_usd=1))
        still.engine.pipeline.handle_all([still.order("Hello?"), still.order("Hello?")])
        assert len(still.sent) == 1
        await still.answer()
        assert await still.ask("Hello?") == "l1"
        assert rows(still, "tenants")["t"]["calls"] == 1

    run(test)


def test_a_call_is_booked_on_the_day_it_was_sent() -> None:
    async def test(still: StillEngine) -> None:
        adopt(still, BudgetSettings(tenant="t", day_usd=1, month_usd=2))
        still.clock.advance(MIDNIGHT_S - 1 - still.clock.wall_s())
        still.engine.pipeline.handle_all([still.order("Late?")])
        await still.answer()  # takes two seconds
        assert still.clock.wall_s() > MIDNIGHT_S
        assert rows(still, "tenants") == {}
        (tenant,) = still.engine.treasury.told()["tenants"]
        assert (tenant["yesterday"]["usd"], tenant["last_month"]["usd"]) == (CALL_USD, CALL_USD)
        (budget,) = still.engine.treasury.told()["budgets"]
        assert budget["day"]["left_usd"] == 1

    run(test)


def test_what_is_turned_off_while_a_call_is_under_way_settles_it_all_the_same() -> None:
    async def test(still: StillEngine) -> None:
        adopt(still)
        still.engine.pipeline.handle_all([still.order("Hello?")])
        off = msgspec.structs.replace(still.engine.settings, spend=SpendSettings())
        still.engine.reload(off)
        assert still.engine.treasury.told() == {"enabled": False}
        await still.answer()
        adopt(still)
        assert rows(still, "tenants")["t"]["usd"] == CALL_USD

    run(test)


class Leaver(Reader):
    """Someone who does not wait for the end."""

    seat: Place | None = None

    def seated(self, seat: Place) -> None:
        self.seat = seat


@pytest.mark.parametrize("is_sent", [True, False])
def test_a_call_that_nobody_waits_for_costs_what_is_usual_once_it_was_sent(is_sent: bool) -> None:
    async def test(still: StillEngine) -> None:
        adopt(still)
        order, leaver = still.order("Hello?"), Leaver()
        order.reader = leaver
        still.engine.pipeline.handle_all([order])
        ((_, sink),) = still.sent
        if is_sent:
            sink.on_attempt(Flow())
        assert leaver.seat is not None
        assert isinstance(sink, Flight)
        leaver.seat.leave()
        assert held_usd(still) == 0
        booked = [each["usd"] for each in rows(still, "tenants").values()]
        assert [usd >= 1000 * 10e-6 for usd in booked] == ([True] if is_sent else [])
        # The ledger says the same.
        assert bill_of(sink).cost_usd == pytest.approx(sum(booked))

    run(test)


def told_by_provider(usage: dict[str, int]) -> bytes:
    return b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"


@pytest.mark.parametrize("told_at", ["the beginning", "the end", None])
def test_a_long_stream_that_is_left_costs_its_events_and_what_was_told_at_either_end(
    told_at: str | None,
) -> None:
    delta = {"choices": [{"index": 0, "delta": {"content": "x" * 700}}]}
    events = [b"data: " + json.dumps(delta).encode() + b"\n\n"] * 999
    told = told_by_provider({"prompt_tokens": 7, "completion_tokens": 2})
    if told_at is not None:
        events.insert(0 if told_at == "the beginning" else len(events), told)
    body = b"".join(events)
    assert len(body) > 4 * STREAM_EDGE_BYTES

    async def test(still: StillEngine) -> None:
        adopt(still)
        order, leaver = still.order("Hello?"), Leaver()
        order.reader = leaver
        still.engine.pipeline.handle_all([order])
        ((_, sink),) = still.sent
        sink.on_attempt(Flow())
        sink.on_head(200, EVENTS)
        for at in range(0, len(body), 777):
            sink.on_body(body[at : at + 777])
        assert leaver.seat is not None
        assert isinstance(sink, Flight)
        leaver.seat.leave()
        (booked,) = rows(still, "models").values()
        assert booked["output_tokens"] == len(events)
        if told_at is not None:
            assert booked["input_tokens"] == 7
        usage = bill_of(sink).usage
        assert (usage.input_tokens, usage.output_tokens) == (booked["input_tokens"], len(events))

    run(test)


@pytest.mark.parametrize("is_soft", [True, False])
def test_the_cache_asks_nothing_by_itself_while_a_budget_is_soft(is_soft: bool) -> None:
    async def test(still: StillEngine) -> None:
        share = 0.0001 if is_soft else 0.9
        adopt(still, BudgetSettings(tenant="t", day_usd=1, soft_share=share))
        await still.ask("Hello?")
        still.clock.advance(110)  # its time is over, and it is given while it is asked for again
        order = still.order("Hello?")
        still.engine.pipeline.handle_all([order])
        assert len(still.sent) == (0 if is_soft else 1)
        await still.answer()
        # Callers of these tests have no keys.
        assert set(rows(still, "keys")) == (set() if is_soft else {"(cache)"})
        assert rows(still, "tenants")["t"]["calls"] == (1 if is_soft else 2)

    run(test, stale_s=1000)


def test_errands_are_held_booked_and_refused() -> None:
    async def test(still: StillEngine) -> None:
        adopt(still, BudgetSettings(model="p/m", day_usd=0.02))
        spending = still.engine.treasury.spending
        assert spending is not None
        lane = still.engine.pipeline.plan.lanes["p"]
        with spending.errand(lane, "m", b"{}", has_output=True) as spent:
            assert held_usd(still) > 0
            spent(0.015, Usage(10, 5))
        assert rows(still, "tenants")["(cache)"]["usd"] == 0.015
        with (
            pytest.raises(BudgetExceeded),
            spending.errand(lane, "m", b'{"max_tokens": 1000}', has_output=True),
        ):
            raise AssertionError("there was no room for it")
        with (
            pytest.raises(ZeroDivisionError),
            spending.errand(lane, "m", b'{"max_tokens": 1}', has_output=True),
        ):
            _ = 1 / 0
        assert held_usd(still) == 0

    run(test)


def test_errands_for_a_tenant_are_within_its_budgets() -> None:
    async def test(still: StillEngine) -> None:
        adopt(still, BudgetSettings(tenant="t", day_usd=0.02))
        spending = still.engine.treasury.spending
        assert spending is not None
        lane, asked = still.engine.pipeline.plan.lanes["p"], b'{"max_tokens": 100}'
        with spending.errand(lane, "m", asked, has_output=True, tenant="t") as spent:
            spent(0.0195, Usage(10, 5))
        assert rows(still, "tenants")["t"]["usd"] == rows(still, "keys")["(cache)"]["usd"] == 0.0195
        with (
            pytest.raises(BudgetExceeded),
            spending.errand(lane, "m", asked, has_output=True, tenant="t"),
        ):
            raise AssertionError("there was no room for it")
        with spending.errand(lane, "m", asked, has_output=True, tenant="u") as spent:
            spent(0.01, None)

    run(test)


PRICE = {"input": 10, "output": 10}


def adopt_models(still: StillEngine, *budgets: dict[str, Any], balance: str | None = None) -> None:
    """Several targets of one model, tiers and an experiment, and these budgets."""
    targets = {"targets": ["p/a", "p/b"], "price": PRICE}
    document = {
        "providers": {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}},
        "models": {
            "m": targets | ({"balance": balance} if balance else {}),
            "tried": {"targets": ["p/tried"], "price": PRICE},
            "cheap": {"targets": ["p/cheap"], "price": PRICE},
            "strong": {"targets": ["p/strong"], "price": PRICE},
        },
        "tiers": {
            "auto": {"cheap_share": 0.5, "cheap": {"model": "cheap"}, "strong": {"model": "strong"}}
        },
        "experiments": {
            "trial": {
                "model": "tried",
                "arms": [{"name": each, "model": each, "weight": 1} for each in ("cheap", "m")],
            }
        },
        "budgets": budgets,
    }
    still.engine.reload(parse_settings(json.dumps(document), {}, "test.yaml"))
    pool = still.engine.pipeline.plan.lanes["p"].endpoint.pool
    pool.send = still._send  # type: ignore[method-assign]


def refused(still: StillEngine, model: str, text: str = "Hello?") -> bool:
    order = still.order(text, model)
    still.engine.pipeline.handle_all([order])
    assert isinstance(order.error, BudgetExceeded | None)
    return order.error is not None


@pytest.mark.parametrize("name", ["auto", "tried"])
def test_a_budget_for_what_the_caller_names_holds_whoever_is_chosen(name: str) -> None:
    async def test(still: StillEngine) -> None:
        adopt_models(still, {"model": name, "day_usd": 0})
        assert refused(still, name)
        assert not refused(still, "cheap")
        assert not refused(still, "strong")
        await still.answer()

    run(test)


def test_what_is_chosen_pays_as_well() -> None:
    async def test(still: StillEngine) -> None:
        adopt_models(still, *({"model": each, "day_usd": 0} for each in ("cheap", "strong")))
        assert refused(still, "auto")

    run(test)


def test_a_soft_budget_for_what_the_caller_names_moves_on() -> None:
    async def test(still: StillEngine) -> None:
        adopt_models(still, {"model": "auto", "day_usd": 0, "cheaper": "m"})
        assert not refused(still, "auto")
        ((request, _),) = still.sent
        assert b'"model":"a"' in request
        await still.answer()

    run(test)


@pytest.mark.parametrize("balance", [None, "weighted"])
@pytest.mark.parametrize("name", ["p/a", "p/b", "a", "b", "m"])
def test_a_budget_for_a_target_holds_wherever_it_stands(name: str, balance: str | None) -> None:
    async def test(still: StillEngine) -> None:
        adopt_models(still, {"model": name, "day_usd": 0}, balance=balance)
        assert all(refused(still, "m", f"Question {number}?") for number in range(20))
        assert not refused(still, "cheap")
        await still.answer()

    run(test)


def test_a_soft_budget_for_one_target_may_lead_to_the_next() -> None:
    async def test(still: StillEngine) -> None:
        adopt_models(still, {"model": "p/a", "day_usd": 0, "cheaper": "p/b"})
        assert not refused(still, "m")
        ((request, _),) = still.sent
        assert b'"model":"b"' in request
        await still.answer()

    run(test)


def test_usage_is_learnt_of_who_has_answered() -> None:
    async def test(still: StillEngine) -> None:
        adopt_models(still, {"day_usd": 1})
        spending = still.engine.treasury.spending
        assert spending is not None
        size, outlooks = size_of(b"{}", 1, has_output=True), spending._outlooks
        asked, answered = (outlooks.of("p", each).forecast(size) for each in ("a", "b"))
        order = still.order("Hello?")
        still.engine.pipeline.handle_all([order])
        order.model = "b"  # as it is when the first has failed
        await still.answer()
        assert outlooks.of("p", "a").forecast(size) == asked
        assert outlooks.of("p", "b").forecast(size) != answered

    run(test)


def test_a_budget_is_not_passed_by_text_without_spaces() -> None:
    async def test(still: StillEngine) -> None:
        adopt_models(still, {"day_usd": 0.5})
        assert refused(still, "m", "ab+/" * 250_000)

    run(test)


@pytest.mark.parametrize("status", [200, 404])
def test_only_models_that_answer_are_in_the_books(status: int) -> None:
    async def test(still: StillEngine) -> None:
        adopt(still)
        still.engine.pipeline.handle_all([still.order("Hello?", "p/of-no-settings")])
        assert set(model_rows(still)) == {"other"}
        await still.answer(status)
        assert ("p/of-no-settings" in model_rows(still)) == (status == 200)

    run(test)


def model_rows(still: StillEngine) -> list[str]:
    return [each["name"] for each in still.engine.treasury.told()["models"]]


def test_settings_with_more_budgets_than_can_be_counted_change_nothing() -> None:
    async def test(still: StillEngine) -> None:
        adopt(still, BudgetSettings(name="first", day_usd=0))
        before, plan = still.engine.settings, still.engine.pipeline.plan
        names = (f"budget {number}" for number in range(ROWS_MAX))
        with pytest.raises(SettingsInvalid, match="no room to count 'budget 40"):
            adopt(still, *(BudgetSettings(name=each, day_usd=1) for each in names))
        assert still.engine.settings is before
        assert still.engine.pipeline.plan is plan
        assert refused(still, "m")

    run(test)


def test_shares_of_budgets_are_shown() -> None:
    async def test(still: StillEngine) -> None:
        adopt(
            still,
            BudgetSettings(tenant="t", day_usd=0.1),
            BudgetSettings(name="none", tenant="u", day_usd=0),
        )
        await still.ask("Hello?")
        still.engine.refresh_gauges()
        gauge = still.metrics.budget_used
        cells: Any = gauge._cells
        assert cells[gauge.at(1, "day")] == pytest.approx(0.1)
        assert cells[gauge.at(2, "day")] == 1.0
        assert cells[gauge.at(1, "month")] == 0.0

    run(test)
