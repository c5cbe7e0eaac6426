"""The words of a whole answer, in both dialects."""

import pytest

from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.base import Operation
from headrace.dialects.openai import OpenAIDialect


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"choices":[{"message":{"content":"YES"}}]}', "YES"),
        (b'{"choices":[{"message":{"content":"a"}},{"message":{"content":"b"}}]}', "a\nb"),
        (b'{"choices":[{"message":{"content":null,"tool_calls":[{}]}}]}', ""),
        (b'{"choices":[{"message":{"content":[1]}}]}', ""),
        (b'{"choices":[{}]}', ""),
        (b'{"error":{"message":"no"}}', ""),
        (b"garbage", ""),
    ],
)
def test_openai(body: bytes, text: str) -> None:
    assert OpenAIDialect().reply_text(Operation.CHAT, body) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"type":"message","content":[{"type":"text","text":"YES"}]}', "YES"),
        (
            b'{"type":"message","content":[{"type":"thinking","text":"hm"},'
            b'{"type":"text","text":"a"},{"type":"text","text":"b"}]}',
            "a\nb",
        ),
        (b'{"type":"message","content":[{"type":"tool_use"}]}', ""),
        (b'{"type":"error"}', ""),
        (b"[]", ""),
    ],
)
def test_anthropic(body: bytes, text: str) -> None:
    assert AnthropicDialect().reply_text(Operation.MESSAGES, body) == text
