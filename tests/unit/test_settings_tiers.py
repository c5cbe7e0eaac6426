"""Settings of tiers and experiments that cannot be used are told where they stand."""

from typing import Any

import pytest
import yaml

from headrace.cli.config import summary
from headrace.errors import SettingsInvalid
from headrace.settings import Settings, notices, parse_settings

GOOD: dict[str, Any] = {
    "providers": {"one": {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}},
    "models": {"fast": {"targets": ["one/f"]}, "smart": {"targets": ["one/s"]}},
}
TIERS: dict[str, Any] = {"cheap": "fast", "strong": "smart", "cheap_share": 0.5}
ARMS = [
    {"name": "a", "model": "fast", "weight": 1},
    {"name": "b", "model": "smart", "weight": 1},
]


def read(**more: Any) -> Settings:
    return parse_settings(yaml.safe_dump({**GOOD, **more}), {})


def tiers(**changes: Any) -> dict[str, Any]:
    auto = {key: value for key, value in {**TIERS, **changes}.items() if value is not None}
    return {"tiers": {"auto": auto}}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"standard": "one/anything", "strong_share": 0.1},
        {"cheap": {"model": "fast", "output_tokens_max": 10}},
        {"cheap_share": None, "quality": 0.95},
        {"cheap_share": None, "cheap_below": 0.2},
        {"cheap_share": None, "cheap_below": 0.2, "strong_from": 0.6, "standard": "fast"},
        {"cheap_share": 0, "default": "cheap"},
        {"cheap_share": 1},
    ],
)
def test_what_makes_sense_is_read(changes: dict[str, Any]) -> None:
    assert "auto" in read(**tiers(**changes)).tiers


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cheap": "fats"}, "unknown model 'fats'; did you mean fast?"),
        ({"strong": {"model": "two/s"}}, "unknown model 'two/s'"),
        ({"standard": "none"}, "unknown model 'none'"),
        ({"strong": "auto"}, "a tier leads to a model, and not to tiers"),
        ({"cheap": None}, "the key cheap is missing"),
        ({"cheap_share": None}, "expected one of cheap_share, quality and cheap_below, found none"),
        ({"quality": 0.9}, "found cheap_share and quality"),
        ({"cheap_share": -0.1}, "at least 0"),
        ({"cheap_share": 1.5}, "at most 1"),
        ({"cheap_share": ".nan"}, "expected a number"),
        ({"standard": "fast", "strong_share": 0.6}, "expected at most 0.5"),
        ({"strong_share": 0.2}, "a standard model is missing for the rest"),
        ({"strong_from": 0.2}, "goes with cheap_below"),
        ({"cheap_share": None, "quality": 0.9, "standard": "fast"}, "is about two models"),
        ({"cheap_share": None, "quality": 0}, "more than 0"),
        ({"cheap_share": None, "cheap_below": 0.5, "strong_from": 0.4}, "at least cheap_below"),
        ({"cheap_share": None, "cheap_below": 0.5, "strong_from": 0.8}, "missing in between"),
        ({"default": "standard"}, "there is no standard model"),
        ({"default": "dear"}, "default"),
        ({"mode": "shadow"}, "in the shadow the name itself is asked"),
        ({"sessions_max": 0}, "sessions_max"),
        ({"sessions_max": 10_000_000}, "sessions_max"),
        ({"scores_min": 0}, "scores_min"),
        ({"half_life_s": 0}, "half_life_s"),
        ({"margin": 0.6}, "margin"),
        ({"per_dollar": True, "margin": 0.1}, "goes with cheap_share alone"),
        ({"cheap_share": None, "quality": 0.9, "per_dollar": True}, "goes with cheap_share alone"),
        ({"cheap": {"model": "fast", "output_tokens_max": 0}}, "output_tokens_max"),
        ({"chaep_share": 0.2}, "cheap_share"),
    ],
)
def test_what_makes_none_is_told(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        read(**tiers(**changes))
    assert why in refused.value.message
    assert len(refused.value.message.splitlines()) == 1


def test_a_name_in_the_shadow_is_one_of_the_models() -> None:
    shadow = {**TIERS, "mode": "shadow", "cheap": {"model": "fast", "output_tokens_max": 5}}
    settings = read(tiers={"smart": shadow})
    assert any("tiers.smart.cheap.output_tokens_max" in each for each in notices(settings))


def test_weights_that_are_no_file_are_told() -> None:
    with pytest.raises(SettingsInvalid) as refused:
        read(complexity={"weights": "/nowhere/weights.json"})
    assert "settings:" in refused.value.message


def experiments(*arms: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"experiments": {"test": {"model": "smart", "arms": list(arms), **more}}}


def test_experiments_that_make_sense_are_read() -> None:
    both = read(**tiers(), **experiments(*ARMS, {"name": "c", "model": "auto", "weight": 0}))
    assert [arm.weight for arm in both.experiments["test"].arms] == [1, 1, 0]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (experiments(), "arms"),
        (experiments(ARMS[0], ARMS[0]), "the same name as arms[0]"),
        (experiments({**ARMS[0], "weight": 0}), "expected an arm with a weight above 0"),
        (experiments({**ARMS[0], "weight": -1}), "weight"),
        (experiments({**ARMS[0], "model": "fats"}), "did you mean fast?"),
        (experiments({**ARMS[0], "name": "no spaces"}), "name"),
        (experiments(*ARMS, model="nobody"), "unknown model 'nobody'"),
        (experiments(*ARMS, unit="person"), "unit"),
        (
            experiments(*({**ARMS[0], "name": f"a{at}"} for at in range(17))),
            "at most 16 arms in all experiments",
        ),
        (
            {"experiments": {key: {"model": "smart", "arms": ARMS} for key in ("one", "two")}},
            "the same model as experiments.one",
        ),
        ({"experiments": {"no spaces": {"model": "smart", "arms": ARMS}}}, "letters, digits"),
    ],
)
def test_experiments_that_make_none_are_told(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        read(**settings)
    assert why in refused.value.message


def test_what_is_set_is_summed_up() -> None:
    shadow = {**TIERS, "mode": "shadow", "standard": "one/m"}
    settings = read(tiers={"smart": shadow}, **experiments(*ARMS))
    lines = [" ".join(line.split()) for line in summary(settings)]
    assert "smart fast < one/m < smart cheap_share 0.5 shadow" in lines
    assert "test smart a 1 (fast), b 1 (smart) session" in lines
