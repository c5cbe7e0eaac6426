"""Which provider a model's name leads to."""

import pytest

from headrace.errors import InvalidRequest, NotFound
from headrace.routing.directory import Directory, Target

PROVIDERS = {"openai": "openai", "local": "openai", "anthropic": "anthropic"}


def directory(**models: list[str]) -> Directory:
    targets = {name: list(map(Target.parse, texts)) for name, texts in models.items()}
    return Directory(PROVIDERS, targets)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "dialect", "target"),
    [
        ("local/llama", "openai", Target("local", "llama")),
        ("local/org/llama", "openai", Target("local", "org/llama")),
        ("gpt-4o", "openai", Target("openai", "gpt-4o")),
        ("o3-mini", "openai", Target("openai", "o3-mini")),
        ("claude-x", "anthropic", Target("anthropic", "claude-x")),
        ("anything", "anthropic", Target("anthropic", "anything")),
    ],
)
def test_names_without_configured_models(name: str, dialect: str, target: Target):
    assert directory().resolve(name, dialect) == (target,)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["anything", "nobody/model", "/model", "local/"])
def test_names_nobody_serves(name: str):
    with pytest.raises(NotFound) as refused:
        directory().resolve(name, "openai")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    assert name in refused.value.message


def test_configured_models_come_first_and_end_guessing():
    known = directory(fast=["local/llama", "openai/gpt-4o"], **{"local/x": ["openai/y"]})
    assert known.resolve("fast", "openai") == (Target("local", "llama"), Target("openai", "gpt-4o"))
    assert known.resolve("local/x", "openai") == (Target("openai", "y"),)
    assert known.resolve("local/z", "openai") == (Target("local", "z"),)
    with pytest.raises(NotFound, match="did you mean 'fast'"):
        known.resolve("fats", "openai")
    with pytest.raises(NotFound):
        known.resolve("gpt-4o", "openai")


def test_a_provider_of_another_dialect_is_told_with_the_right_route():
    with pytest.raises(InvalidRequest, match="/v1/messages") as refused:
        directory().resolve("anthropic/claude-x", "openai")
    assert refused.value.code == "wrong_dialect"
    with pytest.raises(InvalidRequest, match="/v1/chat/completions"):
        directory().resolve("local/llama", "anthropic")


def test_only_those_targets_are_asked_that_speak_the_dialect():
    known = directory(both=["anthropic/claude-x", "local/llama", "openai/gpt-4o"])
    assert known.resolve("both", "openai") == (Target("local", "llama"), Target("openai", "gpt-4o"))
    assert known.resolve("both", "anthropic") == (Target("anthropic", "claude-x"),)
    assert known.names_for("openai") == known.names_for("anthropic") == ("both",)
    assert known.dialect_of("both") == "anthropic"


def test_long_names_are_cut_in_messages():
    with pytest.raises(NotFound) as refused:
        directory().resolve("x" * 100_000, "openai")
    assert len(refused.value.message) < 500


def test_models_a_dialect_can_reach():
    known = directory(fast=["local/llama"], smart=["anthropic/claude-x"])
    assert known.names_for("openai") == ("fast",)
    assert known.names_for("anthropic") == ("smart",)
    assert directory().names_for("openai") is None


def test_the_shortest_name_leads_back():
    known = directory()
    cases = [("openai", "gpt-4o"), ("local", "gpt-4o"), ("local", "m"), ("openai", "local/m")]
    for provider, model in cases:
        name = known.shortest_name(provider, model, "openai")
        assert known.resolve(name, "openai") == (Target(provider, model),)
    assert known.shortest_name("openai", "gpt-4o", "openai") == "gpt-4o"
    assert known.shortest_name("local", "gpt-4o", "openai") == "local/gpt-4o"
