"""Names of models and the tokenizers they have."""

import pytest
from tiktoken.model import encoding_name_for_model

from headrace.prompt.counting.families import FAMILIES, model_of


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gpt-4o", "o200k"),
        ("gpt-4o-mini-2024-07-18", "o200k"),
        ("openai/gpt-4.1-nano", "o200k"),
        ("GPT-5-mini", "o200k"),
        ("gpt-5.4-pro", "o200k"),
        ("o3", "o200k"),
        ("o4-mini-2025-04-16", "o200k"),
        ("gpt-oss-120b", "o200k"),
        ("ft:gpt-4o:acme::1", "o200k"),
        ("gpt-4", "cl100k"),
        ("gpt-4-turbo-2024-04-09", "cl100k"),
        ("gpt-35-turbo-16k", "cl100k"),
        ("text-embedding-3-small", "cl100k"),
        ("gpt-9-whatever", "openai"),
        ("o7", "openai"),
        ("claude-3-5-sonnet-20241022", "claude-older"),
        ("claude-sonnet-4-5-20250929", "claude-older"),
        ("claude-opus-4-20250514", "claude-older"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "claude-older"),
        ("anthropic/claude-3.5-haiku", "claude-older"),
        ("claude-opus-4-7", "claude"),
        ("claude-opus-4.7", "claude"),
        ("claude-sonnet-5", "claude"),
        ("claude-sim", "claude"),
        ("gemini-2.5-pro", "gemini"),
        ("meta-llama/Llama-3.3-70B", "llama"),
        ("deepseek-r1-distill-llama-70b", "deepseek"),
        ("mixtral-8x7b", "mistral"),
        ("qwen3-max", "qwen"),
        ("grok-3", "grok"),
        ("command-r-plus", "cohere"),
        ("sim-large", "unknown"),
        ("", "unknown"),
        ("/", "unknown"),
        ("4" * 10_000, "unknown"),
    ],
)
def test_a_name_leads_to_a_tokenizer(name: str, family: str) -> None:
    assert model_of(name).family.name == family


@pytest.mark.parametrize(
    "name", ["gpt-4o", "gpt-4.1-mini", "gpt-5", "o1", "o3-mini", "gpt-4", "gpt-3.5-turbo"]
)
def test_exact_ones_are_those_of_tiktoken(name: str) -> None:
    family = model_of(name).family
    assert family.is_exact
    assert family.vocabulary == encoding_name_for_model(name)


def test_families_are_told_apart_and_never_certain_where_they_are_not() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert all(family.is_exact == (family.error_p95 == 0.0) for family in FAMILIES)
