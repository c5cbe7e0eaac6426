"""Windows in the settings: what leaves no room is refused, and what hardly does is noted."""

import json
from typing import Any

import pytest

from headrace.errors import SettingsInvalid
from headrace.settings import Settings, notices, parse_settings

PROVIDERS = {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}}


def settings(**window: Any) -> Settings:
    document = {"providers": PROVIDERS, "prompt": {"window": {"enabled": True, **window}}}
    return parse_settings(json.dumps(document, indent=1), {}, "test.yaml")


@pytest.mark.parametrize(
    ("window", "problem"),
    [
        (
            {"output_reserve": 4096, "limits": {"p/m": {"context": 1000}}},
            "limits.p/m.context: expected more than is kept free for an answer "
            "(4096, by output_reserve)",
        ),
        ({"limits": {"p/m": {"context": 4096}}}, "(4096, by output_reserve)"),
        ({"limits": {"p/m": {"context": 500, "output": 500}}}, "(500, by output)"),
        (
            {"limits": {"p/m": {"context": 1000, "output": 1001}}},
            "limits.p/m.output: expected at most context (1000)",
        ),
        ({"limits": {"q/m": {"context": 9000}}}, "unknown provider 'q'; it must be one"),
        ({"limits": {"pp/m": {"context": 9000}}}, "unknown provider 'pp'; did you mean p?"),
        ({"summarizer": "q/m"}, "prompt.window.summarizer: unknown provider 'q'"),
        (
            {"summarizer": "p/m", "tokens_max": 1024},
            "summary_tokens: expected less than the room for a prompt (1024, by tokens_max)",
        ),
        (
            {"summarizer": "p/m", "limits": {"p/m": {"context": 5000}}},
            "expected less than the room for a prompt (904, by limits.p/m)",
        ),
    ],
)
def test_windows_without_room_are_refused(window: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        settings(**window)
    told = refused.value.message
    assert problem in told
    assert told.startswith("test.yaml:")
    assert told.count("\n") == 0


def test_windows_with_room_are_taken() -> None:
    limits = {"p/m": {"context": 4097}, "p/n": {"context": 1000, "output": 999}}
    assert not notices(settings(limits=limits, tokens_max=1))
    assert not notices(settings(summarizer="p/m", tokens_max=2048))


def test_what_has_no_effect_is_noted() -> None:
    found = notices(settings(enabled=False, summarizer="p/m", keep_first=2))
    assert [each.split(",")[0] for each in found] == [
        "prompt.window.keep_first",
        "prompt.window.summarizer",
    ]
    assert not notices(settings(enabled=False))


def test_a_summary_that_leaves_little_is_noted() -> None:
    (note,) = notices(settings(summarizer="p/m", tokens_max=2047))
    assert note.startswith("prompt.window.summary_tokens (1024) is more than half of the room")
