"""Who spends the time: self time of parts that call each other, and what looking at it costs."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

Result = TypeVar("Result")
OUTSIDE = ""
CALIBRATION_CALLS = 20_000


class Overhead(msgspec.Struct, frozen=True):
    """Nanoseconds that timing one call adds to the part itself and to whoever calls it."""

    inside_ns: float
    caller_ns: float


class Passage(msgspec.Struct, frozen=True):
    """How often `caller` called `part`; both are names of parts, `OUTSIDE` is none of them."""

    caller: str
    part: str
    calls: int


class Entries(msgspec.Struct, frozen=True):
    """What a ledger holds at one moment."""

    times_ns: dict[str, int]
    passages: list[Passage]


class Ledger:
    """Accounts time to the innermost part under way. For one thread.

    Args:
        parts: names of all parts there will be.
        now_ns: the clock.
    """

    def __init__(self, parts: Sequence[str], now_ns: Callable[[], int]) -> None:
        self._names = (OUTSIDE, *parts)
        self._now_ns = now_ns
        self._times_ns = [0] * len(self._names)
        # By part and caller; numbers for names, since all this runs inside of what is timed.
        self._calls = [[0] * len(self._names) for _ in self._names]
        self._now = [0, now_ns()]  # the part under way, and since when

    def timed(self, part: str, work: Callable[..., Result]) -> Callable[..., Result]:
        """The same function of positional arguments, its time accounted to `part`."""
        now_ns, times_ns, now = self._now_ns, self._times_ns, self._now
        own = self._names.index(part)
        calls = self._calls[own]

        def inside(*args: Any) -> Result:
            caller, since_ns = now
            began_ns = now[1] = now_ns()
            now[0] = own
            times_ns[caller] += began_ns - since_ns
            calls[caller] += 1
            try:
                return work(*args)
            finally:
                ended_ns = now_ns()
                times_ns[own] += ended_ns - now[1]
                now[0] = caller
                now[1] = ended_ns

        return inside

    def enter(self, part: str) -> int:
        """Begin a part that is no call; what is returned is handed to `leave`."""
        caller = self._now[0]
        own = self._names.index(part)
        self._calls[own][caller] += 1
        self.leave(own)
        return caller

    def leave(self, to: int) -> None:
        """Go back to the part that was under way before."""
        since_ns, ended_ns = self._now[1], self._now_ns()
        self._times_ns[self._now[0]] += ended_ns - since_ns
        self._now[:] = (to, ended_ns)

    def entries(self) -> Entries:
        """All that was accounted so far."""
        passages = [
            Passage(self._names[caller], self._names[part], calls)
            for part, row in enumerate(self._calls)
            for caller, calls in enumerate(row)
            if calls
        ]
        return Entries(dict(zip(self._names, self._times_ns, strict=True)), passages)


def between(before: Entries, after: Entries) -> Entries:
    """What was accounted between two readings of one ledger."""
    earlier = {(each.caller, each.part): each.calls for each in before.passages}
    return Entries(
        {part: ns - before.times_ns.get(part, 0) for part, ns in after.times_ns.items()},
        [
            Passage(each.caller, each.part, each.calls - earlier.get((each.caller, each.part), 0))
            for each in after.passages
        ],
    )


def without_overhead(entries: Entries, overhead: Overhead) -> dict[str, float]:
    """Nanoseconds per part, less what the timing itself cost."""
    times_ns = {part: float(ns) for part, ns in entries.times_ns.items()}
    for each in entries.passages:
        if each.part in times_ns:
            times_ns[each.part] -= each.calls * overhead.inside_ns
        if each.caller in times_ns:
            times_ns[each.caller] -= each.calls * overhead.caller_ns
    return times_ns


def overhead_ns(now_ns: Callable[[], int], calls: int = CALIBRATION_CALLS) -> Overhead:
    """Measure what timing one call costs, in a tight loop: a lower bound for colder code."""

    def nothing() -> None:
        return None

    def often(work: Callable[[], None]) -> None:
        for _ in range(calls):
            work()

    ledger = Ledger(("bare", "caller", "inside"), now_ns)
    ledger.timed("bare", often)(nothing)
    ledger.timed("caller", often)(ledger.timed("inside", nothing))
    times_ns = ledger.entries().times_ns
    inside_ns, caller_ns = times_ns["inside"] / calls, times_ns["caller"] / calls
    # What the calls cost without being timed is no overhead; it is part of either.
    bare_ns = times_ns["bare"] / calls
    return Overhead(max(0.0, inside_ns - bare_ns / 2), max(0.0, caller_ns - bare_ns / 2))
