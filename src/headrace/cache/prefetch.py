"""Which answers that are about to expire are asked for again before anybody asks for them.

A prefetched answer never costs less than one asked for on demand: it is paid for whether it is
used or not, and moves waiting out of a caller's sight. So it is off by default, has a budget in
dollars an hour, uses idle capacity only, and its waste is counted. Pure: time is handed in.
"""

from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush
from typing import Final

import msgspec

# The bucket holds this much of an hour's budget at most: a quiet night is not spent in a minute.
_BURST_SHARE: Final = 0.1
_SECONDS_PER_HOUR: Final = 3600.0
# Else what lives shortly would be asked for all the time.
_AHEAD_SHARE_MAX: Final = 0.25
# A look costs about 20 µs: this keeps one plan below 3 ms.
_LOOKED_MAX: Final = 128


class Budget:
    """Dollars an hour, in a bucket that fills evenly and begins full.

    Args:
        usd_per_hour: what may be spent.
        now_s: the moment, monotonic seconds.
    """

    __slots__ = ("_left_usd", "_usd_max", "_usd_per_s", "_when_s")

    def __init__(self, usd_per_hour: float, now_s: float) -> None:
        self._usd_per_s = usd_per_hour / _SECONDS_PER_HOUR
        self._usd_max = usd_per_hour * _BURST_SHARE
        self._left_usd = self._usd_max
        self._when_s = now_s

    def left_usd(self, now_s: float) -> float:
        """What may be spent at this moment."""
        if now_s > self._when_s:
            filled_usd = self._left_usd + (now_s - self._when_s) * self._usd_per_s
            self._left_usd = min(self._usd_max, filled_usd)
            self._when_s = now_s
        return self._left_usd

    def take(self, usd: float, now_s: float) -> bool:
        """Spend, where that much is left."""
        if usd > self.left_usd(now_s):
            return False
        self._left_usd -= usd
        return True

    def correct(self, usd: float) -> None:
        """It cost `usd` more than was taken; negative where it cost less."""
        self._left_usd = min(self._usd_max, self._left_usd - usd)


class Expiring(msgspec.Struct, frozen=True, gc=False):
    """An answer that is held and will expire.

    Attributes:
        key: what it is found by.
        expires_s: when it is of no use any more, monotonic seconds.
        life_s: how long a new one would be fresh, seconds.
        cost_usd: what asking again costs.
        seconds: how long a caller would wait for it.
        upstream: who would be asked.
    """

    key: bytes
    expires_s: float
    life_s: float
    cost_usd: float
    seconds: float
    upstream: str = ""


class PrefetchReport(msgspec.Struct, frozen=True):
    """What came of prefetching.

    Attributes:
        planned: answers that were asked for ahead.
        used: of these, used when the answer before them would have been gone.
        wasted: of these, never used so.
        failed: of these, never had.
        spent_usd: what they cost.
        wasted_usd: what those cost that were of no use.
        seconds_saved: waiting that callers were spared.
        refused_budget: good ones left out because the budget was used up.
        refused_value: left out because they were not likely enough to be used, or expected to
            cost more than they bring.
        missed: expired while the upstream was busy.
    """

    planned: int = 0
    used: int = 0
    wasted: int = 0
    failed: int = 0
    spent_usd: float = 0.0
    wasted_usd: float = 0.0
    seconds_saved: float = 0.0
    refused_budget: int = 0
    refused_value: int = 0
    missed: int = 0

    @property
    def wasted_share(self) -> float:
        """Share of the prefetched answers with a known end that nobody used."""
        ended = self.used + self.wasted
        return self.wasted / ended if ended else 0.0


class _Paid(msgspec.Struct, gc=False):
    """A call that was planned, and then its answer.

    Attributes:
        from_s: when the answer before it is of no use any more: uses before are not its merit.
        end_s: when it is of no use itself.
    """

    cost_usd: float
    seconds: float
    from_s: float
    end_s: float


class PrefetchPlanner:
    """Chooses what to ask for ahead, dearest saving per dollar first.

    The expected value in dollars is `p * seconds * usd_per_second - (1 - p) * cost_usd`, where `p`
    is the chance that it is used within its new life: where it is, the call would have been paid
    for anyhow.

    Args:
        usd_per_hour: budget; 0 plans nothing.
        usd_per_second: what a second of a caller's waiting is worth.
        reuse: the chance that a key is used within so many seconds from now.
        now_s: the moment, monotonic seconds.
        chance_min: what is less likely to be used is left out, whatever it would be worth: it
            bounds the share that is wasted.
        ahead_s: how long before it expires an answer is considered, seconds; of a short life the
            last quarter at most.
        expiring_max: answers that are kept in mind.
        paid_max: prefetched answers whose use is waited for.
    """

    def __init__(
        self,
        *,
        usd_per_hour: float,
        usd_per_second: float,
        reuse: Callable[[bytes, float], float],
        now_s: float,
        chance_min: float = 0.25,
        ahead_s: float = 10.0,
        expiring_max: int = 4096,
        paid_max: int = 4096,
    ) -> None:
        self._is_on = usd_per_hour > 0.0
        self._budget = Budget(usd_per_hour, now_s)
        self._usd_per_second = usd_per_second
        self._reuse = reuse
        self._chance_min = chance_min
        self._ahead_s = ahead_s
        self._expiring_max = expiring_max
        self._paid_max = paid_max
        self._expiring: dict[bytes, Expiring] = {}
        # By when to look at them. May name what was replaced or forgotten: `_expiring` decides.
        self._order: list[tuple[float, float, bytes]] = []
        self._asked: dict[bytes, _Paid] = {}
        self._paid: dict[bytes, _Paid] = {}
        self._ends: list[tuple[float, bytes]] = []
        self._report = PrefetchReport()

    def __len__(self) -> int:
        return len(self._expiring)

    @property
    def report(self) -> PrefetchReport:
        """What came of it so far."""
        return self._report

    def watch(self, answer: Expiring) -> None:
        """An answer was stored, or stored anew. Beyond the bound it is not kept in mind."""
        if not self._is_on:
            return
        if answer.key not in self._expiring and len(self._expiring) >= self._expiring_max:
            return
        self._keep_in_mind(answer, self._due_s(answer))

    def forget(self, key: bytes) -> None:
        """An answer cannot be asked for again."""
        self._expiring.pop(key, None)

    def left(self, key: bytes, now_s: float) -> None:
        """An answer left the cache."""
        answer = self._expiring.pop(key, None)
        if answer is not None and answer.expires_s <= now_s:
            self._count(missed=1)
        if key in self._paid:
            self._waste(key)

    def plan(self, now_s: float, room: Mapping[str, int], answers_max: int = 8) -> list[Expiring]:
        """Answers to ask for now, their cost taken from the budget. Call once in a while.

        Of what is due, 128 are looked at, those first that have waited longest for it.

        Args:
            now_s: the moment.
            room: calls that each upstream has room for; one that is not named has none.
            answers_max: chosen at most.
        """
        self._end_unused(now_s)
        if not self._is_on:
            return []
        worthy = []
        for answer in self._soon(now_s, room):
            value_usd = self._value_usd(answer)
            if value_usd > 0.0:
                worthy.append((value_usd / max(answer.cost_usd, 1e-9), answer))
            else:
                self._count(refused_value=1)
        worthy.sort(key=lambda pair: pair[0], reverse=True)
        return self._chosen([answer for _, answer in worthy], now_s, dict(room), answers_max)

    def came(self, key: bytes, cost_usd: float, end_s: float | None) -> None:
        """A call that was planned is over.

        Args:
            key: what was asked for.
            cost_usd: what it really cost; 0 where it failed.
            end_s: when its answer is of no use any more; `None` where none is held.
        """
        asked = self._asked.pop(key, None)
        if asked is None:
            return
        self._budget.correct(cost_usd - asked.cost_usd)
        self._count(spent_usd=cost_usd - asked.cost_usd)
        asked.cost_usd = cost_usd
        if end_s is None:
            self._count(failed=1, wasted_usd=cost_usd)
            return
        if key in self._paid:
            self._waste(key)  # nobody used the one before
        asked.end_s = end_s
        self._paid[key] = asked
        self._wait_for(key, end_s)

    def used(self, key: bytes, now_s: float) -> None:
        """A key was used. Costs one look-up for what was not prefetched."""
        paid = self._paid.get(key)
        if paid is not None and now_s >= paid.from_s:
            del self._paid[key]
            self._count(used=1, seconds_saved=paid.seconds)

    def _keep_in_mind(self, answer: Expiring, look_s: float) -> None:
        self._expiring[answer.key] = answer
        heappush(self._order, (look_s, answer.expires_s, answer.key))
        if len(self._order) > 2 * self._expiring_max:
            known = self._expiring.values()
            self._order = [(self._due_s(each), each.expires_s, each.key) for each in known]
            heapify(self._order)

    def _due_s(self, answer: Expiring) -> float:
        return answer.expires_s - min(self._ahead_s, _AHEAD_SHARE_MAX * answer.life_s)

    def _soon(self, now_s: float, room: Mapping[str, int]) -> list[Expiring]:
        """Those that expire soon, taken out; those that have expired are counted."""
        soon: list[Expiring] = []
        busy: list[Expiring] = []
        while self._order and self._order[0][0] <= now_s and len(soon) + len(busy) < _LOOKED_MAX:
            _, expires_s, key = heappop(self._order)
            answer = self._expiring.get(key)
            if answer is None or answer.expires_s != expires_s:
                continue
            del self._expiring[key]
            if answer.expires_s <= now_s:
                self._count(missed=1)
            elif room.get(answer.upstream, 0) > 0:
                soon.append(answer)
            else:
                busy.append(answer)
        for answer in busy:
            self._keep_in_mind(answer, now_s)  # its upstream may still find the time
        return soon

    def _value_usd(self, answer: Expiring) -> float:
        chance = self._reuse(answer.key, answer.life_s)
        if chance < self._chance_min:
            return 0.0
        waiting_usd = answer.seconds * self._usd_per_second
        return chance * waiting_usd - (1.0 - chance) * answer.cost_usd

    def _chosen(
        self, worthy: list[Expiring], now_s: float, room: dict[str, int], answers_max: int
    ) -> list[Expiring]:
        chosen: list[Expiring] = []
        for answer in worthy:
            waited_for = len(self._paid) + len(self._asked)
            has_room = room[answer.upstream] > 0 and answer.key not in self._asked
            if not has_room or len(chosen) >= answers_max or waited_for >= self._paid_max:
                self._keep_in_mind(answer, now_s)  # it may still come next time
            elif not self._budget.take(answer.cost_usd, now_s):
                self._count(refused_budget=1)
            else:
                room[answer.upstream] -= 1
                chosen.append(answer)
                self._pay(answer)
        return chosen

    def _pay(self, answer: Expiring) -> None:
        end_s = answer.expires_s + answer.life_s
        self._asked[answer.key] = _Paid(answer.cost_usd, answer.seconds, answer.expires_s, end_s)
        self._wait_for(answer.key, end_s)
        self._count(planned=1, spent_usd=answer.cost_usd)

    def _wait_for(self, key: bytes, end_s: float) -> None:
        heappush(self._ends, (end_s, key))
        if len(self._ends) > 4 * self._paid_max:
            waited_for = (*self._asked.items(), *self._paid.items())
            self._ends = [(paid.end_s, key) for key, paid in waited_for]
            heapify(self._ends)

    def _end_unused(self, now_s: float) -> None:
        while self._ends and self._ends[0][0] <= now_s:
            end_s, key = heappop(self._ends)
            asked, paid = self._asked.get(key), self._paid.get(key)
            if asked is not None and asked.end_s == end_s:
                self.came(key, asked.cost_usd, None)  # nobody said what became of it
            if paid is not None and paid.end_s == end_s:
                self._waste(key)

    def _waste(self, key: bytes) -> None:
        self._count(wasted=1, wasted_usd=self._paid.pop(key).cost_usd)

    def _count(self, **added: float) -> None:
        before = self._report
        self._report = msgspec.structs.replace(
            before, **{name: getattr(before, name) + amount for name, amount in added.items()}
        )
