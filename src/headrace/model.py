"""The nouns that travel between rooms: frozen, without behaviour beyond reading themselves."""

import enum
from typing import Literal

import msgspec

DialectName = Literal["openai", "anthropic"]

Failure = Literal[
    "open",
    "no_room",
    "rate_limited",
    "overloaded",
    "server_error",
    "unreachable",
    "timeout",
    "broken",
    "denied",
    "too_long",
    "refused",
]
"""How a target failed: it was left alone (breaker), its limit or queue had no room, it answered
429, 503 or 529, another 5xx; no connection, no answer in time, an answer that broke off or made no
sense; its key or model was not accepted (401 to 404), the prompt is too long for it (413, or a 400
that says so), or it found the request wrong."""


class CacheResult(enum.StrEnum):
    """Where an answer came from, as `x-headrace-cache` says it."""

    L1 = "l1"
    L2 = "l2"
    L3 = "l3"
    SEMANTIC = "semantic"
    JOINED = "joined"
    MISS = "miss"
    BYPASS = "bypass"


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one call as the provider counted them.

    Attributes:
        input_tokens: tokens of the prompt, cached ones included.
        output_tokens: tokens of the answer, reasoning included.
        cached_tokens: the part of `input_tokens` that the provider read from its prompt cache.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


class Price(msgspec.Struct, frozen=True):
    """US dollars per million tokens."""

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None

    def cost_usd(self, usage: Usage) -> float:
        """What `usage` costs in US dollars; cached tokens at their own price where there is one."""
        cached_price = self.input if self.cached is None else self.cached
        fresh_tokens = max(0, usage.input_tokens - usage.cached_tokens)
        return (
            fresh_tokens * self.input
            + usage.cached_tokens * cached_price
            + usage.output_tokens * self.output
        ) / 1e6


class RequestView(msgspec.Struct, frozen=True):
    """What matters to Headrace of a request, in any dialect.

    Attributes:
        model: the model as the caller named it.
        stream: whether the caller asked for server-sent events.
        include_usage: whether a stream is to end with a usage event.
        temperature: sampling temperature, `None` where the caller left it out.
        choices: how many answers were asked for (`n`).
        has_tools: whether tools are offered to the model.
    """

    model: str
    stream: bool = False
    include_usage: bool = False
    temperature: float | None = None
    choices: int = 1
    has_tools: bool = False


class ReplyFacts(msgspec.Struct, frozen=True):
    """What matters to Headrace of an answer, whole or streamed, in any dialect.

    Attributes:
        usage: tokens as the provider reports them, `None` where it does not.
        finish_reasons: one per choice, in the dialect's own words.
        complete: the answer ended in the way the dialect says an answer ends.
        truncated: it was cut by a token limit.
        filtered: it was cut by the provider's content filter, or the model refuses to answer.
        empty: no choice holds text, a refusal, audio or a tool call.
        has_tool_calls: at least one choice calls a tool.
        is_error: the body, or an event of the stream, is an error.
        has_usage_event: for streams, whether the transcript holds a usage event of its own.
    """

    usage: Usage | None = None
    finish_reasons: tuple[str, ...] = ()
    complete: bool = False
    truncated: bool = False
    filtered: bool = False
    empty: bool = True
    has_tool_calls: bool = False
    is_error: bool = False
    has_usage_event: bool = False
