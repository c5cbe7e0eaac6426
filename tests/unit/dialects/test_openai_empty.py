"""No content and empty content are two things, streamed or not."""

import msgspec

from headrace.dialects.base import Operation
from headrace.dialects.openai import OpenAIDialect

DIALECT = OpenAIDialect()
CHAT = Operation.CHAT


def test_logprobs_of_an_empty_token_do_not_make_content_of_none() -> None:
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": None},
                "finish_reason": "stop",
                "logprobs": {"content": [{"token": "", "logprob": 0}]},
            }
        ],
    }
    events = DIALECT.disassemble(CHAT, msgspec.json.encode(body), include_usage=False)
    assert msgspec.json.decode(DIALECT.assemble(CHAT, events)) == body
