"""How soon calls that begin alike come again, and what that makes of keeping their beginning.

A provider asks a fee for what it keeps and lets it be read at a tenth of the price. Whether that
pays, and for which time, is a matter of the gaps between calls: they are counted in four classes,
older ones counting less, for each head (tools and system prompt) and for the turns of its
conversations. What is new is taken to come again as often as what was new before it.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from headrace.prompt.marks.prefix import Prefix

Ttl = Literal["5m", "30m", "1h"]

HEADS_MAX: Final = 2048
TALKS_MAX: Final = 16_384
CALLS_PER_KEY_MAX: Final = 15
"""Calls a minute with one key and one beginning that one machine of OpenAI's takes, as it says."""
_SHARDS_MAX: Final = 64
_MINUTE_S: Final = 60.0
_FADING: Final = 0.9
_FIRST_GUESS: Final = 2.0  # calls soon after each other that are taken for granted
_FIRST_MAX: Final = 3.0
_FURTHER_MAX: Final = 10
_READ: Final = 0.1
_WRITE: Final[Mapping[Ttl, float]] = {"5m": 1.25, "30m": 1.25, "1h": 2.0}
_SHARE: Final[Mapping[Ttl, int]] = {"5m": 0, "30m": 1, "1h": 2}
_CLASS_ENDS_S: Final = (300.0, 1800.0, 3600.0)


class Gaps:
    """Counts of the gaps between calls: to 5 minutes, to 30, to an hour, longer."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = [_FIRST_GUESS, 0.0, 0.0, 0.0]

    def add(self, gap_s: float) -> None:
        """A gap ended; those before it count less."""
        counts = [count * _FADING for count in self._counts]
        counts[sum(gap_s > end_s for end_s in _CLASS_ENDS_S)] += 1.0
        self._counts = counts

    def shares(self) -> tuple[float, float, float]:
        """Shares of the gaps that were within 5 minutes, 30 minutes and an hour."""
        soon, half, hour, _ = counts = self._counts
        total = sum(counts)
        return soon / total, (soon + half) / total, (soon + half + hour) / total


class Turnover:
    """How many of those that were new came again."""

    __slots__ = ("_again", "_new")

    def __init__(self) -> None:
        self._new = self._again = 0.0

    def opened(self) -> None:
        """One came for the first time."""
        self._new = self._new * _FADING + 1.0
        self._again *= _FADING

    def came_again(self) -> None:
        """One came for the second time."""
        self._again += 1.0

    @property
    def further(self) -> float:
        """How many more calls to expect of one that is new; some, as long as nothing is known."""
        chance = (self._again + 1.0) / (self._new + 1.0)
        return _FIRST_MAX if chance >= 1.0 else min(_FIRST_MAX, chance / (1.0 - chance))


class Outlook(msgspec.Struct, frozen=True):
    """How a beginning will be asked for again, as far as is known.

    Attributes:
        shares: of the gaps that are within 5 minutes, 30 minutes and an hour.
        further: how many more calls there will be.
    """

    shares: tuple[float, float, float] = (1.0, 1.0, 1.0)
    further: float = 1.0


class Advice(msgspec.Struct, frozen=True):
    """What is known of a request.

    Attributes:
        head: of its tools and system prompt.
        talk: of its conversation.
        shards: how many keys the conversations of its head share out among themselves.
    """

    head: Outlook = Outlook()
    talk: Outlook = Outlook()
    shards: int = 1


class _Head:
    """One head: when it was last asked for, its gaps, its conversations."""

    __slots__ = (
        "calls",
        "calls_before",
        "gaps",
        "minute",
        "seen_s",
        "shards",
        "times",
        "turnover",
        "turns",
    )

    def __init__(self, now_s: float) -> None:
        self.gaps = Gaps()
        self.turns = Gaps()
        self.turnover = Turnover()
        self.seen_s = now_s
        self.times = 0
        self.minute = int(now_s // _MINUTE_S)
        self.calls = 0
        self.calls_before = 0
        self.shards = 1

    def count_call(self, now_s: float, calls_max: float) -> None:
        """One more call in this minute; the keys become more or fewer with the last one."""
        minute = int(now_s // _MINUTE_S)
        if minute != self.minute:
            self.calls_before = self.calls if minute == self.minute + 1 else 0
            self.calls, self.minute = 0, minute
            # They double and halve, so that half of the conversations keep theirs, and only where
            # it is plain, so that they do not change to and fro.
            while self.calls_before > calls_max * self.shards and self.shards < _SHARDS_MAX:
                self.shards *= 2
            while self.calls_before * 4 < calls_max * self.shards and self.shards > 1:
                self.shards //= 2
        self.calls += 1


class Habits:
    """What was seen of all calls; bounded. Belongs to one event loop.

    Args:
        workers: how many processes see a part of the calls each.
    """

    __slots__ = ("_calls_max", "_circles", "_heads", "_talks")

    def __init__(self, workers: int = 1) -> None:
        self._calls_max = CALLS_PER_KEY_MAX / workers
        self._circles: dict[bytes, Turnover] = {}
        self._heads: dict[bytes, _Head] = {}
        self._talks: dict[bytes, tuple[float, int]] = {}

    def note(self, prefix: Prefix, now_s: float) -> Advice:
        """A request is about to be sent: learn from it, and say what is known.

        Args:
            prefix: where it stands among others.
            now_s: monotonic seconds.
        """
        circle = self._circles.pop(prefix.circle, None) or Turnover()
        self._circles[prefix.circle] = circle
        head = self._note_head(prefix.head, circle, now_s)
        times = self._note_talk(prefix.talk, head, now_s)
        if len(self._circles) > HEADS_MAX:
            del self._circles[next(iter(self._circles))]
        return Advice(
            head=Outlook(head.gaps.shares(), _further(circle, head.times)),
            talk=Outlook(head.turns.shares(), _further(head.turnover, times)),
            shards=head.shards,
        )

    def _note_head(self, digest: bytes, circle: Turnover, now_s: float) -> _Head:
        head = self._heads.pop(digest, None)
        if head is None:
            head = _Head(now_s)
            circle.opened()
        else:
            head.gaps.add(now_s - head.seen_s)
            if head.times == 1:
                circle.came_again()
        head.times += 1
        head.seen_s = now_s
        head.count_call(now_s, self._calls_max)
        self._heads[digest] = head
        if len(self._heads) > HEADS_MAX:
            del self._heads[next(iter(self._heads))]
        return head

    def _note_talk(self, talk: bytes, head: _Head, now_s: float) -> int:
        """Note a turn of a conversation; how many there were, this one included."""
        seen_s, times = self._talks.pop(talk, (now_s, 0))
        if times == 0:
            head.turnover.opened()
        else:
            head.turns.add(now_s - seen_s)
            if times == 1:
                head.turnover.came_again()
        self._talks[talk] = (now_s, times + 1)
        if len(self._talks) > TALKS_MAX:
            del self._talks[next(iter(self._talks))]
        return times + 1


def _further(turnover: Turnover, times: int) -> float:
    """How many more calls to expect after so many, which is about as many as there were."""
    return turnover.further if times == 1 else float(min(times, _FURTHER_MAX))


def best_ttl(outlook: Outlook, allowed: tuple[Ttl, ...]) -> Ttl | None:
    """For how long to keep a beginning, `None` where keeping it would cost more than not.

    What a token is expected to cost from now on, in multiples of the input's price: without a mark
    1 for this call and each further one. With one it is written now, at 1.25 or for an hour at 2;
    with each further call it is read at 0.1 where it is still kept, and written again where not.

    Args:
        outlook: how it will be asked for again.
        allowed: the times there are.
    """
    best, cost_min = None, 1.0 + outlook.further
    for ttl in allowed:
        kept, write = outlook.shares[_SHARE[ttl]], _WRITE[ttl]
        cost = write + outlook.further * (kept * _READ + (1.0 - kept) * write)
        if cost < cost_min:
            best, cost_min = ttl, cost
    return best
