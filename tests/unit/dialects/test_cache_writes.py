"""What providers say of tokens that they wrote to their prompt cache."""

from typing import Any

import pytest

from headrace.dialects import anthropic_reply, openai_reply
from headrace.model import Usage


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"input_tokens": 5, "cache_creation_input_tokens": 10}, Usage(15, 0, 0, 10)),
        (
            {
                "input_tokens": 5,
                "output_tokens": 2,
                "cache_read_input_tokens": 3,
                "cache_creation_input_tokens": 10,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 4,
                    "ephemeral_1h_input_tokens": 6,
                },
            },
            Usage(18, 2, 3, 4, 6),
        ),
        (
            {"input_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": 6}},
            Usage(11, 0, 0, 0, 6),
        ),
        ({"input_tokens": 5, "cache_creation": None}, Usage(5)),
        ({"input_tokens": 5, "cache_creation": [1]}, Usage(5)),
        (
            {"input_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": -6}},
            Usage(5),
        ),
        (
            {"input_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": "4"}},
            Usage(5),
        ),
    ],
)
def test_anthropic(told: dict[str, Any], usage: Usage) -> None:
    assert anthropic_reply.read_usage(told) == usage


@pytest.mark.parametrize(
    ("details", "usage"),
    [
        ({"cached_tokens": 3, "cache_write_tokens": 4}, Usage(20, 1, 3, 4)),
        ({"cached_tokens": 3}, Usage(20, 1, 3)),
        ({"cache_write_tokens": None}, Usage(20, 1)),
        (None, Usage(20, 1)),
        ("x", Usage(20, 1)),
    ],
)
def test_openai(details: Any, usage: Usage) -> None:
    told = {"prompt_tokens": 20, "completion_tokens": 1, "prompt_tokens_details": details}
    assert openai_reply.read_usage(told) == usage
