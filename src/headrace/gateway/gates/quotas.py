"""The keys of one provider, and which of them the next call goes by.

`Keys` are a provider's; an `Allowance` is what one of its models may use of them. Calls that have
their turn (`gates.py`) but find no key with room are called up: the first of them goes as soon as
its tokens are there, and until then nobody else has a turn, so that large calls do not starve
(`called.py`). A call of a higher class goes ahead of one that was called up.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from headrace.clock import Clock
from headrace.errors import Overloaded
from headrace.flow.limiter import Limiter, Permit
from headrace.flow.quota.key import KeyQuota, Left, Need, QuotaLimits, Reservation
from headrace.gateway.gates.called import Called, Line
from headrace.gateway.gates.quota_needs import Habit
from headrace.settings.values import Secret


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
        self._lines: dict[tuple[KeyQuota, ...], Line] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def allowance(self, model: str) -> "Allowance":
        """What the calls of a model may use."""
        now_s = self.now_s()
        quotas = tuple(key.quota(model, now_s) for key in self.keys)
        line = self._lines.get(quotas)
        if line is None:
            line = self._lines[quotas] = Line(quotas, self.now_s)
        return Allowance(self, model, quotas, line)

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


class Allowance:
    """What the calls of one model may use of a provider's keys. Implements `Capacity`.

    Args:
        keys: of the provider.
        model: whose calls.
        quotas: of each key, what the model's calls count against.
        line: of all who wait for these quotas.

    Attributes:
        keys: see above.
        habit: what the model's calls use.
    """

    def __init__(self, keys: Keys, model: str, quotas: Sequence[KeyQuota], line: Line) -> None:
        self.keys = keys
        self.habit = Habit()
        self._model = model
        self._quotas = quotas
        self._line = line
        self._limiter: Limiter
        self._own: list[Called] = []  # of this model; some may be gone

    def bind(self, limiter: Limiter, on_free: Callable[[], None]) -> None:
        """Say what else a turn takes, and who hears that one may be had."""
        self._limiter = limiter
        self._line.listen(self._model, on_free)

    @property
    def waiting(self) -> int:
        """Calls that have their turn, and wait for a key with room."""
        return len(self._waiting())

    @property
    def room(self) -> float:
        """What share of the best key would be left after a usual call; below 0 for no room."""
        if self._line.calls:
            return -1.0
        now_s, mean = self.keys.now_s(), self.habit.mean
        return max(quota.room(mean, now_s) for quota in self._quotas)

    @property
    def closed_s(self) -> float:
        """Seconds until there is room for a usual call; 0 if there is now."""
        return self._line.wait_s(self._next_need(), self.keys.now_s())

    def holds(self, least: Need) -> bool:
        """Whether a call is one that any key can ever take."""
        return any(quota.holds(least) for quota in self._quotas)

    def try_acquire(self) -> Permit | None:
        """A permit, as long as nobody is called up."""
        return None if self._line.calls else self._limiter.try_acquire()

    def ahead(self, priority: int) -> Permit | None:
        """A permit for a call that goes ahead of those called up, if it is of a higher class."""
        calls = self._line.calls
        if calls and priority < calls[-1].priority:
            return self._limiter.try_acquire()
        return None

    def aside(
        self, need: Need, besides: int | None
    ) -> tuple[Permit, int, KeyQuota, Reservation] | None:
        """A permit and a key at once, for a call that goes before nobody who waits.

        Args:
            need: what it will probably use.
            besides: number of a key that is not wanted, from 0.
        """
        permit = self.try_acquire()
        if permit is None:
            return None
        found = self._line.reserve(need, self.keys.now_s(), besides)
        if found is None:
            permit.ignore()
            return None
        return permit, *found

    def call_up(self, call: Called) -> None:
        """Let a call go by the key with most room, now or as soon as there is one.

        Args:
            call: has its turn; told now, or later, how it goes on.
        """
        if self._line.call_up(call, self.habit.mean):
            self._own = [*self._waiting(), call]

    def leave(self, call: Called) -> None:
        """A call that was called up waits no more."""
        self._line.leave((call,))

    def freed(self) -> None:
        """Something came back: look again, when this turn of the loop is over."""
        self._line.freed()

    def sweep(self) -> None:
        """Look again at what time alone changes."""
        if self._line.calls:
            self._line.advance()
        self._own = self._waiting()

    def close(self) -> None:
        """Refuse those who were called up."""
        called = self._waiting()
        self._line.leave(called)
        for call in called:
            call.closes()

    def turns_s(self, turns: float) -> float:
        """Seconds that so many more turns of usual calls take at least."""
        now_s, mean, line = self.keys.now_s(), self.habit.mean, self._line
        refill_s = line.refill_s(mean, mean, turns - 1, now_s)
        return max(line.wait_s(self._next_need(), now_s), refill_s)

    def refused(self, number: int) -> None:
        """A key was told that it has used too much."""
        key = self.keys.keys[number]
        key.refused += 1
        self.keys.meter.refused(key.number)

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
        line = self._line
        if not line.calls and (found := line.reserve(need, now_s)) is not None:
            key, _, reservation = found
            try:
                yield key
            finally:
                reservation.settle(need.input_tokens, need.output_tokens)
            return
        wait_s = max(self.closed_s, line.wait_s(need, now_s))
        raise Overloaded(
            f"The quota of provider '{self.keys.provider}' is used up for {wait_s:.1f} s.",
            code="quota_exhausted",
            retry_after_s=wait_s,
        )

    def _next_need(self) -> Need:
        calls = self._line.calls
        return calls[0].need if calls else self.habit.mean

    def _waiting(self) -> list[Called]:
        return [call for call in self._own if call in self._line.calls]
