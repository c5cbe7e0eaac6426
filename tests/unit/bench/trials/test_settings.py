"""What a gateway under trial is started with, whatever its arm wants."""

from typing import Any

import pytest

from headrace.bench.trials.settings import merged, settings_for

SIMULATOR = "http://127.0.0.1:9100"


def settings(arm: dict[str, Any]) -> dict[str, Any]:
    return settings_for(arm, SIMULATOR, "/tmp/x")  # noqa: S108


def test_without_wishes_everything_goes_to_the_simulator() -> None:
    told = settings({})
    assert told["listen"] == {"host": "127.0.0.1", "port": 0, "workers": 1}
    assert told["providers"] == {
        "openai": {"dialect": "openai", "base_url": "http://127.0.0.1:9100/v1"}
    }


def test_wishes_are_merged_and_lists_are_replaced() -> None:
    base = {"cache": {"ttl_s": 1, "memory_mb": 5}, "keys": [1, 2]}
    over = {"cache": {"ttl_s": 2}, "keys": [3], "log": {"format": "off"}}
    assert merged(base, over) == {
        "cache": {"ttl_s": 2, "memory_mb": 5},
        "keys": [3],
        "log": {"format": "off"},
    }


def test_where_it_listens_is_not_the_arms_choice() -> None:
    told = settings({"listen": {"host": "0.0.0.0", "port": 80, "workers": 3}, "data_dir": "/y"})
    assert told["listen"] == {"host": "127.0.0.1", "port": 0, "workers": 3}
    assert told["data_dir"] == "/tmp/x"  # noqa: S108


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "${OPENAI_BASE_URL}",
        "http://127.0.0.1:1@example.com/v1",
        "http://localhost.example.com",
        "http://[broken",
        None,
        7,
    ],
)
def test_no_other_machine_is_ever_asked(url: object) -> None:
    provider = {"dialect": "openai", "base_url": url, "api_key": "k"}
    told = settings({"providers": {"openai": provider}})
    assert told["providers"]["openai"]["base_url"] == "http://127.0.0.1:9100/v1"
    assert told["providers"]["openai"]["api_key"] == "k"


def test_a_provider_without_an_address_is_the_simulator_in_its_dialect() -> None:
    told = settings({"providers": {"claude": {"dialect": "anthropic"}}})
    assert told["providers"]["claude"]["base_url"] == "http://127.0.0.1:9100"


@pytest.mark.parametrize("url", ["http://127.0.0.2:7/v1", "http://localhost:7", "http://[::1]:7"])
def test_another_simulator_on_this_machine_stays(url: str) -> None:
    told = settings({"providers": {"strong": {"dialect": "openai", "base_url": url}}})
    assert told["providers"]["strong"]["base_url"] == url


def test_an_arm_may_have_answers_of_another_length() -> None:
    headers = {"x-sim-tokens": "99", "x-more": "1"}
    told = settings({"providers": {"openai": {"headers": headers}}})
    assert told["providers"]["openai"]["headers"] == headers


@pytest.mark.parametrize("arm", [{"providers": 3}, {"listen": 3}, {"providers": {"openai": 3}}])
def test_nonsense_is_left_to_the_gateway_to_refuse(arm: dict[str, Any]) -> None:
    assert settings(arm)["data_dir"] == "/tmp/x"  # noqa: S108
