"""Budgets in the settings: whom they stand for, and what cannot be meant."""

import json
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.notes import notes
from headrace.errors import SettingsInvalid
from headrace.identity.budget_terms import terms_of, zones_of
from headrace.settings import Settings, notices, parse_settings

PROVIDERS = {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}}
KEYS = [
    {"key": "hr-one", "name": "one", "tenant": "acme"},
    {"key": "hr-two", "name": "two", "tenant": "acme"},
    {"key": "hr-three", "name": "three", "tenant": "zenith"},
]


def settings(*budgets: dict[str, Any], keys: Any = KEYS, **more: Any) -> Settings:
    document = {"providers": PROVIDERS, "keys": keys, "budgets": budgets, **more}
    return parse_settings(json.dumps(document), {}, "test.yaml")


def complaint(*budgets: dict[str, Any], **more: Any) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        settings(*budgets, **more)
    return caught.value.message


@pytest.mark.parametrize(
    ("budget", "problem"),
    [
        ({}, "budgets[0]: expected day_usd, month_usd or both"),
        ({"day_usd": -1}, "budgets[0].day_usd: expected at least 0"),
        ({"day_usd": 1e12}, "budgets[0].day_usd: expected at most 100000000"),
        ({"day_usd": 1, "status": 500}, "budgets[0].status: expected one of 402, 429, found '500'"),
        ({"day_usd": 1, "key": "onee"}, "unknown key 'onee'; did you mean one?"),
        ({"day_usd": 1, "tenant": "acne"}, "unknown tenant 'acne'; did you mean acme?"),
        ({"day_usd": 1, "time_zone": "Mars/Olympus"}, "expected a time zone"),
        ({"day_usd": 1, "time_zone": "../etc/passwd"}, "expected a time zone"),
        ({"day_usd": 1, "model": "m", "cheaper": "m"}, "expected another model"),
        ({"day_usd": 1, "dayusd": 1}, "unknown key"),
    ],
)
def test_what_cannot_be_meant_is_refused(budget: dict[str, Any], problem: str) -> None:
    assert problem in complaint(budget)


def test_who_may_be_in_the_store_is_told_of() -> None:
    found = settings({"day_usd": 1, "tenant": "who"}, {"day_usd": 1, "key": "*"})
    assert [each for each in notices(found) if "'who'" in each] == [
        "budgets[0] is for the tenant 'who', which is not in the settings: it counts something "
        "only if the store has tenants of this name."
    ]


def test_two_budgets_of_one_name_are_refused() -> None:
    assert "the same name as budgets[0]" in complaint({"day_usd": 1}, {"month_usd": 1})
    settings({"day_usd": 1}, {"month_usd": 1, "name": "other"})


def test_a_cheaper_model_has_to_be_there() -> None:
    models = {"small": {"targets": ["p/small"]}, "large": {"targets": ["p/large"]}}
    assert "did you mean small?" in complaint({"day_usd": 1, "cheaper": "smal"}, models=models)
    for cheaper in ("small", "p/anything"):
        settings({"day_usd": 1, "cheaper": cheaper}, models=models)


def test_zones_are_of_tenants_that_there_are() -> None:
    assert "unknown tenant 'acne'; did you mean acme?" in complaint(
        spend={"time_zones": {"acne": "UTC"}}
    )
    zones = zones_of(settings(spend={"time_zones": {"acme": "Asia/Tokyo"}}))
    assert str(zones["acme"]) == "Asia/Tokyo"


def test_a_budget_for_each_stands_for_all_of_them() -> None:
    found = settings(
        {"name": "keys", "key": "*", "day_usd": 1},
        {"name": "tenants", "tenant": "*", "day_usd": 1},
        {"name": "some", "key": "*", "tenant": "acme", "day_usd": 1},
    )
    assert [(each.name, each.key, each.tenant) for each in terms_of(found)] == [
        ("keys/acme/one", "one", "acme"),
        ("keys/acme/two", "two", "acme"),
        ("keys/zenith/three", "three", "zenith"),
        ("tenants/acme", None, "acme"),
        ("tenants/zenith", None, "zenith"),
        ("some/acme/one", "one", "acme"),
        ("some/acme/two", "two", "acme"),
    ]


def test_without_keys_everybody_is_one() -> None:
    found = settings({"key": "*", "day_usd": 1}, {"tenant": "default", "day_usd": 1}, keys=[])
    assert [(each.key, each.tenant) for each in terms_of(found)] == [
        ("anonymous", "default"),
        (None, "default"),
    ]


def test_a_budget_for_an_intent_is_told_to_have_no_effect() -> None:
    assert notices(settings({"day_usd": 1}, {"day_usd": 1, "intent": "sql"})) == (
        "budgets[1], for an intent where there are no intents, has no effect in this version.",
    )


def test_days_begin_where_the_nearest_setting_says() -> None:
    found = settings(
        {"tenant": "acme", "day_usd": 1},
        {"key": "one", "day_usd": 1},
        {"tenant": "zenith", "day_usd": 1},
        {"tenant": "acme", "name": "own", "day_usd": 1, "time_zone": "America/Lima"},
        {"model": "m", "day_usd": 1},
        spend={"time_zone": "Asia/Tokyo", "time_zones": {"acme": "Europe/Berlin"}},
    )
    assert [str(each.zone) for each in terms_of(found)] == [
        "Europe/Berlin",
        "Europe/Berlin",
        "Asia/Tokyo",
        "America/Lima",
        "Asia/Tokyo",
    ]


RULED = {
    "auto": {
        "default": "p/m",
        "rules": [{"intent": "order_status", "words": ["parcel"]}],
        "routes": {"order_status": "p/n", "unknown": "p/m"},
    }
}


def test_an_intent_that_nothing_tells_is_refused() -> None:
    typo = {"day_usd": 0, "intent": "order_statsu"}
    told = complaint(typo, intents=RULED)
    assert "budgets[0].intent: unknown intent 'order_statsu'; did you mean order_status?" in told
    for intent in ("order_status", "unknown"):
        assert not notices(settings({**typo, "intent": intent}, intents=RULED))


def test_an_intent_that_only_weights_may_tell_is_noted(tmp_path: Path) -> None:
    weights = tmp_path / "intents.npz"
    weights.write_bytes(b"")
    auto = {"auto": {**RULED["auto"], "weights": str(weights)}}
    (note,) = notices(settings({"day_usd": 0, "intent": "order_statsu"}, intents=auto))
    assert note.startswith("budgets[0] is for the intent 'order_statsu', which no rule or route")
    assert not notices(settings({"day_usd": 0, "intent": "order_status"}, intents=auto))


@pytest.mark.parametrize(
    ("model", "is_noted"),
    [
        ("mine", False),
        ("p/large", False),
        ("large", False),
        ("gpt-4o-mini", False),
        ("p/gpt-4o-mini", False),
        ("minee", True),
        ("gpt-4o-mni", True),
        ("q/large", True),
        ("p/lrge", True),
    ],
)
def test_a_model_that_nobody_knows_is_noted(model: str, is_noted: bool) -> None:
    models = {"mine": {"targets": ["p/large"]}}
    found = list(notes(settings({"day_usd": 1, "model": model}, models=models)))
    assert [each.startswith(f"budgets[0].model, {model!r}, is neither") for each in found] == [
        True
    ] * is_noted
