"""The keys of one provider, and which of them the next call goes by.

`Keys` are a provider's; an `Allowance` is what one of its models may use of them. Calls that have
their turn (`gates.py`) but find no key with room are called up: the first of them goes as soon as
its tokens are there, and until then nobody else has a turn, so that large calls do not starve. A
call of a higher class goes ahead of one that was called up.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from headrace.clock import Clock
from headrace.errors import Overloaded
from headrace.flow.batch.alarm import Alarm
from headrace.flow.limiter import Limiter, Permit
from headrace.flow.quota.key import KeyQuota, Left, Need, QuotaLimits, Reservation
from headrace.flow.quota.pick import pick
from headrace.flow.quota.told import Kind
from headrace.gateway.quota_needs import Habit
from headrace.settings.values import Secret

# An alarm that finds nothing to do is not set to now again: floats round.
_WAIT_S_MIN: Final = 0.001


class KeyMeter(Protocol):
    """Told what happens to keys."""

    def refused(self, key: int) -> None: ...
    def keys_used(self, shares: Mapping[tuple[int, str], float]) -> None: ...


class Key:
    """One key of a provider.

    Args:
        number: which, from 1.
        name: what pages call it; never the key itself.
        secret: the key, to know it again after a reload.
        limits: what it may use.
        per_model: whether each model has a quota of its own.

    Attributes:
        number: see above.
        name: see above.
        secret: see above.
        per_model: see above.
        refused: answers with status 429.
        by_model: what is counted; under no name where all models count together.
    """

    def __init__(
        self,
        number: int,
        name: str,
        secret: Secret | None,
        limits: QuotaLimits,
        *,
        per_model: bool,
    ) -> None:
        self.number = number
        self.name = name
        self.refused = 0
        self.secret = secret
        self._limits = limits
        self.per_model = per_model
        self.by_model: dict[str, KeyQuota] = {}

    def quota(self, model: str, now_s: float) -> KeyQuota:
        """What the calls of a model count against."""
        name = model if self.per_model else ""
        quota = self.by_model.get(name)
        if quota is None:
            quota = self.by_model[name] = KeyQuota(str(self.number), self._limits, now_s)
        return quota

    def inherit(self, before: "Key", now_s: float) -> bool:
        """Go on from where the same key stood before a reload; says whether it is the same."""
        if before.secret != self.secret or before.per_model is not self.per_model:
            return False
        self.refused = before.refused
        self.by_model = before.by_model
        for quota in self.by_model.values():
            quota.adopt(self._limits, now_s)
        return True


class Keys:
    """The keys of one provider. Belongs to one event loop.

    Args:
        provider: its name, for errors.
        keys: at least one.
        clock: the time.
        meter: told what happens.

    Attributes:
        provider: see above.
        keys: see above.
        meter: see above.
        wall_s: gives seconds since the epoch.
        now_s: gives monotonic seconds.
    """

    def __init__(self, provider: str, keys: Sequence[Key], clock: Clock, meter: KeyMeter) -> None:
        self.provider = provider
        self.meter = meter
        self.now_s = clock.monotonic_s
        self.wall_s = clock.wall_s
        self.keys = keys

    def __len__(self) -> int:
        return len(self.keys)

    def allowance(self, model: str) -> "Allowance":
        """What the calls of a model may use."""
        now_s = self.now_s()
        return Allowance(self, [(key, key.quota(model, now_s)) for key in self.keys])

    def inherit(self, before: "Keys") -> None:
        """Go on from where the same keys stood before a reload."""
        now_s = self.now_s()
        for key in self.keys:
            any(key.inherit(each, now_s) for each in before.keys)

    def refresh_gauges(self) -> None:
        """Say what share of each key is in use, by the fullest of its models."""
        shares: dict[tuple[int, str], float] = {}
        for key, _, left in self._each():
            place = (key.number, left.kind.name.lower())
            shares[place] = max(shares.get(place, 0.0), 1 - left.left / left.per_minute)
        self.meter.keys_used(shares)

    def told(self) -> list[dict[str, Any]]:
        """Each key with what is left of it, for the console."""
        now_s = self.now_s()
        models: dict[int, dict[str, Any]] = {key.number: {} for key in self.keys}
        for key, model, left in self._each():
            place = models[key.number].setdefault(model, {})
            place[left.kind.name.lower()] = {
                "per_minute": left.per_minute,
                "left": round(left.left, 3),
            }
        return [
            {
                "number": key.number,
                "name": key.name,
                "refused": key.refused,
                "inflight": sum(quota.pending for quota in key.by_model.values()),
                "closed_s": max((q.closed_s(now_s) for q in key.by_model.values()), default=0.0),
                "left": models[key.number],
            }
            for key in self.keys
        ]

    def _each(self) -> Iterable[tuple[Key, str, Left]]:
        now_s = self.now_s()
        for key in self.keys:
            for model, quota in key.by_model.items():
                for left in quota.left(now_s):
                    yield key, model, left


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


class Allowance:
    """What the calls of one model may use of a provider's keys. Implements `Capacity`.

    Args:
        keys: of the provider.
        quotas: each key with what the model's calls count against.

    Attributes:
        keys: see above.
        habit: what the model's calls use.
    """

    def __init__(self, keys: Keys, quotas: Sequence[tuple[Key, KeyQuota]]) -> None:
        self.keys = keys
        self.habit = Habit()
        self._numbered = quotas
        self._quotas = [quota for _, quota in quotas]
        self._called: list[Called] = []
        self._alarm = Alarm(self._advance)
        self._limiter: Limiter
        self._on_free: Callable[[], None]

    def bind(self, limiter: Limiter, on_free: Callable[[], None]) -> None:
        """Say what else a turn takes, and who hears that one may be had."""
        self._limiter = limiter
        self._on_free = on_free

    @property
    def waiting(self) -> int:
        """Calls that have their turn, and wait for a key with room."""
        return len(self._called)

    @property
    def room(self) -> float:
        """What share of the best key would be left after a usual call; below 0 for no room."""
        if self._called:
            return -1.0
        now_s, mean = self.keys.now_s(), self.habit.mean
        return max(quota.room(mean, now_s) for quota in self._quotas)

    @property
    def closed_s(self) -> float:
        """Seconds until there is room for a usual call; 0 if there is now."""
        need = self._called[0].need if self._called else self.habit.mean
        return self._wait_s(need, self.keys.now_s())

    def holds(self, least: Need) -> bool:
        """Whether a call is one that any key can ever take."""
        return any(quota.holds(least) for quota in self._quotas)

    def try_acquire(self) -> Permit | None:
        """A permit, as long as nobody is called up."""
        return None if self._called else self._limiter.try_acquire()

    def ahead(self, priority: int) -> Permit | None:
        """A permit for a call that goes ahead of those called up, if it is of a higher class."""
        if self._called and priority < self._called[-1].priority:
            return self._limiter.try_acquire()
        return None

    def call_up(self, call: Called) -> None:
        """Let a call go by the key with most room, now or as soon as there is one.

        Args:
            call: has its turn; told now, or later, how it goes on.
        """
        now_s = self.keys.now_s()
        if (not self._called or call.priority < self._called[0].priority) and self._lets_go(
            call, now_s
        ):
            return
        place = next(
            (at for at, each in enumerate(self._called) if call.priority < each.priority),
            len(self._called),
        )
        wait_s = max(self._wait_s(call.need, now_s), self._refill_s(call.need, 0, now_s))
        if now_s + wait_s > call.due_s:
            call.gives_up(wait_s)
            return
        self._called.insert(place, call)
        if place == 0:
            self._alarm.set(now_s + max(self._wait_s(call.need, now_s), _WAIT_S_MIN), now_s)

    def leave(self, call: Called) -> None:
        """A call that was called up waits no more."""
        if call in self._called:
            self._called.remove(call)
            self.freed()

    def freed(self) -> None:
        """Something came back: look again, when this turn of the loop is over."""
        if self._called:
            now_s = self.keys.now_s()
            self._alarm.set(now_s, now_s)

    def sweep(self) -> None:
        """Look again at what time alone changes."""
        if self._called:
            self._advance()

    def close(self) -> None:
        """Refuse those who were called up."""
        self._alarm.cancel()
        called, self._called = self._called, []
        for call in called:
            call.closes()

    def turns_s(self, turns: float) -> float:
        """Seconds that so many more turns of usual calls take at least."""
        now_s, mean = self.keys.now_s(), self.habit.mean
        first = self._called[0].need if self._called else mean
        return max(self._wait_s(first, now_s), self._refill_s(mean, turns - 1, now_s))

    def refused(self, number: int) -> None:
        """A key was told that it has used too much."""
        self._numbered[number][0].refused += 1
        self.keys.meter.refused(self._numbered[number][0].number)

    def others_have_room(self, number: int, need: Need) -> bool:
        """Whether a call may go by another key at once."""
        now_s = self.keys.now_s()
        return any(
            quota.room(need, now_s) >= 0 for at, quota in enumerate(self._quotas) if at != number
        )

    @contextmanager
    def errand(self, body: bytes, *, has_output: bool) -> Iterator[int]:
        """A key, from 0, for a call that waits for nobody; counted as it is guessed.

        Args:
            body: its JSON.
            has_output: whether tokens are produced.

        Raises:
            Overloaded: no key has room.
        """
        need = self.habit.guess(body, 1, has_output=has_output).need
        now_s = self.keys.now_s()
        if not self._called and (found := self._reserve(need, now_s)) is not None:
            key, _, reservation = found
            try:
                yield key
            finally:
                reservation.settle(need.input_tokens, need.output_tokens)
            return
        wait_s = max(self.closed_s, self._wait_s(need, now_s))
        raise Overloaded(
            f"The quota of provider '{self.keys.provider}' is used up for {wait_s:.1f} s.",
            code="quota_exhausted",
            retry_after_s=wait_s,
        )

    # The inside.

    def _advance(self) -> None:
        now_s = self.keys.now_s()
        while self._called:
            head = self._called[0]
            found = self._reserve(head.need, now_s)
            if found is not None:
                del self._called[0]
                head.takes(*found)
                continue
            wait_s = self._wait_s(head.need, now_s)
            if now_s + wait_s <= head.due_s:
                self._alarm.set(now_s + max(wait_s, _WAIT_S_MIN), now_s)
                return
            del self._called[0]
            head.gives_up(wait_s)
        self._on_free()

    def _lets_go(self, call: Called, now_s: float) -> bool:
        found = self._reserve(call.need, now_s)
        if found is None:
            return False
        call.takes(*found)
        return True

    def _reserve(self, need: Need, now_s: float) -> tuple[int, KeyQuota, Reservation] | None:
        key = pick(self._quotas, need, now_s).key
        reservation = key.reserve(need, now_s) if key is not None else None
        if key is None or reservation is None:
            return None
        return self._quotas.index(key), key, reservation

    def _wait_s(self, need: Need, now_s: float) -> float:
        return min(quota.wait_s(need, now_s) for quota in self._quotas)

    def _refill_s(self, need: Need, others: float, now_s: float) -> float:
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
                amount = need[kind] + others * self.habit.mean[kind]
                amount += sum(each.need[kind] for each in self._called)
                wait_s = max(wait_s, (amount - left[kind]) / per_s[kind])
        return wait_s
