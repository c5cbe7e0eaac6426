"""Rows of the ledger as they stand in the journal. Fields are only ever added, at the end."""

from typing import Final

import msgspec

NANO: Final = 1_000_000_000


class CallRow(msgspec.Struct, array_like=True, gc=False, tag=0):
    """One call: a request of a caller, or one that Headrace made on its own account.

    Attributes:
        id: of the request, as the caller was told it.
        at_s: when it ended, seconds since the epoch.
        key_name: of the caller's key.
        operation: what was asked: `chat`, `messages`, `embeddings`.
        asked: the model as the caller named it.
        model: the model as the provider names it; empty where none was chosen.
        cache: how the cache answered, as `x-headrace-cache`; empty where it was not asked.
        status: HTTP status; 499 where the caller went away before there was one.
        streams: whether the answer came as events.
        attempts: calls to providers.
        duration_us: from the first byte of the request to the last byte of the answer.
        first_byte_us: the same to the first byte of the answer; 0 where there was none.
        upstream_us: how long the provider took, where one was asked.
        input_tokens: of the prompt, cached and written ones included.
        cached_tokens: the part that the provider read from its prompt cache.
        cache_write_tokens: the part that it wrote there.
        cache_write_1h_tokens: the part that it wrote there for an hour.
        output_tokens: of the answer.
        is_estimated: whether tokens and cost are an estimate, for want of the provider's word.
        cost_nano: what the call cost, in billionths of a US dollar; `None`: its price is unknown.
        saved_nano: what it would have cost without the cache.
        error: stable code of what went wrong; empty where nothing did.
        purpose: why Headrace asked on its own account; empty for a caller's request.
        intent: what was wanted, where that is told.
        template: which stood for the request.
        priority: of the request; the lower, the sooner.
        answer_key: what the answer is kept under in the cache, where contents are kept.
        stages: the stages that it passed, and then the milliseconds in each; in the tables as JSON.
    """

    id: str
    at_s: float
    tenant: str
    key_name: str
    operation: str
    asked: str
    model: str
    provider: str
    cache: str
    status: int
    streams: bool = False
    attempts: int = 0
    duration_us: int = 0
    first_byte_us: int = 0
    upstream_us: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    is_estimated: bool = False
    cost_nano: int | None = 0
    saved_nano: int = 0
    error: str = ""
    purpose: str = ""
    intent: str = ""
    template: str = ""
    priority: int = 1
    answer_key: str = ""
    stages: list[str | float] | str = ""


class ContentRow(msgspec.Struct, array_like=True, gc=False, tag=1):
    """What was said in a call to a provider, redacted and bounded.

    Attributes:
        id: of the call's row.
        at_s: when the call ended.
        prompt: the request's JSON.
        answer: the answer's.
    """

    id: str
    at_s: float
    tenant: str
    prompt: str
    answer: str


Row = CallRow | ContentRow
