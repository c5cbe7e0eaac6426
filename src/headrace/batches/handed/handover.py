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

import msgspec

from headrace.batches.answers import Reply
from headrace.batches.gear import Gear
from headrace.batches.handed.book import Book, Entry
from headrace.batches.handed.load import Load, Orders, Ways
from headrace.batches.handed.portions import Portions
from headrace.batches.handed.provider import ProviderBatches
from headrace.batches.lines import ENDPOINTS, Line
from headrace.batches.nouns import Batch
from headrace.batches.unanswered import HandoverFailed, Stopping
from headrace.errors import HeadraceError
from headrace.gateway.flight import Flight
from headrace.gateway.handing import HandedOrder
from headrace.gateway.plan import Lane
from headrace.settings.batches import BatchApiSettings

_SUFFIX: Final = ".handed"
_TOKEN_BYTES: Final = 8
_GROUP: Final = 32  # lines that go through the pipeline in one turn of the loop


class _Model(msgspec.Struct):
    model: str


_read_model: Final = msgspec.json.Decoder(_Model).decode


class Settle(Protocol):
    """Puts down what became of a line."""

    async def __call__(self, line: Line, outcome: "Reply | HandoverFailed") -> None: ...


Ask = Callable[..., Awaitable[Reply]]


class _Place:
    """Where a line is: on its way through the pipeline, taken, or done with."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
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
        self._portions = Portions(lines, done, self._provider_of, self._settings_of)
        self._takes: dict[tuple[str, str], bool] = {}
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
        return self._portions.owns(line) or bool(self._provider_of(line))

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
        return self._settings_of(self._provider_of(line)).fallback == "lines"

    async def open(self) -> None:
        """Find out what was handed over already.

        Raises:
            OSError: the book cannot be read.
        """
        self._entries = await asyncio.to_thread(self._book.entries)
        for entry in self._entries:
            self._portions.own(entry.numbers)

    async def run(self) -> None:
        """Have every line that is handed over answered, or left to be asked one by one.

        Raises:
            OSError: a file cannot be used.
        """
        try:
            async with asyncio.TaskGroup() as group:
                await self._resume(group)
                slots: dict[str, asyncio.Semaphore] = {}
                new: list[asyncio.Task[None]] = []
                for is_again in (False, True):
                    if new:
                        await asyncio.wait(new)
                    async for provider, lines in self._portions.new(is_again=is_again):
                        most = self._settings_of(provider).at_once
                        slot = slots.setdefault(provider, asyncio.Semaphore(most))
                        await slot.acquire()
                        new.append(group.create_task(self._hand_new(provider, lines, slot)))
        except* Stopping:
            pass
        except* OSError as several:
            raise several.exceptions[0] from None

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
            orders = await self._take_in(lines, again=True)
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

    def takes(self, lane: Lane, model: str) -> bool:
        """Whether calls of a model go by its provider's Batch API: it is set, and known not to be
        dearer. What was said once holds for this run."""
        name = lane.endpoint.name
        takes = self._takes.get((name, model))
        if takes is None:
            asker, settings = self._gear.asker, self._gear.settings().providers.get(name)
            price = asker.plan.price(lane, model)
            is_set = settings is not None and settings.batches is not None
            takes = is_set and (price is None or price.batch is not None)
            self._takes[name, model] = takes
        return takes

    def take(self, order: HandedOrder, flight: Flight) -> None:
        """Keep what is to be handed over."""
        number = order.number
        flight.call = _Held(self._taken, number)
        self._taken[number] = order, flight
        self._places[number].reached.set()

    # The inside.

    async def _resume(self, group: asyncio.TaskGroup) -> None:
        """Go on with what a predecessor has handed over."""
        for entry, lines in await self._portions.of(self._entries):
            group.create_task(self._hand(entry.provider, lines, entry))

    async def _hand_new(
        self, provider: str, lines: Sequence[Line], slot: asyncio.Semaphore
    ) -> None:
        try:
            await self._hand(provider, lines)
        finally:
            slot.release()

    async def _hand(self, provider: str, lines: Sequence[Line], entry: Entry | None = None) -> None:
        orders = await self._take_in(lines, again=entry is not None)
        is_new = entry is None
        numbers = sorted(orders)
        entry = entry or Entry(self._token(), provider, numbers)
        load = None
        if orders:
            load = self._loads[entry.token] = self._load(entry, orders, is_new=is_new)
            await load.run()
        await self._answered([line.number for line in lines])
        if self._trouble is not None:
            raise self._trouble
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
        places = [place for number in numbers if (place := self._places.pop(number, None))]
        tasks = [each.task for each in places if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_in(self, lines: Sequence[Line], *, again: bool) -> Orders:
        """Let lines go through the pipeline; gives those that somebody has to answer yet."""
        orders: Orders = {}
        for at in range(0, len(lines), _GROUP):
            group = lines[at : at + _GROUP]
            for line in group:
                place = self._places[line.number] = _Place()
                place.task = self._gear.spawn(self._one(line, place, looks_up=not again))
            for line in group:
                await self._places[line.number].reached.wait()
            for line in group:
                if (taken := self._taken.pop(line.number, None)) is not None:
                    orders[line.number] = taken
                    taken[1].call = _Held(orders, line.number)
        return orders

    async def _one(self, line: Line, place: _Place, *, looks_up: bool) -> None:
        try:
            outcome: Reply | HandoverFailed
            try:
                outcome = await self._ask(line, self, looks_up=looks_up)
            except HandoverFailed as why:
                outcome = why
            await self._settle(line, outcome)
        except OSError as error:
            self._trouble = error
        finally:
            place.reached.set()

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

    def _provider_of(self, line: Line) -> str:
        """Who takes a line, as far as its model tells; empty for nobody."""
        asker = self._gear.asker
        try:
            model = _read_model(line.body).model
            target = asker.target(ENDPOINTS[self._batch.endpoint], model)
        except (HeadraceError, msgspec.DecodeError, UnicodeDecodeError):
            return ""
        lane = asker.plan.lanes[target.provider]
        return target.provider if self.takes(lane, target.model) else ""

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
