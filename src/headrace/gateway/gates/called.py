"""Calls that have their turn and wait for a key with room: a line for each set of quotas.

Models that count against the same quotas (`quota.per_model: false`) share a line, so that a large
call of one does not starve behind small ones of another.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from headrace.flow.batch.alarm import Alarm
from headrace.flow.quota.key import KeyQuota, Need, Reservation
from headrace.flow.quota.pick import pick
from headrace.flow.quota.told import Kind

# An alarm that finds nothing to do is not set to now again: floats round.
_WAIT_S_MIN: Final = 0.001


class Called(Protocol):
    """A call that has its turn, and waits for a key with room."""

    @property
    def need(self) -> Need: ...
    @property
    def priority(self) -> int: ...
    @property
    def due_s(self) -> float: ...
    def takes(self, key: int, quota: KeyQuota, reservation: Reservation) -> None: ...
    def gives_up(self, wait_s: float) -> None: ...
    def closes(self) -> None: ...


class Line:
    """Who is called up, in order. Belongs to one event loop.

    Args:
        quotas: of each key, what is counted.
        now_s: gives monotonic seconds.

    Attributes:
        calls: who waits, the first in line first.
    """

    def __init__(self, quotas: Sequence[KeyQuota], now_s: Callable[[], float]) -> None:
        self.calls: list[Called] = []
        self._quotas = quotas
        self._now_s = now_s
        self._alarm = Alarm(self.advance)
        self._on_free: dict[str, Callable[[], None]] = {}

    def listen(self, model: str, on_free: Callable[[], None]) -> None:
        """Say who of a model hears that there may be a turn again."""
        self._on_free[model] = on_free

    def call_up(self, call: Called, mean: Need) -> bool:
        """Let a call go by the key with most room, now or as soon as there is one.

        Args:
            call: has its turn; told now, or later, how it goes on.
            mean: what calls of its model use.

        Returns:
            whether it waits.
        """
        now_s, calls = self._now_s(), self.calls
        if not calls or call.priority < calls[0].priority:
            found = self.reserve(call.need, now_s)
            if found is not None:
                call.takes(*found)
                return False
        place = next(
            (at for at, each in enumerate(calls) if call.priority < each.priority), len(calls)
        )
        soonest_s = self.wait_s(call.need, now_s)
        wait_s = max(soonest_s, self.refill_s(call.need, mean, 0, now_s))
        if now_s + wait_s > call.due_s:
            call.gives_up(wait_s)
            return False
        calls.insert(place, call)
        if place == 0:
            self._alarm.set(now_s + max(soonest_s, _WAIT_S_MIN), now_s)
        return True

    def leave(self, calls: Sequence[Called]) -> None:
        """Calls that were called up wait no more."""
        gone = [call for call in calls if call in self.calls]
        for call in gone:
            self.calls.remove(call)
        if gone:
            self._look_soon()

    def freed(self) -> None:
        """Something came back: look again, when this turn of the loop is over."""
        if self.calls:
            self._look_soon()

    def advance(self) -> None:
        """Let go who may, from the first in line on."""
        now_s = self._now_s()
        while self.calls:
            head = self.calls[0]
            found = self.reserve(head.need, now_s)
            if found is not None:
                del self.calls[0]
                head.takes(*found)
                continue
            wait_s = self.wait_s(head.need, now_s)
            if now_s + wait_s <= head.due_s:
                self._alarm.set(now_s + max(wait_s, _WAIT_S_MIN), now_s)
                return
            del self.calls[0]
            head.gives_up(wait_s)
        for on_free in list(self._on_free.values()):
            on_free()

    def reserve(
        self, need: Need, now_s: float, besides: int | None = None
    ) -> tuple[int, KeyQuota, Reservation] | None:
        """Take what a call needs of the key with most room; None where no key has room.

        Args:
            need: what it will probably use.
            now_s: monotonic seconds.
            besides: number of a key that is not wanted, from 0.
        """
        wanted = [each for at, each in enumerate(self._quotas) if at != besides]
        key = pick(wanted, need, now_s).key if wanted else None
        reservation = key.reserve(need, now_s) if key is not None else None
        if key is None or reservation is None:
            return None
        return self._quotas.index(key), key, reservation

    def wait_s(self, need: Need, now_s: float) -> float:
        """Until a key has room, if nobody else takes it."""
        return min(quota.wait_s(need, now_s) for quota in self._quotas)

    def refill_s(self, need: Need, mean: Need, others: float, now_s: float) -> float:
        """Until there is room for so many usual calls, those called up, and one of `need`."""
        per_s, left, keys = [0.0] * len(Kind), [0.0] * len(Kind), [0] * len(Kind)
        for quota in self._quotas:
            for each in quota.left(now_s):
                per_s[each.kind] += each.per_minute / 60
                left[each.kind] += each.left
                keys[each.kind] += 1
        wait_s = 0.0
        for kind in Kind:
            if keys[kind] == len(self._quotas):  # else there is one without this limit
                # The last one goes as soon as a bucket is full.
                amount = min(need[kind], max(quota.capacity(kind) for quota in self._quotas))
                amount += others * mean[kind] + sum(each.need[kind] for each in self.calls)
                wait_s = max(wait_s, (amount - left[kind]) / per_s[kind])
        return wait_s

    def _look_soon(self) -> None:
        now_s = self._now_s()
        self._alarm.set(now_s, now_s)
