"""The prompt caching benchmark bills what a provider would."""

from itertools import pairwise

import pytest
from benchmarks.prompt.caching_case import Bill
from benchmarks.prompt.caching_world import RHYTHMS, input_cost
from benchmarks.prompt.conversations import KINDS, Conversation, Kind

from headrace.model import DialectName


def test_usage_is_billed_in_either_dialects_words() -> None:
    bill = Bill()
    bill.add(
        {
            "input_tokens": 100,
            "cache_read_input_tokens": 1000,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
        }
    )
    assert bill.cost == pytest.approx(100 + 100 + 25 + 20)
    bill.add({"prompt_tokens": 50, "prompt_tokens_details": {"cached_tokens": 40}})
    bill.add(
        {
            "prompt_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 40},
        }
    )
    assert bill.cost == pytest.approx(245 + 14 + 51)
    assert bill.tokens == 1230
    assert bill.cached_share == pytest.approx(1050 / 1230)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_conversation_only_grows_and_is_the_same_again(kind: Kind, dialect: DialectName) -> None:
    talks = [list(Conversation(kind, dialect, "m", 1, 0).requests(3)) for _ in range(2)]
    assert talks[0] == talks[1]
    histories = [request["messages"] for request in talks[0]]
    for shorter, longer in pairwise(histories):
        assert longer[: len(shorter)] == shorter
        assert len(longer) > len(shorter)
    assert next(Conversation(kind, dialect, "m", 2, 0).requests(1)) != talks[0][0]


def test_without_marks_the_whole_price_is_paid() -> None:
    rhythm = RHYTHMS["documents, one question each"]
    assert input_cost(rhythm, "none", 1) == 1.0
    assert input_cost(rhythm, "5m", 1) < 1.0
