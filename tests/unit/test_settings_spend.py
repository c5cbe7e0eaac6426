"""Budgets in the settings: whom they stand for, and what cannot be meant."""

import json
from typing import Any

import pytest

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
        ({"day_usd": 1, "tenant": "who"}, "unknown tenant 'who'; there are acme, zenith"),
        ({"day_usd": 1, "time_zone": "Mars/Olympus"}, "expected a time zone"),
        ({"day_usd": 1, "time_zone": "../etc/passwd"}, "expected a time zone"),
        ({"day_usd": 1, "model": "m", "cheaper": "m"}, "expected another model"),
        ({"day_usd": 1, "dayusd": 1}, "unknown key"),
    ],
)
def test_what_cannot_be_meant_is_refused(budget: dict[str, Any], problem: str) -> None:
    assert problem in complaint(budget)


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
