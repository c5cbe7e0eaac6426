"""A trace in columns: read once, replayed often."""

from array import array
from collections.abc import Callable, Iterable

import msgspec

from headrace.cache.simulation.event import Event, TraceInvalid
from headrace.limits import ENTRY_OVERHEAD_BYTES

EVENTS_MAX = 5_000_000
TELL_EVERY = 20_000

_KEY_BITS = 60
_KEY_MASK = 2**_KEY_BITS - 1


class Trace(msgspec.Struct, frozen=True):
    """Requests in the order they came.

    Attributes:
        name: what they are.
        keys: a number for each tenant's key, spread over 60 bits: policies may sample by them.
        sizes: bytes that the answers take in a cache, `overhead_bytes` of each included.
        costs_usd: what the calls cost.
        latencies_s: how long they take.
        overhead_bytes: what an entry costs beyond its answer.
        keys_count: how many keys there are.
        footprint_bytes: what a cache would take that holds all of them.
        is_cut: whether there were more requests than were wanted.
    """

    name: str
    keys: "array[int]"
    sizes: "array[int]"
    costs_usd: "array[float]"
    latencies_s: "array[float]"
    overhead_bytes: int
    keys_count: int
    footprint_bytes: int
    is_cut: bool

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def spend_usd(self) -> float:
        """What all calls cost without a cache."""
        return sum(self.costs_usd)

    @property
    def is_uniform(self) -> bool:
        """Whether all answers are of one size."""
        return min(self.sizes) == max(self.sizes)


def collect(
    events: Iterable[Event],
    name: str,
    *,
    overhead_bytes: int = ENTRY_OVERHEAD_BYTES,
    events_max: int = EVENTS_MAX,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Trace:
    """Put `events` into columns: about 35 bytes each, and 300 for each key meanwhile.

    Args:
        events: taken one by one.
        name: what they are, for messages.
        overhead_bytes: what an entry costs beyond its answer.
        events_max: what comes after so many is left out.
        on_progress: told now and then how many there are.

    Raises:
        TraceInvalid: there are none.
    """
    keys, sizes = array("q"), array("q")
    costs_usd, latencies_s = array("d"), array("d")
    numbers: dict[tuple[str, str], int] = {}
    size_by_number: dict[int, int] = {}
    is_cut = False
    for count, event in enumerate(events):
        if count == events_max:
            is_cut = True
            break
        if count % TELL_EVERY == 0:
            on_progress(count)
        owned = (event.tenant, event.key)
        number = numbers.get(owned)
        if number is None:
            number = numbers[owned] = _spread(len(numbers))
        size = event.size + overhead_bytes
        size_by_number[number] = size
        keys.append(number)
        sizes.append(size)
        costs_usd.append(event.cost_usd)
        latencies_s.append(event.latency_s)
    if not keys:
        raise TraceInvalid(f"{name}: holds no events")
    return Trace(
        name=name,
        keys=keys,
        sizes=sizes,
        costs_usd=costs_usd,
        latencies_s=latencies_s,
        overhead_bytes=overhead_bytes,
        keys_count=len(numbers),
        footprint_bytes=sum(size_by_number.values()),
        is_cut=is_cut,
    )


def _spread(number: int) -> int:
    """One of 2**60 numbers for each: every step can be undone, so no two become the same."""
    for factor in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9):
        number = (number + 1) * factor & _KEY_MASK
        number ^= number >> _KEY_BITS // 2
    return number
