"""Quotas and keys of providers, as the settings say them."""

import json
from typing import Any

import pytest

from headrace.cli.config import summary
from headrace.errors import SettingsInvalid
from headrace.gateway.gates.lane_keys import quota_limits, secrets_of
from headrace.settings import ProviderSettings, Secret, Settings, parse_settings
from headrace.settings.flow import QuotaSettings


def parsed(**provider: Any) -> Settings:
    settings = {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1", **provider}
    return parse_settings(json.dumps({"providers": {"p": settings}}), {}, "t.yaml")


def problem(**provider: Any) -> str:
    with pytest.raises(SettingsInvalid) as refused:
        parsed(**provider)
    return refused.value.message


def test_what_is_wrong_with_keys() -> None:
    keys = [{"key": "sk-a"}, {"key": "sk-b"}]
    assert "either api_key or api_keys" in problem(api_key="sk-c", api_keys=keys)
    assert "the same key as api_keys[0]" in problem(api_keys=[keys[0], keys[0]])
    named = [{**each, "name": "one"} for each in keys]
    assert "the same name as api_keys[0]" in problem(api_keys=named)
    assert "must not be the key itself" in problem(api_keys=[{"key": "sk-a", "name": "sk-a"}])
    assert "api_keys[0].name" in problem(api_keys=[{"key": "sk-a", "name": "two words"}])


@pytest.mark.parametrize(
    "provider",
    [
        {"api_key": "sk-secret", "api_keys": [{"key": "sk-secret"}]},
        {"api_keys": [{"key": "sk-secret"}, {"key": "sk-secret"}]},
        {"api_keys": [{"key": "sk-secret", "name": "sk-secret"}]},
        {"api_keys": [{"key": ["sk-secret"]}]},
    ],
)
def test_no_problem_repeats_a_key(provider: dict[str, Any]) -> None:
    assert "sk-secret" not in problem(**provider)


@pytest.mark.parametrize(
    ("quota", "wrong"),
    [
        ({"requests_per_minute": 0}, "quota.requests_per_minute"),
        ({"tokens_per_minute": -1}, "quota.tokens_per_minute"),
        ({"burst_s": 61}, "quota.burst_s"),
        ({"headroom": 0.6}, "quota.headroom"),
        ({"share": 0}, "quota.share"),
        ({"retry_after_s_max": 3601}, "quota.retry_after_s_max"),
        ({"rpm": 60}, "unknown key"),
    ],
)
def test_what_is_wrong_with_a_quota(quota: dict[str, Any], wrong: str) -> None:
    assert wrong in problem(quota=quota)


def test_a_quota_is_shared_by_workers_unless_told_otherwise() -> None:
    assert quota_limits(QuotaSettings(), 4).share == 0.25
    assert quota_limits(QuotaSettings(share=0.1), 4).share == 0.1


def test_keys_do_not_print() -> None:
    settings = parsed(api_keys=[{"key": "sk-a-secret"}, {"key": "sk-b-secret", "name": "b"}])
    shown = "\n".join(summary(settings))
    for told in (repr(settings), shown):
        assert "sk-" not in told
        assert "b-secret" not in told
    assert "2 keys" in shown


def test_the_keys_of_a_provider() -> None:
    provider = ProviderSettings(dialect="openai", base_url="http://h/v1")
    assert secrets_of(provider) == (None,)
    assert secrets_of(parsed(api_key="sk-a").providers["p"]) == (Secret("sk-a"),)
    several = parsed(api_keys=[{"key": "sk-a"}, {"key": "sk-b"}]).providers["p"]
    assert secrets_of(several) == (Secret("sk-a"), Secret("sk-b"))
