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


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one call as the provider counted them.

    Attributes:
        input_tokens: tokens of the prompt, cached and written ones included.
        output_tokens: tokens of the answer, reasoning included.
        cached_tokens: the part of `input_tokens` that the provider read from its prompt cache.
        cache_write_tokens: the part that it wrote there, to be kept for as long as is usual: five
            minutes at Anthropic.
        cache_write_1h_tokens: the part that it wrote there to be kept for an hour.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0

    @property
    def has_cached(self) -> bool:
        """Whether the provider read or wrote anything of its prompt cache."""
        return bool(self.cached_tokens or self.cache_write_tokens or self.cache_write_1h_tokens)


class Rates(msgspec.Struct, frozen=True):
    """US dollars per million tokens; what is left out costs what plain input costs.

    Attributes:
        input: plain input.
        output: output.
        cached: input read from the provider's prompt cache.
        cache_write: input written there.
        cache_write_1h: input written there for an hour; left out, what `cache_write` says.
    """

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None

    def of(self, usage: Usage) -> float:
        """What `usage` costs by these rates, in US dollars."""
        cached_rate = self.input if self.cached is None else self.cached
        written = usage.cache_write_tokens + usage.cache_write_1h_tokens
        fresh_tokens = max(0, usage.input_tokens - usage.cached_tokens - written)
        usd = (
            fresh_tokens * self.input
            + usage.cached_tokens * cached_rate
            + usage.output_tokens * self.output
        )
        return (usd + self._written(usage) if written else usd) / 1e6

    def _written(self, usage: Usage) -> float:
        rate = self.input if self.cache_write is None else self.cache_write
        rate_1h = rate if self.cache_write_1h is None else self.cache_write_1h
        return usage.cache_write_tokens * rate + usage.cache_write_1h_tokens * rate_1h


class Tier(Rates, frozen=True, kw_only=True):
    """Rates of a whole call whose prompt is longer than `above_tokens`."""

    above_tokens: int


class Price(Rates, frozen=True):
    """What a model costs.

    Attributes:
        tiers: rates for long prompts, the shortest first.
        batch: the price of calls in the provider's batch API, where it has one.
    """

    tiers: tuple[Tier, ...] = ()
    batch: "Price | None" = None

    def cost_usd(self, usage: Usage) -> float:
        """What `usage` costs in US dollars, every kind of token at its own rate."""
        if not self.tiers or usage.input_tokens <= self.tiers[0].above_tokens:
            return self.of(usage)
        reached = [tier for tier in self.tiers if usage.input_tokens > tier.above_tokens]
        return reached[-1].of(usage)

    def prompt_cache_usd(self, usage: Usage) -> tuple[float, float]:
        """What the provider's prompt cache saved by reading, and the fee for writing, in dollars.

        Both against plain input: the sum of all input at its plain price, less the first and plus
        the second, is what was paid.
        """
        cost_usd = self.cost_usd(usage)
        replace = msgspec.structs.replace
        unread_usd = self.cost_usd(replace(usage, cached_tokens=0))
        unwritten = replace(usage, cache_write_tokens=0, cache_write_1h_tokens=0)
        return unread_usd - cost_usd, cost_usd - self.cost_usd(unwritten)


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
