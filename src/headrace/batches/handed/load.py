"""Lines that are one batch of a provider's, from when they are handed over to their answers."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from headrace.batches.handed.book import Book, Entry
from headrace.batches.handed.provider import ProviderBatches, Refused, Told
from headrace.batches.unanswered import HandoverFailed, Stopping
from headrace.cache.shapes import JSON_TYPE
from headrace.errors import HeadraceError
from headrace.gateway.flight import Flight
from headrace.gateway.handing import HandedOrder
from headrace.settings.batches import BatchApiSettings
from headrace.upstream.faults import UpstreamFault

SETTLE_S: Final = 2.0
"""A batch that was created may take so long to be listed."""
GIVE_UP_POLLS: Final = 40
"""How often it is looked whether a batch that was cancelled has ended."""
_AGAIN_S: Final = 1.0
_AGAIN_S_MAX: Final = 60.0
_GROUP: Final = 64  # that are done in one turn of the loop
_NEVER_SENT: Final = frozenset(("connect", "tls", "timeout_connect"))
_NOT_FOUND: Final = 404
_OURS: Final = re.compile("[0-9]{1,9}")

Orders = dict[int, tuple[HandedOrder, Flight]]


class Ways(msgspec.Struct, frozen=True):
    """What loads are given.

    Attributes:
        endpoint: what the lines ask.
        book: where it is written down what was handed over.
        note: writes there, by one of the book's methods.
        may_write: whether this process still holds the batch.
        pause: waits so many seconds; raises `Stopping` where this process asks no more.
        now_s: the time, monotonic seconds.
        say: tells the operator.
    """

    endpoint: str
    book: Book
    note: Callable[[Callable[[Entry], None], Entry], Awaitable[None]]
    may_write: Callable[[], bool]
    pause: Callable[[float], Awaitable[None]]
    now_s: Callable[[], float]
    say: Callable[[str], None]


class _Response(msgspec.Struct):
    status_code: int
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Error(msgspec.Struct):
    code: str | None = None
    message: str | None = None


class _Line(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None


_read_line: Final = msgspec.json.Decoder(_Line).decode


class Load:
    """One batch of a provider's. Belongs to one event loop.

    Args:
        entry: what is handed over, and as what.
        orders: what waits for its answers, by the line's number.
        client: speaks to the provider.
        settings: how it is handed over.
        ways: what all loads are given.
        is_new: whether nobody has handed it over before.
    """

    def __init__(
        self,
        entry: Entry,
        orders: Orders,
        client: ProviderBatches,
        settings: BatchApiSettings,
        ways: Ways,
        *,
        is_new: bool,
    ) -> None:
        self._is_new = is_new
        self.entry = entry
        self.orders = orders
        self._client = client
        self._settings = settings
        self._ways = ways
        self._told: Told | None = None
        self._is_given_up = False

    async def run(self) -> None:
        """Hand over what was not, and wait for the answers.

        Raises:
            Stopping: this process asks no more, or may not.
            OSError: the book cannot be written.
        """
        try:
            if self._is_new or not await self.recover():
                await self._create()
            await self._poll()
        except HandoverFailed as why:
            self._fail(why)
        await self._harvest()

    async def recover(self) -> bool:
        """Find what a predecessor handed over; whether it did.

        Raises:
            Stopping: this process asks no more.
            HandoverFailed: that cannot be told.
        """
        return bool(self.entry.batch) or await self._is_found()

    async def give_up(self) -> None:
        """Have the provider end it, and keep what was answered until then; of what cannot be had,
        lines are told so.

        Raises:
            Stopping: this process asks no more.
            OSError: the book cannot be written.
        """
        self._is_given_up = True
        try:
            if not await self.recover():
                raise HandoverFailed("The lines were given up before they were handed over.")
            await self._cancel()
        except HandoverFailed as why:
            self._fail(why)
        else:
            await self._harvest()

    async def _cancel(self) -> None:
        batch = self.entry.batch
        try:
            await self._client.cancel(batch)
        except HandoverFailed:
            raise
        except HeadraceError as error:  # over already, or out of reach
            self._say(error)
        for _ in range(GIVE_UP_POLLS):
            try:
                self._told = await self._client.read(batch)
            except HandoverFailed:
                raise
            except HeadraceError as error:
                if not _may_change(error):
                    raise HandoverFailed(error.message, "provider_batch_lost") from error
                self._say(error)
            else:
                if self._told.is_over:
                    return
            await self._ways.pause(self._look_s)

    # Handing over.

    async def _create(self) -> None:
        ways, entry = self._ways, self.entry
        await ways.note(ways.book.intend, entry)
        lines = await self._lines()
        file_id, tries = "", 0
        while True:
            if not ways.may_write():
                raise Stopping
            try:
                file_id = file_id or await self._client.upload(lines)
                told = await self._client.create(file_id, ways.endpoint, entry.token)
            except HandoverFailed:
                raise
            except HeadraceError as error:
                if file_id and _may_be_done(error) and await self._is_found():
                    return
                tries += 1
                if not _may_change(error) or tries >= self._settings.tries:
                    await ways.note(ways.book.over, entry)
                    raise HandoverFailed(error.message) from error
                ways.say(f"lines are handed over again: {error.message}")
                await ways.pause(self._wait_s(tries))
            else:
                await self._made(told)
                return

    async def _lines(self) -> bytes:
        words = []
        for at, (number, (order, _)) in enumerate(list(self.orders.items()), 1):
            words.append(
                b'{"custom_id":"%d","method":"POST","url":"%b","body":%b}'
                % (number, self._ways.endpoint.encode(), order.sent_on.replace(b"\n", b" "))
            )
            if not at % _GROUP:
                await asyncio.sleep(0)
        return b"\n".join(words) + b"\n"

    async def _is_found(self) -> bool:
        """Whether it was created although nobody noted it; looked for until that can be told."""
        looks = failures = 0
        while True:
            try:
                told = await self._client.find(self.entry.token)
            except HandoverFailed:
                raise
            except HeadraceError as error:
                if isinstance(error, Refused) and not error.may_change:
                    return False
                failures += 1
                self._ways.say(f"whether lines were handed over is not known: {error.message}")
                await self._rest(failures, error)
                continue
            if told is not None:
                await self._made(told)
                return True
            looks += 1
            if looks == 2:
                return False
            await self._ways.pause(SETTLE_S)

    async def _made(self, told: Told) -> None:
        self.entry.batch = told.id
        await self._ways.note(self._ways.book.made, self.entry)

    # Answers.

    @property
    def _look_s(self) -> float:
        """How long until it is looked again for what was given up."""
        return min(self._settings.poll_s, _AGAIN_S_MAX)

    async def _rest(self, failures: int, error: HeadraceError) -> None:
        """Wait before the provider is asked again; for what was given up not for ever."""
        if self._is_given_up and failures >= GIVE_UP_POLLS:
            raise HandoverFailed(error.message, "provider_batch_lost") from error
        await self._ways.pause(self._look_s if self._is_given_up else self._wait_s(failures))

    def _wait_s(self, failures: int) -> float:
        first_s = min(_AGAIN_S, self._settings.poll_s)
        return min(_AGAIN_S_MAX, first_s * 2.0 ** min(failures - 1, 10))

    def _say(self, error: HeadraceError) -> None:
        self._ways.say(f"batch {self.entry.batch} of the provider: {error.message}")

    async def _poll(self) -> None:
        failures = 0
        while True:
            try:
                self._told = await self._client.read(self.entry.batch)
            except HandoverFailed:
                raise
            except HeadraceError as error:
                if isinstance(error, Refused) and error.told == _NOT_FOUND:
                    raise HandoverFailed(error.message, "provider_batch_lost") from error
                failures += 1
                self._say(error)
                await self._ways.pause(max(self._settings.poll_s, self._wait_s(failures)))
                continue
            if self._told.is_over:
                return
            failures = 0
            await self._ways.pause(self._settings.poll_s)

    async def _harvest(self) -> None:
        """Give every line what there is for it, and no answer to those of which there is none."""
        told = self._told
        for file_id in (told.output_file_id, told.error_file_id) if told is not None else ():
            if file_id and self.orders:
                try:
                    await self._feed(await self._content(file_id))
                except HandoverFailed as why:
                    self._fail(why)
        status = told.status if told is not None else "lost"
        words = (told.why if told is not None else "") or "no answer to this line is in its files"
        message = f"The provider's batch {self.entry.batch} is {status}: {words}."
        self._fail(HandoverFailed(message, f"provider_batch_{status}"))

    async def _content(self, file_id: str) -> bytes:
        failures = 0
        while True:
            try:
                return await self._client.content(file_id)
            except HandoverFailed:
                raise
            except HeadraceError as error:
                is_too_large = isinstance(error, UpstreamFault) and error.kind == "too_large"
                is_gone = isinstance(error, Refused) and not error.may_change
                if is_too_large or is_gone:
                    raise HandoverFailed(
                        f"The answers of the provider's batch {self.entry.batch} are there, and "
                        f"cannot be had: {error.message}",
                        "provider_batch_unread",
                        is_final=True,
                    ) from error
                failures += 1
                self._say(error)
                await self._rest(failures, error)

    async def _feed(self, content: bytes) -> None:
        for at, raw in enumerate(content.splitlines(), 1):
            try:
                line = _read_line(raw)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            found = self.orders.pop(_number(line.custom_id), None)
            if found is not None:
                self._answer(found[1], line)
            if not at % _GROUP:
                await asyncio.sleep(0)

    def _answer(self, flight: Flight, line: _Line) -> None:
        if line.response is None:
            error = line.error or _Error()
            flight.on_fault(
                HandoverFailed(error.message or "The provider gave no answer.", error.code)
            )
            return
        flight.began_s = self._ways.now_s()  # how long it lay there says nothing of the provider
        flight.attempts += 1
        flight.on_head(line.response.status_code, [(b"content-type", JSON_TYPE)])
        flight.on_body(bytes(line.response.body))
        flight.on_end()

    def _fail(self, why: HandoverFailed) -> None:
        while self.orders:
            _, (_, flight) = self.orders.popitem()
            flight.on_fault(why)

    async def conclude(self) -> None:
        """All of its answers are written down."""
        await self._ways.note(self._ways.book.over, self.entry)
        told: Any = self._told
        if told is None:
            return
        for file_id in (told.input_file_id, told.output_file_id, told.error_file_id):
            if file_id:
                try:
                    await self._client.remove(file_id)
                except HeadraceError:
                    return  # it is the provider's to keep


def _number(custom_id: str) -> int:
    """The number of a line, of which it was made the name; 0 where it is none of ours."""
    return int(custom_id) if _OURS.fullmatch(custom_id) else 0


def _may_be_done(error: HeadraceError) -> bool:
    """Whether the provider may have done what it did not say that it has."""
    if isinstance(error, Refused):
        return error.may_change
    return not (isinstance(error, UpstreamFault) and error.kind in _NEVER_SENT)


def _may_change(error: HeadraceError) -> bool:
    return error.may_change if isinstance(error, Refused) else True
