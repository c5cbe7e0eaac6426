"""How much room a request leaves for its prompt."""

from typing import Any

import pytest

from headrace.prompt.window.limits import LimitTable, ModelLimits
from headrace.prompt.window.room import budget_for, limits_of
from headrace.settings.prompt import WindowLimits, WindowSettings

LIMITS = ModelLimits(context=100_000, input=100_000, output=10_000)


def tokens(document: dict[str, Any], *, error: float = 0.0, **rules: Any) -> int:
    budget = budget_for(WindowSettings(margin=0.0, **rules), LIMITS, document, count_error=error)
    assert budget is not None
    return budget.tokens


@pytest.mark.parametrize(
    ("document", "left"),
    [
        ({}, 95_904),
        ({"max_tokens": 1000}, 99_000),
        ({"max_completion_tokens": 2000, "max_tokens": 5}, 98_000),
        ({"max_tokens": 10**9}, 90_000),  # no model writes more than it can
        ({"max_tokens": None}, 95_904),
        ({"max_tokens": "many"}, 95_904),
    ],
)
def test_room_for_the_answer_is_kept(document: dict[str, Any], left: int) -> None:
    assert tokens(document) == left


def test_the_prompt_has_a_bound_of_its_own() -> None:
    assert tokens({}, tokens_max=5000) == 5000
    assert ModelLimits(400_000, 272_000, 128_000).prompt_tokens(4096) == 272_000
    assert ModelLimits(1000, 1000).prompt_tokens(5000) == 0


def test_counts_that_are_off_leave_more_free() -> None:
    rules = WindowSettings()
    sure = budget_for(rules, LIMITS, {}, count_error=0.0)
    unsure = budget_for(rules, LIMITS, {}, count_error=0.25)
    assert sure is not None
    assert unsure is not None
    assert sure.tokens == int(95_904 * 0.99)
    assert unsure.tokens == int(95_904 * 0.75)
    assert sure.tokens_max == 95_904
    assert unsure.room == 95_904  # which is what a refusal tells
    assert unsure.tokens_max == int(95_904 * 1.25)  # nothing is refused that may fit


def test_a_model_that_nobody_knows_has_no_budget_unless_one_is_set() -> None:
    assert budget_for(WindowSettings(), None, {}, count_error=0.0) is None
    budget = budget_for(WindowSettings(tokens_max=1000), None, {}, count_error=0.0)
    assert budget is not None
    assert budget.tokens == 990


def test_room_for_a_summary_is_kept_where_there_is_somebody_to_write_it() -> None:
    silent = budget_for(WindowSettings(), LIMITS, {}, count_error=0.0)
    assert silent is not None
    assert silent.summary_tokens == 0
    told = budget_for(WindowSettings(summarizer="one/m"), LIMITS, {}, count_error=0.0)
    assert told is not None
    assert told.summary_tokens == 1024


def test_settings_come_before_the_table() -> None:
    rules = WindowSettings(limits={"one/m": WindowLimits(context=50)})
    assert limits_of(rules, "one/m", LIMITS) == ModelLimits(50, 50, 10_000)
    assert limits_of(rules, "one/m", None) == ModelLimits(50, 50, None)
    assert limits_of(rules, "one/n", LIMITS) is LIMITS
    own = WindowSettings(limits={"one/m": WindowLimits(context=50, output=5)})
    assert limits_of(own, "one/m", LIMITS) == ModelLimits(50, 50, 5)


@pytest.fixture(scope="module")
def table() -> LimitTable:
    return LimitTable.load()


@pytest.mark.parametrize(
    ("provider", "dialect", "model", "limits"),
    [
        ("openai", "openai", "gpt-4o", (128_000, 128_000, 16_384)),
        ("openai", "openai", "gpt-4o-2099-01-01", (128_000, 128_000, 16_384)),
        ("openai", "openai", "GPT-5", (400_000, 272_000, 128_000)),
        ("mine", "openai", "gpt-4o-mini", (128_000, 128_000, 16_384)),
        ("mine", "anthropic", "claude-sonnet-4-5-20250929", (200_000, 200_000, 64_000)),
        ("mine", "anthropic", "claude-sonnet-4-20250514", (200_000, 200_000, None)),
        ("gemini", "openai", "gemini-2.5-pro", (1_048_576, 1_048_576, 65_536)),
    ],
)
def test_the_table_knows(
    table: LimitTable, provider: str, dialect: str, model: str, limits: tuple[int, int, int | None]
) -> None:
    found = table.find(provider, dialect, model)
    assert found is not None
    assert (found.context, found.input, found.output) == limits


@pytest.mark.parametrize("model", ["", "-", "llama-of-mine", "gpt", "gpt-99", "x" * 10_000])
def test_the_table_does_not_guess(table: LimitTable, model: str) -> None:
    assert table.find("mine", "openai", model) is None


def test_the_table_says_where_it_comes_from(table: LimitTable) -> None:
    assert table.source.startswith("genai-prices ")
    assert table.date > "2026"
