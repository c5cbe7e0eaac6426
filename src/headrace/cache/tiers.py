"""The tiers below memory as one: asked from the nearest down, written behind the answers' backs.

A tier may fail, hang or lie, and no request suffers for it: each question has a time limit and a
breaker, what is to be written waits in a bounded queue, and what comes back is checked before it
counts. Whatever a tier cannot say is a miss.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from headrace.cache.breaker import Breaker
from headrace.cache.codec import decode, decoded_bytes, encode
from headrace.cache.entry import key_scope
from headrace.cache.freshness import CLOCK_SKEW_S_MAX
from headrace.cache.parcel import Parcel
from headrace.cache.purges import PurgeLedger
from headrace.cache.record import Record
from headrace.cache.tier import Tier, TierFault
from headrace.clock import Clock
from headrace.limits import TIER_BATCH_ITEMS_MAX, TIER_QUEUE_BYTES_MAX, TIER_WRITE_TIMEOUT_S

# 0.4 ms.
_DECODED_AT_ONCE_BYTES_MAX: Final = 256 * 1024

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class TierMeter(Protocol):
    """Told how tiers do."""

    def asked(self, tier: str, outcome: str, seconds: float) -> None:
        """`outcome` is `hit`, `miss`, `fault` or `invalid`."""
        ...

    def written(self, tier: str, records: int, *, faulty: bool) -> None: ...
    def dropped(self, tier: str) -> None: ...


class Found(NamedTuple):
    """What a tier had.

    Attributes:
        tier: its name, `l2` or `l3`.
    """

    record: Record
    tier: str


OnState = Callable[[str, bool, str], None]
Check = Callable[[bytes, bytes], Awaitable[Record | None]]


class TierStack:
    """The tiers of one worker. Belongs to one event loop.

    Args:
        tiers: the nearest first.
        ledger: what has been purged.
        clock: the time.
        timeout_s: how long one tier may take over one question, in seconds.
        compress_above_bytes: records above it are compressed on their way down.
        spawn: starts the task that writes.
        meter: told what happens.
        on_state: told once when a tier is left alone, and once when it is back, and why.
    """

    def __init__(
        self,
        tiers: Sequence[Tier],
        *,
        ledger: PurgeLedger,
        clock: Clock,
        timeout_s: float,
        compress_above_bytes: int,
        spawn: Spawn,
        meter: TierMeter,
        on_state: OnState,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._timeout_s = timeout_s
        self._encode = partial(encode, compress_above_bytes=compress_above_bytes)
        self._meter = meter
        self._shelves = [
            Shelf(tier, clock=clock, spawn=spawn, meter=meter, on_state=on_state) for tier in tiers
        ]

    @property
    def states(self) -> dict[str, str]:
        """How each tier is: `up`, `read-only` while nothing is written, `down` while left alone."""
        return {shelf.tier.name: shelf.state for shelf in self._shelves}

    @property
    def waiting(self) -> dict[str, int]:
        """Records that wait to be written, by tier."""
        return {shelf.tier.name: shelf.waiting for shelf in self._shelves}

    async def check(self, name: str, ask: Callable[[], Awaitable[None]]) -> bool:
        """Whether a tier is of use, found out before anybody needs it.

        Args:
            name: the tier's.
            ask: raises `TierFault` where it is of none; then it is left alone at once.
        """
        (shelf,) = [shelf for shelf in self._shelves if shelf.tier.name == name]
        return await shelf.check(ask)

    async def find(self, key: bytes) -> Found | None:
        """The record of a key, from the nearest tier that has one that counts.

        What a lower tier has is put into those above it.
        """
        for number, shelf in enumerate(self._shelves):
            kept = await shelf.get(key, self._timeout_s, self._read)
            if kept is not None:
                record, value = kept
                for above in self._shelves[:number]:
                    above.put(Parcel(record, self._encode, value))
                return Found(record, shelf.tier.name)
        return None

    def put(self, record: Record) -> None:
        """Write a record to every tier, soon."""
        if not self._shelves:
            return
        parcel = Parcel(record, self._encode)
        for shelf in self._shelves:
            shelf.put(parcel)

    async def remove(self, keys: Sequence[bytes]) -> None:
        """Drop keys from every tier; a tier that fails is checked against the ledger anyway."""
        for shelf in self._shelves:
            await shelf.remove(keys, TIER_WRITE_TIMEOUT_S)

    async def flush(self) -> None:
        """Wait until everything that waits now was written, or could not be."""
        for shelf in self._shelves:
            await shelf.flush()

    async def close(self) -> None:
        """Write what waits, for a bounded time, and let go of the tiers."""
        try:
            async with asyncio.timeout(TIER_WRITE_TIMEOUT_S):
                await self.flush()
        except TimeoutError:
            pass  # what is lost is only a cache
        for shelf in self._shelves:
            await shelf.tier.close()

    def checked(self, key: bytes, value: bytes) -> Record | None:
        """The record that a tier holds of a key, where it counts."""
        return self._counting(key, decode(value))

    async def _read(self, key: bytes, value: bytes) -> Record | None:
        """As `checked`, without holding the loop up where there is much to read."""
        if decoded_bytes(value) > _DECODED_AT_ONCE_BYTES_MAX:
            return self._counting(key, await asyncio.to_thread(decode, value))
        return self.checked(key, value)

    def _counting(self, key: bytes, record: Record | None) -> Record | None:
        now_s = self._clock.wall_s()
        if record is None or record.key != key or record.expires_s <= now_s:
            return None
        # Of one from later than now, nobody knows how old it is: a clock went back.
        if record.stored_s > now_s + CLOCK_SKEW_S_MAX or not record.is_plausible:
            return None
        if not self._ledger.is_valid(record.seq, (*record.scopes, key_scope(key))):
            return None
        return record


class Shelf:
    """One tier with what keeps it from hurting anybody: time limit, breakers, bounded queue.

    Look-ups and changes have a breaker each: one that is full still gives what it has, and one
    that is too slow for look-ups takes no more time of theirs because it writes well enough.
    """

    def __init__(
        self, tier: Tier, *, clock: Clock, spawn: Spawn, meter: TierMeter, on_state: OnState
    ) -> None:
        self.tier = tier
        self._lookups = Breaker()
        self._changes = Breaker()
        self._clock = clock
        self._spawn = spawn
        self._meter = meter
        self._on_state = on_state
        self._queue: deque[Parcel] = deque()
        self._queue_bytes = 0
        # Parcels that ever came, those that left, and who wants to know of the next that do.
        self._came = 0
        self._left = 0
        self._leaving = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """`up`, `read-only` while nothing is written, `down` while it is left alone."""
        if self._lookups.is_open:
            return "down"
        return "read-only" if self._changes.is_open else "up"

    @property
    def waiting(self) -> int:
        """Records that wait to be written."""
        return len(self._queue)

    async def check(self, ask: Callable[[], Awaitable[None]]) -> bool:
        """Whether the tier is of use; where it is not, it is left alone at once."""
        try:
            await ask()
        except TierFault as fault:
            if self._lookups.open(self._clock.monotonic_s()):
                self._on_state(self.tier.name, False, fault.why)
            return False
        if self._lookups.succeeded():
            self._on_state(self.tier.name, True, "it answers again")
        return True

    async def get(self, key: bytes, timeout_s: float, check: Check) -> tuple[Record, bytes] | None:
        """What the tier holds of a key, or `None` where it says nothing in time that counts."""
        began_s = self._clock.monotonic_s()
        if not self._lookups.allows(began_s):
            return None
        kept = None
        try:
            async with asyncio.timeout(timeout_s):
                value = await self.tier.get(key)
        except (TierFault, TimeoutError) as fault:
            if self._lookups.failed(self._clock.monotonic_s()):
                self._on_state(self.tier.name, False, _reason(fault, timeout_s))
            outcome = "fault"
        else:
            if self._lookups.succeeded():
                self._on_state(self.tier.name, True, "it answers again")
            outcome = "miss"
            if value is not None:
                record = await check(key, value)
                kept = None if record is None else (record, value)
                outcome = "invalid" if kept is None else "hit"
        self._meter.asked(self.tier.name, outcome, self._clock.monotonic_s() - began_s)
        return kept

    def put(self, parcel: Parcel) -> None:
        """Write a record soon; where too much waits already, the oldest goes."""
        self._queue.append(parcel)
        self._queue_bytes += parcel.weight
        self._came += 1
        while self._queue_bytes > TIER_QUEUE_BYTES_MAX and len(self._queue) > 1:
            self._queue_bytes -= self._queue.popleft().weight
            self._left += 1
            self._meter.dropped(self.tier.name)
        if self._writing is None:
            self._writing = self._spawn(self._write())

    async def remove(self, keys: Sequence[bytes], timeout_s: float) -> None:
        """Drop keys, those that wait to be written too."""
        gone = set(keys)
        kept = [parcel for parcel in self._queue if parcel.key not in gone]
        self._left += len(self._queue) - len(kept)
        self._queue = deque(kept)
        self._queue_bytes = sum(parcel.weight for parcel in kept)
        await self._change(lambda: self.tier.remove(keys), timeout_s)

    async def flush(self) -> None:
        """Wait until what waits now does not any more, whatever comes meanwhile."""
        upto = self._came
        while self._writing is not None and self._left < upto:
            await self._leaving.wait()

    async def _write(self) -> None:
        try:
            while self._queue:
                await self._write_batch()
        finally:
            self._writing = None
            self._tell_of_leaving()

    async def _write_batch(self) -> None:
        size = min(len(self._queue), TIER_BATCH_ITEMS_MAX)
        batch = [self._queue.popleft() for _ in range(size)]
        self._queue_bytes -= sum(parcel.weight for parcel in batch)
        is_written = False
        try:
            if not self._lookups.is_open:  # else it would be encoded for nothing
                items = [await parcel.item() for parcel in batch]
                is_written = await self._change(lambda: self.tier.put(items), TIER_WRITE_TIMEOUT_S)
        finally:
            self._meter.written(self.tier.name, len(batch), faulty=not is_written)
            self._left += size
            self._tell_of_leaving()

    def _tell_of_leaving(self) -> None:
        told, self._leaving = self._leaving, asyncio.Event()
        told.set()

    async def _change(self, change: Callable[[], Awaitable[None]], timeout_s: float) -> bool:
        """Change what the tier holds; says whether that is certain."""
        if self._lookups.is_open or not self._changes.allows(self._clock.monotonic_s()):
            return False
        try:
            async with asyncio.timeout(timeout_s):
                await change()
        except (TierFault, TimeoutError) as fault:
            if self._changes.failed(self._clock.monotonic_s()):
                self._on_state(f"{self.tier.name} writes", False, _reason(fault, timeout_s))
            return False
        if self._changes.succeeded():
            self._on_state(f"{self.tier.name} writes", True, "it takes answers again")
        return True


def _reason(fault: TierFault | TimeoutError, timeout_s: float) -> str:
    return fault.why if isinstance(fault, TierFault) else f"no answer in {timeout_s:g} s"
