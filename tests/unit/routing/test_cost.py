"""`cost`: tokens and a name are enough."""

from datetime import UTC, date, datetime

import pytest

from headrace import Usage, cost

MILLION = Usage(1_000_000)


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("gpt-4o", 2.5),
        ("openai/gpt-4o-2024-11-20", 2.5),
        ("claude-haiku-4-5", 1.0),
        ("anthropic/claude-haiku-4-5", 1.0),
        ("gemini-2.0-flash", 0.1),
        ("groq/llama-3.3-70b-versatile", 0.59),
        ("text-embedding-3-small", 0.02),
    ],
)
def test_a_name_leads_to_who_makes_it(model: str, usd: float) -> None:
    assert cost(MILLION, model=model) == pytest.approx(usd)


def test_a_provider_may_be_named() -> None:
    assert cost(MILLION, model="llama-3.3-70b-versatile", provider="groq") == pytest.approx(0.59)
    assert cost(MILLION, model="gpt-4o", provider="groq") is None


@pytest.mark.parametrize("model", ["", "/", "no-such-model", "acme/x", "openai/", "\ud800"])
def test_what_has_no_price_costs_nobody_knows_what(model: str) -> None:
    assert cost(MILLION, model=model) is None


def test_nothing_costs_nothing() -> None:
    assert cost(Usage(), model="gpt-4o") == 0.0


def test_a_batch_is_cheaper_where_there_are_batches() -> None:
    assert cost(MILLION, model="gpt-4o", batch=True) == pytest.approx(1.25)
    assert cost(MILLION, model="groq/no-such", batch=True) is None
    assert cost(MILLION, model="deepseek-chat", batch=True) is None


def test_prices_of_another_day() -> None:
    long = Usage(300_000)
    before = cost(long, model="claude-opus-4-6", at=date(2026, 3, 12))
    after = cost(long, model="claude-opus-4-6", at=date(2026, 3, 13))
    assert before == pytest.approx(3.0)
    assert after == pytest.approx(1.5)
    night = datetime(2026, 3, 12, 23, 59, 59, tzinfo=UTC)
    assert cost(long, model="claude-opus-4-6", at=night) == before
    assert cost(long, model="claude-opus-4-6", at=datetime(2026, 3, 13)) == after  # noqa: DTZ001


def test_what_is_no_usage_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected headrace\.Usage\(.*\), not dict"):
        cost({"input_tokens": 5}, model="gpt-4o")  # type: ignore[arg-type]
