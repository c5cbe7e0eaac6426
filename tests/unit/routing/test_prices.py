"""The price table against the package it was made from, and the ways a model is named."""

import sys
from datetime import UTC, datetime, time, timedelta

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


DAY = datetime.fromisoformat(f"{TABLE.date}T12:00:00+00:00").astimezone(UTC)
FIELDS = {
    "input": "input_mtok",
    "cached": "cache_read_mtok",
    "output": "output_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
}


def rates(prices: types.ModelPrice, tokens: int) -> dict[str, float | None]:
    """What genai-prices has for a prompt of so many tokens."""
    found: dict[str, float | None] = {}
    for name, field in FIELDS.items():
        value = getattr(prices, field)
        if isinstance(value, types.TieredPrices):
            value = [value.base, *(t.price for t in value.tiers if tokens > t.start)][-1]
        found[name] = None if value is None else float(value)
    found["input"], found["output"] = found["input"] or 0.0, found["output"] or 0.0
    return found


def told(price: Price, tokens: int) -> dict[str, float | None]:
    """What the table has for a prompt of so many tokens."""
    tier = [price, *(each for each in price.tiers if tokens > each.above_tokens)][-1]
    return {name: getattr(tier, name) for name in FIELDS}


def reference(
    provider_id: str, model: str, at: datetime = DAY, *, batch: bool = False
) -> types.ModelPrice:
    """The price as genai-prices itself has it."""
    _, info = get_snapshot().find_provider_model(model, None, provider_id, None)
    return info.get_prices(at, {"processing": "batch"} if batch else None)


LENGTHS = (1000, 150_000, 199_999, 200_000, 200_001, 272_000, 272_001, 1_000_000)


@pytest.mark.parametrize(("provider", "model"), WELL_KNOWN)
def test_well_known_models_cost_what_their_source_says(provider: str, model: str) -> None:
    found = TABLE.find(provider, "openai", model, DAY.timestamp())
    assert found is not None
    assert found.input > 0
    theirs = reference(provider, model)
    for tokens in LENGTHS:
        assert told(found, tokens) == rates(theirs, tokens), tokens


def test_every_name_in_the_table_leads_where_its_source_leads() -> None:
    snapshot = get_snapshot()
    wrong = []
    for provider_id in TABLE._encoded:
        provider, _ = TABLE._provider(provider_id)
        for name in (*provider.models, *provider.aliases):
            try:
                snapshot.find_provider_model(name, None, provider_id, None)
            except LookupError:
                continue
            found = TABLE.find(provider_id, "openai", name, DAY.timestamp()) or Price()
            theirs = reference(provider_id, name)
            if any(told(found, tokens) != rates(theirs, tokens) for tokens in LENGTHS):
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
    assert price is not None
    assert (price.input, price.cached, price.output) == (2.5, 1.25, 10.0)
    usage = Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=100_000)
    assert price.cost_usd(usage) == pytest.approx(0.6 * 2.5 + 0.4 * 1.25 + 0.1 * 10)


def test_written_tokens_cost_their_own_price_by_how_long_they_are_kept() -> None:
    price = TABLE.find("anthropic", "anthropic", "claude-haiku-4-5")
    assert price is not None
    assert (price.input, price.cache_write, price.cache_write_1h) == (1.0, 1.25, 2.0)
    usage = Usage(1000, 0, 100, cache_write_tokens=200, cache_write_1h_tokens=300)
    assert price.cost_usd(usage) * 1e6 == pytest.approx(400 + 100 * 0.1 + 200 * 1.25 + 300 * 2)


def test_what_a_price_leaves_out_costs_what_input_costs() -> None:
    usage = Usage(100, 10, 20, cache_write_tokens=30, cache_write_1h_tokens=40)
    assert Price(1.0, 2.0).cost_usd(usage) * 1e6 == pytest.approx(120)
    assert Price(1.0, 2.0, cache_write=3.0).cost_usd(usage) * 1e6 == pytest.approx(260)


def test_a_long_prompt_costs_more_all_of_it() -> None:
    price = TABLE.find("anthropic", "anthropic", "claude-sonnet-4-5", DAY.timestamp())
    assert price is not None
    short, long = (price.cost_usd(Usage(tokens, 1000)) for tokens in (200_000, 200_001))
    assert short == pytest.approx(0.2 * 3 + 0.015)
    assert long == pytest.approx(0.200001 * 6 + 0.0225)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5", "gpt-4.1-mini", "o3"])
def test_batches_cost_what_their_source_says(model: str) -> None:
    price = TABLE.find("openai", "openai", model, DAY.timestamp())
    assert price is not None
    assert price.batch is not None
    assert told(price.batch, 10) == rates(reference("openai", model, batch=True), 10)
    assert price.batch.input < price.input


@pytest.mark.parametrize("provider_id", ["openai", "anthropic", "google", "mistral", "x-ai"])
def test_prices_follow_the_days_from_which_they_hold(provider_id: str) -> None:
    provider = next(each for each in get_snapshot().providers if each.id == provider_id)
    seen = 0
    for model in provider.models:
        starts = [
            each.constraint.start_date
            for each in (model.prices if isinstance(model.prices, list) else ())
            if isinstance(each.constraint, types.StartDateConstraint)
        ]
        for start in starts:
            for day in (start - timedelta(days=1), start, start + timedelta(days=1)):
                at = datetime.combine(day, time(12), UTC)
                found = TABLE.find(provider_id, "", model.id, at.timestamp())
                theirs = reference(provider_id, model.id, at)
                if theirs.input_mtok is None and theirs.output_mtok is None:
                    continue  # sold by the page or the hour
                assert found is not None, model.id
                assert told(found, 1000) == rates(theirs, 1000), (model.id, day)
                seen += 1
    assert seen or provider_id == "x-ai"


def test_without_a_time_it_is_now() -> None:
    now = [datetime(2026, 3, 1, tzinfo=UTC).timestamp()]
    table = PriceTable.load(lambda: now[0])
    long = Usage(300_000)
    before = table.find("anthropic", "", "claude-opus-4-6")
    now[0] = datetime(2026, 3, 13, tzinfo=UTC).timestamp()
    after = table.find("anthropic", "", "claude-opus-4-6")
    assert before is not None
    assert after is not None
    assert before.cost_usd(long) == 2 * after.cost_usd(long)


def test_the_file_says_where_it_is_from_and_needs_no_source_at_run_time() -> None:
    assert TABLE.source.startswith("genai-prices ")
    datetime.fromisoformat(TABLE.date)
    module = sys.modules["headrace.routing.prices"]
    assert not hasattr(module, "genai_prices")


def test_what_a_prompt_cache_saves_and_takes() -> None:
    price = Price(input=3.0, output=15.0, cached=0.3, cache_write=3.75, cache_write_1h=6.0)
    usage = Usage(3_000_000, 0, 1_000_000, 1_000_000, 500_000)
    saved_usd, fee_usd = price.prompt_cache_usd(usage)
    assert (saved_usd, fee_usd) == pytest.approx((2.7, 0.75 + 1.5))
    assert price.cost_usd(usage) == pytest.approx(9.0 - saved_usd + fee_usd)
    assert Price(input=3.0).prompt_cache_usd(usage) == (0.0, 0.0)
    assert usage.has_cached
    assert not Usage(10, 10).has_cached
