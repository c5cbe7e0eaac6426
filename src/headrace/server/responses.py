"""`POST /v1/responses`: a request of the Responses API goes through the pipeline as a chat.

What is cached, joined, limited and booked is the chat; a response is made of its answer for each
caller anew, with an id of its own.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from headrace.cache.key import decode_document, repeat_key, scope_digest
from headrace.clock import Clock
from headrace.dialects.responses.items import Item
from headrace.dialects.responses.output import Heading
from headrace.dialects.responses.request import Asked, chat_body, read_request
from headrace.errors import HeadraceError
from headrace.gateway.call import Call
from headrace.gateway.engine import Engine
from headrace.gateway.order import Order
from headrace.gateway.tasks import attempt
from headrace.ids import Ids
from headrace.server.exchange import Exchange, State
from headrace.server.response_reader import ResponseReader


class Thread(Protocol):
    """A conversation as it was when a request came."""

    @property
    def items(self) -> Sequence[Item]:
        """What was said, the oldest first."""
        ...


class Keeper(Protocol):
    """Who knows what was said before, and keeps what is said now."""

    def keeps(self, asked: Asked) -> bool:
        """Whether the response to a request is kept."""
        ...

    async def resolve(self, tenant: str, asked: Asked) -> Asked:
        """A request with the items that it only names.

        Raises:
            HeadraceError: one is not there, or cannot be had now.
        """
        ...

    async def recall(self, tenant: str, asked: Asked) -> Any:
        """What a request goes on from: a `Thread`, which is given to `keep` again.

        Raises:
            HeadraceError: there is no such thing, it is too much, or it cannot be had now.
        """
        ...

    async def keep(self, tenant: str, thread: Any, asked: Asked, response: dict[str, Any]) -> bool:
        """Keep a response; whether it is kept.

        Raises:
            HeadraceError: it cannot be, and the settings want it so.
        """
        ...


class Responses:
    """Takes requests to the pipeline and gives responses back. Belongs to one event loop.

    Args:
        engine: who answers, and whose tasks wait for the store.
        keeper: keeps responses.
        ids: names responses and what they say.
        clock: the time.
        on_bug: told of an exception that no one expected.
    """

    def __init__(
        self,
        engine: Engine,
        keeper: Keeper,
        ids: Ids,
        clock: Clock,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._pipeline = engine.pipeline
        self._keeper = keeper
        self._make_id = ids.new
        self._clock = clock
        self._spawn = engine.spawn
        self._on_bug = on_bug

    def __call__(self, exchange: Exchange, body: bytes) -> None:
        exchange.watch.passed("authenticate")
        asked = read_request(decode_document(body))
        if not (asked.previous_id or asked.conversation_id or asked.references):
            self._ask(exchange, asked, None)
        else:
            self._start(exchange, self._go_on(exchange, asked))

    async def _go_on(self, exchange: Exchange, asked: Asked) -> None:
        """Ask once it is known what was said before."""
        tenant, thread = _call(exchange).tenant, None
        try:
            if asked.references:
                asked = await self._keeper.resolve(tenant, asked)
            if asked.previous_id or asked.conversation_id:
                thread = await self._keeper.recall(tenant, asked)
        except HeadraceError as error:
            exchange.fail(error.with_traceback(None))
            return
        if exchange.state is not State.WAITING:  # the client did not
            return
        failed = attempt(lambda known: self._ask(exchange, asked, known), thread, self._on_bug)
        if failed is not None:
            exchange.fail(failed)

    def _ask(self, exchange: Exchange, asked: Asked, thread: Thread | None) -> None:
        call = _call(exchange)
        body = chat_body(asked, thread.items if thread is not None else ())
        heading = Heading(
            id=self._make_id("resp"),
            created_s=int(self._clock.wall_s()),
            model=asked.model,
            told=asked.told,
            previous_id=asked.previous_id,
            conversation_id=asked.conversation_id,
            stores=self._keeper.keeps(asked),
        )
        reader = ResponseReader(
            exchange,
            heading,
            self._make_id,
            streams=asked.streams,
            wall_s=self._clock.wall_s,
            finish=self._finisher(exchange, asked, thread) if heading.stores else None,
        )
        # No body of a client leads to a chat here, even if it is the same: its digest is another.
        digest = repeat_key(scope_digest(call.repeat_scope, b"chat"), body)
        order = Order(call, body, reader, exchange.watch, digest)
        order.asker_books = True
        self._pipeline.handle_all([order])
        if order.error is not None:
            raise order.error

    def _finisher(
        self, exchange: Exchange, asked: Asked, thread: Thread | None
    ) -> Callable[[dict[str, Any], Callable[[bool | HeadraceError], None]], None]:
        """Keeps a response before its end is told."""
        tenant = _call(exchange).tenant

        async def keep(
            response: dict[str, Any], tell: Callable[[bool | HeadraceError], None]
        ) -> None:
            try:
                outcome: bool | HeadraceError = await self._keeper.keep(
                    tenant, thread, asked, response
                )
            except HeadraceError as error:
                outcome = error.with_traceback(None)
            tell(outcome)

        return lambda response, tell: self._start(exchange, keep(response, tell))

    def _start(self, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        """Whoever waits is told where a bug ended the work."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and task.exception() is not None:
                exchange.fail(HeadraceError("The gateway failed; its log says how."))

        self._spawn(work).add_done_callback(ended)


def _call(exchange: Exchange) -> Call:
    call = exchange.head.call
    assert call is not None  # noqa: S101  # the place has an operation
    return call
