"""The reference month adds up, and says what it hangs on."""

import msgspec
import pytest
from benchmarks.prompt.month import RATES, find_models, work_out
from benchmarks.prompt.month_model import (
    DAYS,
    LEVERS,
    TRAFFIC,
    USERS,
    Lever,
    Models,
    Traffic,
    month_usd,
    parts,
)

from headrace.model import Price

PRICE = Price(input=10.0, output=20.0, cached=1.0, cache_write=12.5, batch=Price(5.0, 10.0))
MODELS = Models(PRICE, Price(input=1.0, output=2.0, cached=0.1), 1_000, 0.0)
RATES_KNOWN = {name: rate.value for name, rate in RATES.items()}
PLAIN = Traffic("plain", 1, 1, 0, 1_000_000, 0.0, 100_000)


def usd(traffic: Traffic, *levers: str) -> float:
    wanted = frozenset(each for each in LEVERS if each in levers)
    return month_usd([traffic], RATES_KNOWN, MODELS, wanted) / (USERS * DAYS)


def test_with_no_lever_everything_is_paid_in_full() -> None:
    assert usd(PLAIN) == pytest.approx(10.0 + 2.0)
    # Two turns send the first one's words and answer again.
    two = Traffic("two", 1, 2, 0, 1_000_000, 0.0, 100_000)
    assert usd(two) == pytest.approx(2 * 12.0 + 11.0)


def test_levers_do_what_they_say() -> None:
    replace = msgspec.structs.replace
    assert usd(replace(PLAIN, exact="repeating"), "exact") == pytest.approx(12.0 * (1 - 0.899))
    structured = replace(PLAIN, structured=1.0)
    saved = RATES_KNOWN["structured"]
    assert usd(structured, "compression") == pytest.approx(12.0 - 10.0 * saved)
    assert usd(replace(PLAIN, can_wait=True), "batch") == pytest.approx(6.0)
    assert usd(PLAIN, "tiers") == pytest.approx(12.0 * RATES_KNOWN["tiers_usd"])
    assert usd(PLAIN, "marks") == usd(PLAIN)  # nothing is said twice


def test_marks_pay_where_turns_follow_and_not_below_the_shortest_prefix() -> None:
    talk = Traffic("talk", 1, 6, 5_000, 500, 0.0, 100)
    assert usd(talk, "marks") < 0.55 * usd(talk)
    short = Traffic("short", 1, 1, 500, 100, 0.0, 100)
    assert usd(short, "marks") == usd(short)


def test_marks_save_what_a_gateway_measures() -> None:
    """`benchmarks.prompt.caching`: input of Claude's agents comes to .287 of its price."""
    agents, models = TRAFFIC[0], find_models()
    output_usd = models.strong.output * agents.output_tokens * agents.turns / 1e6
    before, after = (
        month_usd([agents], RATES_KNOWN, models, levers) / (USERS * DAYS * agents.conversations)
        for levers in (frozenset[Lever](), frozenset[Lever](("marks",)))
    )
    assert (after - output_usd) / (before - output_usd) == pytest.approx(0.287, abs=0.03)


def test_parts_add_up_to_what_is_saved() -> None:
    models = find_models()
    before = month_usd(TRAFFIC, RATES_KNOWN, models, frozenset())
    after = month_usd(TRAFFIC, RATES_KNOWN, models, frozenset(LEVERS))
    found = parts(TRAFFIC, RATES_KNOWN, models)
    assert sum(found.values()) == pytest.approx(1 - after / before)
    assert all(part > 0 for part in found.values())


def test_the_month_is_seventy_percent_lower_and_the_same_each_time() -> None:
    found = work_out()
    assert found == work_out()
    assert found.saved >= 0.7
    assert found.saved_low < found.saved < found.saved_high
    # It hangs on what repeats and on conversations, and says so.
    assert found.scenarios["nothing repeats"] < 0.7
    assert found.scenarios["no agents"] < found.saved
    assert found.scenarios["30 % of calls to the cheap model"] < found.saved


def test_every_rate_says_where_it_comes_from() -> None:
    assert all(rate.low <= rate.value <= rate.high and rate.source for rate in RATES.values())
