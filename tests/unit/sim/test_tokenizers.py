"""Tokenizers that only `usage` tells of."""

import json

import pytest

from headrace.sim import anthropic, openai
from headrace.sim.text import count_tokens
from headrace.sim.tokenizers import counter_of

TEXTS = (
    "The water turns the wheel, and the miller sleeps.",
    "Das Mühlrad dreht sich übermäßig.",
    "Вода вращает мельничное колесо.",
    "河水转动水车。",
    '{"river": [1, 22, 333]}',
    "",
)


def test_other_models_are_counted_by_the_plain_rule() -> None:
    assert counter_of("claude-sim") is count_tokens
    assert counter_of("") is count_tokens


@pytest.mark.parametrize("text", TEXTS)
def test_it_follows_from_the_name_and_comes_to_no_less(text: str) -> None:
    own = counter_of("claude-own-tokenizer-1")
    assert own(text) == counter_of("claude-own-tokenizer-1")(text) >= count_tokens(text)
    twice = own(text * 50)
    assert twice == pytest.approx(50 * own(text), rel=0.05)


def test_names_have_tokenizers_of_their_own() -> None:
    counts = {
        tuple(counter_of(f"own-tokenizer-{number}")(text * 20) for text in TEXTS)
        for number in range(8)
    }
    assert len(counts) == 8


def test_usage_tells_of_it_in_both_dialects() -> None:
    said = [{"role": "user", "content": TEXTS[0] * 9}]
    for answer, field in ((openai.chat, "prompt_tokens"), (anthropic.messages, "input_tokens")):
        counts = []
        for model in ("plain", "own-tokenizer-1"):
            body = {"model": model, "messages": said, "max_tokens": 5}
            reply = answer(0, json.dumps(body).encode(), None, 0)
            counts.append(json.loads(reply.body)["usage"][field])
        assert counts[0] < counts[1] == counter_of("own-tokenizer-1")(TEXTS[0] * 9) + 6
