"""Tokens as the gateway counts them itself: learnt from what providers report, and in its place."""

import asyncio
from typing import Any, Final

import msgspec

from headrace.clock import Clock
from headrace.dialects.decoding import decode_or_none
from headrace.gateway.flight import Flight
from headrace.gateway.order import Order
from headrace.gateway.tasks import Spawn
from headrace.model import Usage
from headrace.prompt.counting.counters import Counters

# One call in so many seconds teaches, at most, and none that is too long.
_LEARN_INTERVAL_S: Final = 0.05
_LEARN_BYTES_MAX: Final = 256 << 10
# What is longer is estimated by its length, for the loop waits meanwhile.
_COUNT_BYTES_MAX: Final = 32 << 10
# An event of a stream is a token, about.
_EVENT: Final = b"data:"
_ASSEMBLE_BYTES_MAX: Final = 256 << 10
_TOKENS_PER_JSON_BYTE: Final = 0.25

_DOCUMENT: Final = msgspec.json.Decoder(dict[str, Any])


class TokenCounts:
    """Counts for calls that end. Belongs to one event loop.

    Args:
        counters: what counts, and what has been learnt.
        spawn: starts what runs in the background.
        clock: tells the time.
    """

    def __init__(self, counters: Counters, spawn: Spawn, clock: Clock) -> None:
        self._counters = counters
        self._spawn = spawn
        self._now_s = clock.monotonic_s
        self._next_s = 0.0
        self._is_busy = False

    def learn(self, order: Order, usage: Usage) -> None:
        """Learn from a call that has ended, now and then: one at a time, and not on the loop.

        Args:
            order: what was asked.
            usage: what the provider says of it.
        """
        body = order.sent
        if self._is_busy or not 0 < len(body) <= _LEARN_BYTES_MAX or not usage.input_tokens:
            return
        now_s = self._now_s()
        if now_s < self._next_s or self._counters.of(order.model).is_exact:
            return
        self._next_s = now_s + _LEARN_INTERVAL_S
        self._is_busy = True
        self._spawn(self._learn(order.model, body, usage.input_tokens))

    def estimate(self, flight: Flight) -> Usage | None:
        """What a call that has ended probably used; `None` where its request is not at hand.

        Args:
            flight: the call, whose provider reports no tokens.
        """
        order = flight.order
        sent = order.sent
        document = decode_or_none(sent, _DOCUMENT) if sent else None
        if document is None:
            return None
        counter = self._counters.of(order.model)
        is_rough = len(sent) > _COUNT_BYTES_MAX
        count = counter.count_roughly(document) if is_rough else counter.count_document(document)
        return Usage(count.tokens, self._output_tokens(flight))

    async def _learn(self, model: str, body: bytes, told_tokens: int) -> None:
        try:
            await asyncio.to_thread(self._take_in, model, body, told_tokens)
        finally:
            self._is_busy = False

    def _take_in(self, model: str, body: bytes, told_tokens: int) -> None:
        document = decode_or_none(body, _DOCUMENT)
        if document is not None:
            self._counters.learn(model, document, told_tokens)

    def _output_tokens(self, flight: Flight) -> int:
        call, body = flight.order.call, flight.body
        operation = call.grammar.operation
        if not call.grammar.streams:
            return 0  # vectors
        if flight.is_stream:
            if len(body) > _ASSEMBLE_BYTES_MAX:
                return body.count(_EVENT)
            body = call.dialect.assemble(operation, body)
        if flight.facts.has_tool_calls:
            return round(len(body) * _TOKENS_PER_JSON_BYTE)
        text = call.dialect.reply_text(operation, body)
        counter = self._counters.of(flight.order.model)
        if len(text) > _COUNT_BYTES_MAX:
            return counter.roughly(text)
        return counter.tokens_of(text)
