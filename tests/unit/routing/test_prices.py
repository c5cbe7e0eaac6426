"""The price table against the package it was made from, and the ways a model is named."""

import sys
from datetime import UTC, datetime

import pytest
from genai_prices import types
from genai_prices.data_snapshot import get_snapshot

from headrace.model import Price, Usage
from headrace.routing.prices import PriceTable

TABLE = PriceTable.load()

WELL_KNOWN = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4o-mini-2024-07-18"),
    ("openai", "gpt-4o-2024-11-20"),
    ("openai", "gpt-4.1"),
    ("openai", "gpt-4.1-mini"),
    ("openai", "gpt-4.1-nano"),
    ("openai", "gpt-5"),
    ("openai", "gpt-5-mini"),
    ("openai", "gpt-5-nano"),
    ("openai", "o1"),
    ("openai", "o3"),
    ("openai", "o3-mini"),
    ("openai", "o4-mini"),
    ("openai", "gpt-3.5-turbo"),
    ("openai", "text-embedding-3-small"),
    ("openai", "text-embedding-3-large"),
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-opus-4-1-20250805"),
    ("anthropic", "claude-3-5-haiku-20241022"),
    ("anthropic", "claude-3-haiku-20240307"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"),
    ("google", "claude-sonnet-4-5"),
    ("mistral", "mistral-large-latest"),
    ("mistral", "mistral-small-latest"),
    ("groq", "llama-3.3-70b-versatile"),
    ("deepseek", "deepseek-chat"),
    ("openrouter", "anthropic/claude-3.5-haiku"),
    ("x-ai", "grok-3"),
]


def reference(provider_id: str, model: str) -> Price:
    """The price as genai-prices itself has it, on the table's own day."""
    snapshot = get_snapshot()
    _, info = snapshot.find_provider_model(model, None, provider_id, None)
    moment = datetime.fromisoformat(f"{TABLE.date}T12:00:00+00:00").astimezone(UTC)
    prices = info.get_prices(moment)

    def base(value: object) -> float | None:
        chosen = value.base if isinstance(value, types.TieredPrices) else value
        return None if chosen is None else float(chosen)  # type: ignore[arg-type]

    return Price(
        input=base(prices.input_mtok) or 0.0,
        cached=base(prices.cache_read_mtok),
        output=base(prices.output_mtok) or 0.0,
    )


@pytest.mark.parametrize(("provider", "model"), WELL_KNOWN)
def test_well_known_models_cost_what_their_source_says(provider: str, model: str) -> None:
    found = TABLE.find(provider, "openai", model)
    assert found == reference(provider, model)
    assert found is not None
    assert found.input > 0


def test_every_name_in_the_table_leads_where_its_source_leads() -> None:
    snapshot = get_snapshot()
    wrong = []
    for provider_id, provider in TABLE._providers.items():
        for name in (*provider.models, *provider.aliases):
            try:
                snapshot.find_provider_model(name, None, provider_id, None)
            except LookupError:
                continue
            found = TABLE.find(provider_id, "openai", name) or Price()
            if found != reference(provider_id, name):
                wrong.append((provider_id, name, found))
    assert wrong == []


@pytest.mark.parametrize(
    ("dated", "plain"),
    [
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-4o-mini-20240718", "gpt-4o-mini"),
        ("gpt-4.1-2099-01-31", "gpt-4.1"),
        ("o3-20990131", "o3"),
    ],
)
def test_a_date_at_the_end_changes_nothing(dated: str, plain: str) -> None:
    assert TABLE.find("openai", "openai", dated) == TABLE.find("openai", "openai", plain)
    assert TABLE.find("openai", "openai", plain) is not None


def test_an_unknown_provider_is_taken_for_its_dialect() -> None:
    at_home = TABLE.find("openai", "openai", "gpt-4o")
    assert at_home is not None
    assert TABLE.find("my-proxy", "openai", "gpt-4o") == at_home
    assert TABLE.find("my-proxy", "anthropic", "claude-haiku-4-5") == TABLE.find(
        "anthropic", "anthropic", "claude-haiku-4-5"
    )


def test_a_provider_in_the_table_answers_for_itself() -> None:
    assert TABLE.find("groq", "openai", "gpt-4o") is None


def test_nicknames_and_case_do_not_matter() -> None:
    assert TABLE.find("Gemini", "openai", "Gemini-2.5-Pro") == TABLE.find(
        "google", "openai", "gemini-2.5-pro"
    )
    assert TABLE.find("xai", "openai", "grok-3") is not None


@pytest.mark.parametrize("model", ["sim-large", "", "no/such model", "gpt", "-2024-07-18"])
def test_what_nobody_sells_has_no_price(model: str) -> None:
    assert TABLE.find("local", "openai", model) is None


def test_cached_tokens_cost_their_own_price() -> None:
    price = TABLE.find("openai", "openai", "gpt-4o")
    assert price == Price(input=2.5, cached=1.25, output=10.0)
    usage = Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=100_000)
    assert price.cost_usd(usage) == pytest.approx(0.6 * 2.5 + 0.4 * 1.25 + 0.1 * 10)


def test_the_file_says_where_it_is_from_and_needs_no_source_at_run_time() -> None:
    assert TABLE.source.startswith("genai-prices ")
    datetime.fromisoformat(TABLE.date)
    module = sys.modules["headrace.routing.prices"]
    assert not hasattr(module, "genai_prices")
