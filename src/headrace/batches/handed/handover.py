"""Lines of one batch that the Batch APIs of their providers answer, in place of this gateway.

Each line goes through the pipeline first: what is stored is given at once and never handed over,
and what a call may cost is held. What is left is handed over in loads of a bounded size, each noted
before. Answers go back through the pipeline, which stores and books them like any other.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from headrace.batches.answers import Reply
from headrace.batches.gear import Gear
from headrace.batches.handed.book import Book, Entry
from headrace.batches.handed.destinations import Destinations
from headrace.batches.handed.load import GIVE_UP_POLLS, Load, Orders, Ways
from headrace.batches.handed.portions import Portions
from headrace.batches.handed.provider import ProviderBatches
from headrace.batches.lines import ENDPOINTS, Line
from headrace.batches.nouns import Batch
from headrace.batches.unanswered import HandoverFailed, Stopping
from headrace.gateway.flight import Flight
from headrace.gateway.handing import Destination, HandedOrder
from headrace.gateway.plan import Lane
from headrace.settings.batches import BatchApiSettings

_SUFFIX: Final = ".handed"
_TOKEN_BYTES: Final = 8
_GROUP: Final = 32  # lines that go through the pipeline in one turn of the loop
_REFUSED_S: Final = 1.0  # until a line that the gateway refuses for now is taken in again
_REFUSED_S_MAX: Final = 60.0


class Settle(Protocol):
    """Puts down what became of a line."""

    async def __call__(self, line: Line, outcome: "Reply | HandoverFailed") -> None: ...


Ask = Callable[..., Awaitable[Reply]]


class _Place:
    """Where a line is: on its way through the pipeline, taken, or done with."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.has_set_out = False
        self.task: asyncio.Task[None] | None = None


class _Held:
    """What is cancelled where nobody waits for a line any more."""

    def __init__(self, orders: Orders, number: int) -> None:
        self._orders = orders
        self._number = number

    def cancel(self) -> None:
        """Hold it no more."""
        self._orders.pop(self._number, None)


class Handover:
    """Hands lines over. Belongs to one event loop. Implements `gateway.handing.Taker`.

    Args:
        batch: whose lines.
        gear: what runs share.
        lines: where its lines are, for a `LineSource`.
        ask: asks a line, which this takes.
        settle: puts down what became of a line.
        done: by number of the line, whether it has its result.
        may_write: whether this process still holds the batch.
    """

    def __init__(
        self,
        batch: Batch,
        gear: Gear,
        lines: tuple[Path, str, int],
        *,
        ask: Ask,
        settle: Settle,
        done: bytearray,
        may_write: Callable[[], bool],
    ) -> None:
        self._batch = batch
        self._gear = gear
        self._ask = ask
        self._settle = settle
        self._book = Book(gear.shelf.path(batch.output_file).with_suffix(_SUFFIX))
        self._noting = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._entries: list[Entry] = []
        self._loads: dict[str, Load] = {}
        self._destinations = Destinations(gear, ENDPOINTS[batch.endpoint])
        self._portions = Portions(lines, done, self._destinations, self._settings_of)
        self._places: dict[int, _Place] = {}
        self._taken: Orders = {}
        self._is_given_up = False
        self._trouble: OSError | None = None
        self._ways = Ways(
            batch.endpoint,
            self._book,
            self._note,
            may_write,
            self._pause,
            gear.clock.monotonic_s,
            lambda text: gear.say("warning", "batch_handed", about=batch.id, detail=text),
        )

    @property
    def is_needed(self) -> bool:
        """Whether any provider takes lines, or has taken some."""
        providers = self._gear.settings().providers.values()
        return bool(self._entries) or any(each.batches is not None for each in providers)

    def owns(self, line: Line) -> bool:
        """Whether a line is handed over, or will be."""
        return self._portions.owns(line) or self._destinations.of(line) is not None

    def leaves(self, line: Line, why: HandoverFailed | None = None) -> bool:
        """Whether a line without an answer is left: to be asked here, or to no one any more.

        Args:
            line: which one.
            why: why there is none, where there is not even an error of the provider's.
        """
        if self._is_given_up:
            return True
        if why is not None and why.is_final:
            return False
        to = self._destinations.of(line)
        return to is None or self._settings_of(to.provider).fallback == "lines"

    async def open(self) -> None:
        """Find out what was handed over already.

        Raises:
            OSError: the book cannot be read.
        """
        self._entries = await asyncio.to_thread(self._book.entries)
        for entry in self._entries:
            self._portions.own(entry.numbers)

    async def run(self) -> bool:
        """Have every line that is handed over answered, or left to be asked one by one.

        Returns:
            Whether it did; else this process asks no more, or may not.

        Raises:
            OSError: a file cannot be used.
        """
        is_over = True
        try:
            async with asyncio.TaskGroup() as group:
                await self._resume(group)
                slots: dict[str, asyncio.Semaphore] = {}
                new: list[asyncio.Task[None]] = []
                for is_again in (False, True):
                    if new:
                        await asyncio.wait(new)
                    async for to, lines in self._portions.new(is_again=is_again):
                        most = self._settings_of(to.provider).at_once
                        slot = slots.setdefault(to.provider, asyncio.Semaphore(most))
                        await slot.acquire()
                        new.append(group.create_task(self._hand_new(to, lines, slot)))
        except* Stopping:
            is_over = False
        except* OSError as several:
            raise several.exceptions[0] from None
        return is_over

    def stop(self) -> None:
        """Wait for nothing any more: whoever goes on with the batch does."""
        self._stopping.set()

    async def give_up(self) -> None:
        """Have providers end what they work at; what was answered until then is kept.

        Raises:
            Stopping: this process asks no more.
            OSError: a file cannot be used.
        """
        self._is_given_up = True
        entries = await asyncio.to_thread(self._book.entries)
        missing = [entry for entry in entries if entry.token not in self._loads]
        for entry, lines in await self._portions.of(missing):
            await self._drop(entry.numbers)
            orders = await self._take_in(lines, Destination(entry.provider), again=True)
            self._loads[entry.token] = self._load(entry, orders, is_new=False)
        try:
            async with asyncio.TaskGroup() as group:
                for entry in entries:
                    group.create_task(self._give_up(self._loads[entry.token]))
        except* (Stopping, OSError) as several:
            raise several.exceptions[0] from None
        await asyncio.to_thread(self._book.remove)

    async def close(self) -> None:
        """Give up what waits here; who goes on with the batch waits for it again."""
        self._stopping.set()
        await self._drop(list(self._places))

    # What the pipeline asks.

    def let_go(self, order: HandedOrder) -> None:
        """A line is asked elsewhere, unless the batch is given up.

        Raises:
            HandoverFailed: it is.
        """
        if self._is_given_up:
            raise HandoverFailed("The batch was given up.")
        self._places[order.number].has_set_out = True

    def take(self, order: HandedOrder, flight: Flight) -> None:
        """Keep what is to be handed over."""
        number = order.number
        flight.call = _Held(self._taken, number)
        self._taken[number] = order, flight
        place = self._places[number]
        place.has_set_out = True
        place.reached.set()

    # The inside.

    async def _resume(self, group: asyncio.TaskGroup) -> None:
        """Go on with what a predecessor has handed over."""
        for entry, lines in await self._portions.of(self._entries):
            group.create_task(self._hand(Destination(entry.provider), lines, entry))

    async def _hand_new(
        self, to: Destination, lines: Sequence[Line], slot: asyncio.Semaphore
    ) -> None:
        try:
            await self._hand(to, lines)
        finally:
            slot.release()

    async def _hand(
        self, to: Destination, lines: Sequence[Line], entry: Entry | None = None
    ) -> None:
        orders = await self._take_in(lines, to, again=entry is not None)
        is_new = entry is None
        entry = entry or Entry(self._token(), to.provider, sorted(orders))
        load = None
        if orders or (lines and not is_new):
            load = self._loads[entry.token] = self._load(entry, orders, is_new=is_new)
            await (load.run() if orders else load.give_up())  # of what nobody waits for
        await self._answered([line.number for line in lines])
        if self._trouble is not None:
            raise self._trouble
        if self._stopping.is_set():  # lines may have been left without a result
            raise Stopping
        if load is not None:
            await load.conclude()
            del self._loads[entry.token]
        elif not is_new:
            await self._note(self._book.over, entry)

    async def _give_up(self, load: Load) -> None:
        await load.give_up()
        await self._answered(load.entry.numbers)
        if self._trouble is not None:
            raise self._trouble
        await load.conclude()

    async def _drop(self, numbers: Sequence[int]) -> None:
        """Have nobody wait for lines any more."""
        places = [place for number in numbers if (place := self._places.get(number))]
        tasks = [each.task for each in places if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for number in numbers:
            self._places.pop(number, None)
            self._taken.pop(number, None)

    async def _take_in(self, lines: Sequence[Line], to: Destination, *, again: bool) -> Orders:
        """Let lines go through the pipeline; gives those that somebody has to answer yet."""
        orders: Orders = {}
        for at in range(0, len(lines), _GROUP):
            group = lines[at : at + _GROUP]
            for line in group:
                place = self._places[line.number] = _Place()
                place.task = self._gear.spawn(self._one(line, place, to, looks_up=not again))
            for line in group:
                await self._places[line.number].reached.wait()
            for line in group:
                if (taken := self._taken.pop(line.number, None)) is not None:
                    orders[line.number] = taken
                    taken[1].call = _Held(orders, line.number)
        return orders

    async def _one(self, line: Line, place: _Place, to: Destination, *, looks_up: bool) -> None:
        try:
            outcome: Reply | HandoverFailed
            try:
                outcome = await self._outcome(line, place, to, looks_up=looks_up)
            except HandoverFailed as why:
                outcome = why
            await self._settle(line, outcome)
        except Stopping:  # who goes on with the batch asks again
            pass
        except OSError as error:
            self._trouble = error
        finally:
            place.reached.set()

    async def _outcome(
        self, line: Line, place: _Place, to: Destination, *, looks_up: bool
    ) -> Reply:
        """What comes of a line, which is asked again where the gateway itself refuses it for now:
        by what is set in place of a Batch API it would cost twice as much, and be refused too."""
        waits = 0
        while True:
            reply = await self._ask(line, self, to=to, looks_up=looks_up)
            is_refused = reply.is_ours and reply.is_too_much and not place.has_set_out
            if not is_refused or (self._is_given_up and waits >= GIVE_UP_POLLS):
                return reply
            waits += 1
            await self._pause(min(max(reply.retry_after_s, _REFUSED_S), _REFUSED_S_MAX))

    async def _answered(self, numbers: Sequence[int]) -> None:
        """Wait until what became of lines is written down."""
        places = [place for number in numbers if (place := self._places.get(number)) is not None]
        if tasks := [each.task for each in places if each.task is not None]:
            await asyncio.wait(tasks)  # who is cancelled here leaves them be
        for number in numbers:
            self._places.pop(number, None)

    def _load(self, entry: Entry, orders: Orders, *, is_new: bool) -> Load:
        client = ProviderBatches(partial(self._lane, entry.provider))
        settings = self._settings_of(entry.provider)
        return Load(entry, orders, client, settings, self._ways, is_new=is_new)

    def _lane(self, provider: str) -> Lane:
        lane = self._gear.asker.plan.lanes.get(provider)
        if lane is None:
            message = f"Provider '{provider}' is not in the settings any more."
            raise HandoverFailed(message, "provider_gone")
        return lane

    def _settings_of(self, provider: str) -> BatchApiSettings:
        settings = self._gear.settings().providers.get(provider)
        told = settings.batches if settings is not None else None
        return told or BatchApiSettings()

    async def _note(self, write: Callable[[Entry], None], entry: Entry) -> None:
        async with self._noting:
            await asyncio.to_thread(write, entry)

    async def _pause(self, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stopping.wait()
        if self._stopping.is_set():
            raise Stopping

    def _token(self) -> str:
        return f"{self._batch.id}-{secrets.token_hex(_TOKEN_BYTES)}"
