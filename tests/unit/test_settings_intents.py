"""Settings of intents that cannot be used are told where they stand."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.errors import SettingsInvalid
from headrace.settings import Settings, parse_settings

GOOD: dict[str, Any] = {
    "providers": {"one": {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}},
    "models": {"fast": {"targets": ["one/f"]}, "smart": {"targets": ["one/s"]}},
    "tiers": {"tiered": {"cheap": "fast", "strong": "smart", "cheap_share": 0.5}},
}
RULES = [{"intent": "refund", "words": ["refund"]}]


def read(**auto: Any) -> Settings:
    auto = {"default": "smart", "rules": RULES, **auto}
    wanted = {key: value for key, value in auto.items() if value is not None}
    return parse_settings(yaml.safe_dump({**GOOD, "intents": {"auto": wanted}}), {})


def test_everything_can_be_set(tmp_path: Path) -> None:
    weights = tmp_path / "intents.npz"
    weights.write_bytes(b"")
    route = {"model": "one/any", "priority": "low", "cache": False, "ttl_s": 60}
    routes = {"refund": route, "anything": "fast", "unknown": {"model": "tiered"}}
    found = read(weights=str(weights), routes=routes).intents["auto"]
    assert found.routes["anything"].model == "fast"
    assert found.routes["refund"].ttl_s == 60.0
    assert not found.routes["refund"].cache


@pytest.mark.parametrize(
    ("auto", "why"),
    [
        ({"default": None}, "the key default is missing"),
        ({"default": "smrt"}, "unknown model 'smrt'; did you mean smart"),
        ({"default": "nobody/x"}, "unknown model 'nobody/x'"),
        ({"default": "auto"}, "and not to intents"),
        ({"rules": None}, "expected weights, which headrace intent train writes, or rules"),
        ({"rules": [{"intent": "refund"}]}, "expected words or patterns, found neither"),
        ({"rules": [{"intent": "two words", "words": ["x"]}]}, "an intent's name is made of"),
        ({"weights": "nowhere.npz"}, "weights: no such file"),
        ({"routes": {"refnud": "fast"}}, "no rule tells this intent; did you mean refund"),
        ({"routes": {"refund": "fats"}}, "unknown model 'fats'; did you mean fast"),
        ({"routes": {"refund": {"priority": "highest"}}}, "expected one of batch, high"),
        ({"routes": {"refund": {"ttl_s": -1}}}, "expected at least 0"),
        ({"routes": {"refund": {"modle": "fast"}}}, "unknown key 'modle'; did you mean model"),
        ({"routes": {"refund": {"template": "ask"}}}, "templates.path names their directory"),
        ({"routes": {"refund": {"template": {"name": "a", "turn": "a-b"}}}}, "variable is called"),
        (
            {
                "routes": {
                    "refund": {"template": {"name": "a", "turn": "q", "variables": {"q": ""}}}
                }
            },
            "stands there already, by turn",
        ),
        ({"routes": {f"intent{n}": "fast" for n in range(65)}}, "at most 64 routes"),
    ],
)
def test_what_cannot_be_is_told(auto: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsInvalid, match=why):
        read(**auto)
