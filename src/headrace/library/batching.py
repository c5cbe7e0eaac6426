"""A batch function of the caller's in the provider's place: many questions, one call of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from headrace.cache.shapes import JSON_TYPE
from headrace.clock import Clock
from headrace.dialects.base import Operation
from headrace.errors import HeadraceError, Overloaded
from headrace.flow.batch.queue import Priority as Rank
from headrace.gateway.flight import Flight, Sender
from headrace.gateway.order import Order
from headrace.gateway.tasks import OnBug, Tasks, attempt
from headrace.model import Usage
from headrace.toolkit.batch_function import BatchFailed
from headrace.toolkit.llm_batching import LLMBatchProcessor

Json = dict[str, Any]

SIZE: Final = 5
WAIT_MS: Final = 50.0
_ASKED: Final = (Operation.CHAT, Operation.MESSAGES)
# What differs within a batch; every other field of a request is the same in all of it.
_OWN_FIELDS: Final = ("messages", "model")
# Groups of requests with calls of the function under way; a function that hangs keeps its group.
GROUPS_MAX: Final = 256
_RANKS: Final[Sequence[Rank]] = ("high", "normal", "low", "batch")
_DECODER: Final = msgspec.json.Decoder(Json)


class BatchReply(msgspec.Struct, frozen=True):
    """What a model says to one prompt of a batch.

    Attributes:
        text: its words.
        usage: tokens of this prompt and its answer, where they are known.
    """

    text: str
    usage: Usage | None = None


Reply = str | BatchReply | Mapping[str, Any]
AskBatch = Callable[
    [list[Json]], Sequence[Reply | Exception] | Awaitable[Sequence[Reply | Exception]]
]


class BatchTerms(msgspec.Struct, frozen=True):
    """A batch function, and when it is called.

    Attributes:
        function: gives a reply for each request.
        size: most requests of a batch.
        wait_ms: how long a request waits for others while a batch is on its way.
    """

    function: AskBatch
    size: int = SIZE
    wait_ms: float = WAIT_MS


def read_terms(
    function: AskBatch | None, size: int | None, wait_ms: float | None
) -> BatchTerms | None:
    """The terms of batches, `None` where there are none.

    Raises:
        TypeError: the function is none.
        ValueError: there is nothing to batch with, or a bound makes no sense.
    """
    if function is None:
        for name, value in (("batch_size", size), ("batch_wait_ms", wait_ms)):
            if value is not None:
                raise ValueError(
                    f"{name} is {value}, but there is nothing to batch with: give the adapter a "
                    "function as `batch`. Providers take one prompt a call."
                )
        return None
    if not callable(function):
        raise TypeError("`batch` is a function that takes a list of requests.")
    terms = BatchTerms(
        function, SIZE if size is None else size, WAIT_MS if wait_ms is None else wait_ms
    )
    _processor(terms, None, None)  # or what is wrong would be told with the first question
    return terms


class BatchSender:
    """Has a batch function answer whatever may go to one. Implements `Sender`.

    Streams, embeddings and calls that want to be made by themselves go to `sender`.

    Args:
        sender: who asks providers.
        terms: of the batches.
        timeout_s: how long a batch may take, by the name of its provider.
        on_bug: told of an exception that no one expected.
        clock: the time.
    """

    def __init__(
        self,
        sender: Sender,
        terms: BatchTerms,
        *,
        timeout_s: Callable[[str], float],
        on_bug: OnBug,
        clock: Clock,
    ) -> None:
        self._sender = sender
        self._terms = terms
        self._timeout_s = timeout_s
        self._tasks = Tasks(on_bug)
        self._on_bug = on_bug
        self._clock = clock
        self._processors: dict[bytes, LLMBatchProcessor[Json, Reply]] = {}

    def prepare(self, order: Order) -> None:
        """Word the request, where a provider is asked."""
        if not _may_go(order):
            self._sender.prepare(order)

    def send(self, order: Order, flight: Flight) -> None:
        """Set out; see `Sender`."""
        if not _may_go(order):
            self._sender.send(order, flight)
            return
        task = self._tasks.spawn(self._ask(order, flight))
        if not flight.is_over:
            flight.call = task  # type: ignore[assignment]  # its `cancel` is all that is asked of it

    async def close(self) -> None:
        """Tell who waits that there will be no answer, and give up what runs."""
        await self._tasks.close()
        for processor in list(self._processors.values()):
            await processor.close(0)

    async def _ask(self, order: Order, flight: Flight) -> None:
        document = _DECODER.decode(order.body)
        document["model"] = order.model
        name = order.way.endpoint.name
        key = _key(name, document)
        processor = self._processors.get(key)
        if processor is None:
            if len(self._processors) >= GROUPS_MAX:
                flight.on_fault(_too_many_groups())
                return
            processor = _processor(self._terms, self._timeout_s(name), self._clock)
            self._processors[key] = processor
        rank = _RANKS[-1] if order.purpose else _RANKS[order.call.hints.priority]
        try:
            (outcome,) = await asyncio.gather(
                processor.add(document, priority=rank), return_exceptions=True
            )
        finally:
            if processor.is_idle and self._processors.get(key) is processor:
                del self._processors[key]
        body: bytes | BaseException
        if isinstance(outcome, BaseException):
            body = outcome
        else:
            body = attempt(partial(self._worded, order), outcome, self._on_bug)
        if isinstance(body, bytes):
            order.body = b""
            flight.attempts += 1
            flight.on_head(200, [(b"content-type", JSON_TYPE)])
            flight.on_body(body)
            flight.on_end()
        else:
            flight.on_fault(_told(body))

    def _worded(self, order: Order, reply: object) -> bytes | BatchFailed:
        """The provider's JSON for a reply, or why there is none."""
        if isinstance(reply, Mapping):
            return _encoded(dict(reply))
        if isinstance(reply, str):
            reply = BatchReply(reply)
        if not isinstance(reply, BatchReply) or not _is_whole(reply):
            return BatchFailed(
                f"The batch function gave {reply!r:.100} for a request: it has to give a text, a "
                "BatchReply of a text and perhaps a Usage, or the JSON of the model's dialect as "
                "a dict."
            )
        dialect = order.call.dialect
        body = dialect.write_reply(
            reply.text,
            model=order.model,
            reply_id=order.key.hex()[:24],
            created_s=int(self._clock.wall_s()),
        )
        document = _DECODER.decode(body)
        document["usage"] = None if reply.usage is None else _usage(reply.usage, dialect.name)
        return _encoded(document)


def _is_whole(reply: BatchReply) -> bool:
    """Whether its fields are what they have to be, which nobody has looked at so far."""
    text: object = reply.text
    usage: object = reply.usage
    return isinstance(text, str) and (usage is None or isinstance(usage, Usage))


def _may_go(order: Order) -> bool:
    call = order.call
    return call.hints.joins and call.grammar.operation in _ASKED and not order.view.stream


def _key(provider: str, document: Json) -> bytes:
    """What is the same in all of a batch."""
    same = {name: value for name, value in document.items() if name not in _OWN_FIELDS}
    return msgspec.json.encode((provider, document["model"], same), order="deterministic")


def _too_many_groups() -> Overloaded:
    return Overloaded(
        f"The batch function is busy with {GROUPS_MAX} groups of requests of other parameters: try "
        "again later, and see whether it hangs.",
        code="batch_groups_full",
        retry_after_s=1,
    )


def _processor(
    terms: BatchTerms, timeout_s: float | None, clock: Clock | None
) -> LLMBatchProcessor[Json, Reply]:
    return LLMBatchProcessor(
        terms.function,
        terms.size,
        terms.wait_ms,
        timeout_s=timeout_s,
        dedup=False,  # what is the same, and may be asked once, is one flight already
        clock=clock,
    )


def _encoded(document: Json) -> bytes | BatchFailed:
    try:
        return msgspec.json.encode(document)
    except (TypeError, ValueError, RecursionError) as error:
        return BatchFailed(f"The batch function gave a reply that is no plain JSON data: {error}.")


def _usage(usage: Usage, dialect: str) -> Json:
    if dialect == "anthropic":
        written = usage.cache_write_tokens + usage.cache_write_1h_tokens
        told = {
            "input_tokens": max(0, usage.input_tokens - usage.cached_tokens - written),
            "cache_read_input_tokens": usage.cached_tokens,
            "output_tokens": usage.output_tokens,
        }
        if written:
            told["cache_creation_input_tokens"] = written
        return told
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def _told(error: BaseException) -> HeadraceError:
    if isinstance(error, HeadraceError):
        return error
    told = BatchFailed(
        f"The batch function failed for this request: {type(error).__name__}: {error}"
    )
    told.__cause__ = error
    return told
