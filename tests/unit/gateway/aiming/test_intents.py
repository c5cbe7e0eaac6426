"""Intents as the gateway sees them: where they lead, and how requests are served."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.clock import SystemClock
from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.base import Operation
from headrace.dialects.openai import OpenAIDialect
from headrace.errors import SettingsInvalid
from headrace.flow.scheduler import Priority
from headrace.gateway.aiming.asked import Asked, Terms
from headrace.gateway.aiming.intents import (
    IntentDesk,
    intent_models,
    make_desks,
    read_classifiers,
)
from headrace.gateway.call import Call, Hints, make_call
from headrace.observe.aim_metrics import AimMetrics
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.routing.directory import Directory, Target
from headrace.settings import Settings, parse_settings

MODELS = {
    "small": (Target("one", "s"), Target("two", "s")),
    "large": (Target("one", "l"), Target("two", "l")),
    "mine": (Target("one", "m"),),
}
AUTO: dict[str, Any] = {
    "default": "large",
    "rules": [
        {"intent": "refund", "words": ["refund"]},
        {"intent": "code", "words": ["python"]},
        {"intent": "chat", "words": ["hello"]},
    ],
    "routes": {
        "refund": {"model": "small", "priority": "high", "cache": False},
        "code": "mine",
        "unknown": {"ttl_s": 5},
    },
}


def read(**changes: Any) -> Settings:
    document = {
        "providers": {
            "one": {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"},
            "two": {"dialect": "anthropic", "base_url": "http://127.0.0.1:1"},
        },
        "models": {
            name: {"targets": [f"{each.provider}/{each.model}" for each in targets]}
            for name, targets in MODELS.items()
        },
        "intents": {"auto": {**AUTO, **changes}},
    }
    return parse_settings(yaml.safe_dump(document, sort_keys=False), {})


def metrics() -> Metrics:
    layout = Layout()
    cells = Cells(layout.size)
    return Metrics(layout, cells.row(0), cells.slots, SystemClock())


def desk(counts: Metrics) -> IntentDesk:
    settings = read()
    directory = Directory({"one": "openai", "two": "anthropic"}, MODELS)
    return make_desks(settings, read_classifiers(settings), directory, AimMetrics(counts))["auto"]


def call(*, anthropic: bool = False, hints: Hints = Hints()) -> Call:  # noqa: B008
    if anthropic:
        return make_call(AnthropicDialect(), Operation.MESSAGES, "t", hints, ())
    return make_call(OpenAIDialect(), Operation.CHAT, "t", hints, ())


def asked(text: str, *, anthropic: bool = False, counts: bool = True) -> Asked:
    document = {"messages": [{"role": "user", "content": text}]}
    return Asked(call(anthropic=anthropic), document, 10, counts=counts, now_s=0.0)


@pytest.mark.parametrize(
    ("text", "anthropic", "model", "intent"),
    [
        ("a refund please", False, "small", "refund"),
        ("a refund please", True, "small", "refund"),
        ("some python", False, "mine", "code"),
        ("some python", True, "large", "code"),  # which does not reach `mine`
        ("hello", False, "large", "chat"),
        ("good bye", False, "large", "unknown"),
    ],
)
def test_intents_lead_to_models(text: str, anthropic: bool, model: str, intent: str) -> None:
    shot = desk(metrics()).aim(asked(text, anthropic=anthropic))
    assert (shot.model, shot.intent) == (model, intent)
    assert shot.remarks[0][1].startswith(f"{intent};confidence=")


def test_requests_of_callers_are_counted_by_route() -> None:
    counts = metrics()
    desk_ = desk(counts)
    for text in ("refund", "python", "hello", "good bye"):
        desk_.aim(asked(text))
        desk_.aim(asked(text, counts=False))
    cells = counts.intents.place
    row = {values: counts._cells[index] for index, values in cells.each() if counts._cells[index]}
    assert row == {
        ("known", "1"): 1.0,
        ("known", "2"): 1.0,
        ("known", "0"): 1.0,
        ("unknown", "3"): 1.0,
    }
    told = desk_.told()
    assert told["refund"] == {
        "requests": 1,
        "route": 1,
        "models": {"openai": "small", "anthropic": "small"},
    }
    assert told["chat"]["route"] is None


def test_what_the_caller_asks_for_counts_more() -> None:
    terms = Terms(Priority.HIGH, is_cached=True, ttl_s=60.0)
    assert terms.hinted(call()).hints == Hints(priority=Priority.HIGH, ttl_s=60.0)
    own = Hints(priority=Priority.LOW, ttl_s=5.0, stores=False)
    assert terms.hinted(call(hints=own)).hints == own
    bare = Terms(is_cached=False).hinted(call()).hints
    assert (bare.looks_up, bare.stores, bare.priority) == (False, False, Priority.NORMAL)


def test_names_that_only_intents_have_are_listed() -> None:
    assert intent_models(read(), MODELS) == {
        "auto": (*MODELS["large"], *MODELS["small"], *MODELS["mine"])
    }
    assert intent_models(read(), {}) == {}


def test_routes_of_intents_that_there_are_not_are_refused(tmp_path: Path) -> None:
    from headrace.routing.intent.training import Example, TrainRules
    from headrace.routing.intent.trial import fit

    lines = [Example(f"{word} {n}", word) for word in ("refund", "parcel") for n in range(5)]
    path = tmp_path / "intents.npz"
    path.write_bytes(fit(lines, TrainRules()).weights.to_bytes())
    good = read(weights=str(path), routes={"parcel": "small", "code": "mine", "unknown": "small"})
    assert set(read_classifiers(good)["auto"].names) == {"refund", "parcel", "code", "chat"}
    bad = read(weights=str(path), routes={"parcle": "small"})
    with pytest.raises(SettingsInvalid, match=r"auto\.routes\.parcle: .*did you mean parcel\?"):
        read_classifiers(bad)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"rules": [{"intent": "refund", "patterns": ["("]}]}, r"intents\.auto: the pattern"),
        ({"rules": [{"intent": "refund", "words": ["?"]}]}, r"intents\.auto: the word"),
    ],
)
def test_rules_that_cannot_be_used_are_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsInvalid, match=why):
        read_classifiers(read(routes={}, **changes))


def test_weights_that_are_broken_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "intents.npz"
    path.write_bytes(b"PK nonsense")
    with pytest.raises(SettingsInvalid, match=r"intents\.auto: these weights cannot be used"):
        read_classifiers(read(weights=str(path)))
