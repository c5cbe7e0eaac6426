"""A connection to a broker, as aio-pika has it: opened, used, and told of when it is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace.errors import HeadraceError, SettingsInvalid
from headrace.settings.amqp import AmqpSettings

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage

CONNECT_S: Final = 10.0
CONFIRM_S: Final = 10.0
_DEAD_SUFFIX: Final = ".dead"


class LinkLost(HeadraceError):
    """The broker is not there, does not answer, or refuses what it is asked."""

    status = 503
    default_code = "broker_unavailable"


class Arrival(msgspec.Struct, frozen=True):
    """A message that came.

    Attributes:
        message: as aio-pika has it.
    """

    message: Any

    @property
    def body(self) -> bytes:
        """What it says."""
        body: bytes = self.message.body
        return body

    @property
    def message_id(self) -> str | None:
        """What its sender calls it."""
        found: str | None = self.message.message_id
        return found

    @property
    def correlation_id(self) -> str | None:
        """What its sender knows the answer by."""
        found: str | None = self.message.correlation_id
        return found


Receive = Callable[[Arrival], Awaitable[None]]


class Link:
    """One connection with one channel. Belongs to one loop.

    Args:
        settings: which broker, which queue.
        receive: is given each message; whether it is acknowledged is up to it.

    Raises:
        LinkLost: by every method, where the broker is not there any more.
    """

    def __init__(self, settings: AmqpSettings, receive: Receive) -> None:
        self._settings = settings
        self._receive = receive
        self._connection: Any = None
        self._channel: Any = None
        self._queue: Any = None
        self._tag: str | None = None
        self._dead: Any = None
        self._results: Any = None
        self.lost = asyncio.Event()

    async def open(self) -> None:
        """Connect, and see that queue and exchanges are there."""
        await self._guarded(self._open(), CONNECT_S)

    async def take(self) -> None:
        """Let messages come."""
        await self._guarded(self._consume(), CONFIRM_S)

    async def acknowledge(self, arrival: Arrival) -> None:
        """Have the broker forget a message."""
        await self._guarded(arrival.message.ack(), CONFIRM_S)

    async def give_back(self, arrival: Arrival) -> None:
        """Have the broker give a message to another one."""
        await self._guarded(arrival.message.nack(requeue=True), CONFIRM_S)

    async def bury(self, arrival: Arrival, headers: Mapping[str, str]) -> None:
        """Publish a message to the exchange of dead letters, until the broker has confirmed it."""
        from aio_pika import Message

        came = arrival.message
        message = Message(
            came.body,
            headers={**came.headers, **headers},
            content_type=came.content_type,
            content_encoding=came.content_encoding,
            message_id=came.message_id,
            correlation_id=came.correlation_id,
            delivery_mode=2,
        )
        publishing = self._dead.publish(message, self._settings.queue, mandatory=True)
        await self._guarded(publishing, CONFIRM_S)

    async def tell(self, body: bytes, routing_key: str, **properties: Any) -> None:
        """Publish to the exchange of results, until the broker has confirmed it."""
        from aio_pika import Message

        message = Message(body, content_type="application/json", delivery_mode=2, **properties)
        publishing = self._results.publish(message, routing_key, mandatory=False)
        await self._guarded(publishing, CONFIRM_S)

    async def stop(self) -> None:
        """Let no further message come."""
        tag, self._tag = self._tag, None
        if tag is not None:
            await self._guarded(self._queue.cancel(tag), CONFIRM_S)

    async def close(self) -> None:
        """Let go of it, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await self._guarded(connection.close(), CONFIRM_S)
            except LinkLost:
                return

    async def _open(self) -> None:
        from aio_pika import ExchangeType, connect

        settings = self._settings
        self._connection = await connect(settings.url.reveal(), timeout=CONNECT_S)
        self._connection.close_callbacks.add(self._has_gone)
        self._channel = await self._connection.channel(
            publisher_confirms=True, on_return_raises=True
        )
        self._channel.close_callbacks.add(self._has_gone)
        await self._channel.set_qos(prefetch_count=settings.prefetch)
        kinds = {settings.dead_letter_exchange: ExchangeType.FANOUT}
        if settings.results_exchange is not None:
            kinds[settings.results_exchange] = ExchangeType.TOPIC
        exchanges = {}
        for name, kind in kinds.items():
            if settings.declare:
                exchanges[name] = await self._channel.declare_exchange(name, kind, durable=True)
            else:
                exchanges[name] = await self._channel.get_exchange(name)
        self._dead = exchanges[settings.dead_letter_exchange]
        if settings.results_exchange is not None:
            self._results = exchanges[settings.results_exchange]
        if settings.declare:
            graves = await self._channel.declare_queue(settings.queue + _DEAD_SUFFIX, durable=True)
            await graves.bind(self._dead)
            self._queue = await self._channel.declare_queue(settings.queue, durable=True)
        else:
            self._queue = await self._channel.get_queue(settings.queue)

    async def _consume(self) -> None:
        self._tag = await self._queue.consume(self._came)

    async def _came(self, message: "AbstractIncomingMessage") -> None:
        await self._receive(Arrival(message))

    def _has_gone(self, *_why: object) -> None:
        self.lost.set()

    async def _guarded(self, work: Awaitable[Any], limit_s: float) -> None:
        from aio_pika.exceptions import CONNECTION_EXCEPTIONS

        try:
            async with asyncio.timeout(limit_s):
                await work
        except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
            raise LinkLost(_told(error)) from None


def check_package() -> None:
    """See that aio-pika is there.

    Raises:
        SettingsInvalid: it is not.
    """
    from importlib.util import find_spec

    if find_spec("aio_pika") is None:
        raise SettingsInvalid("jobs.amqp needs aio-pika: pip install 'headrace[amqp]'")


def _told(error: BaseException) -> str:
    """What is known of an error; brokers and sockets name no passwords."""
    said = str(error).replace("\n", " ")[:200]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
