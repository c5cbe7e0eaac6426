"""One token bucket of a provider's quota, as it is on the provider's side."""

from typing import Final

MINUTE_S: Final = 60.0
ROUNDING_S: Final = 1e-6
"""What is missing by less than this much refill is not missing: floats round."""


class Mark:
    """What a call took, when, and how much the bucket had given and got back by then."""

    __slots__ = ("amount", "bucket", "returned", "sent_s", "taken", "used")

    def __init__(self, bucket: "Bucket", amount: float, sent_s: float) -> None:
        self.bucket = bucket
        self.amount = amount
        self.sent_s = sent_s
        self.taken = bucket.taken
        self.returned = bucket.returned
        self.used = bucket.used


class Bucket:
    """A level that rises steadily up to a capacity, and falls by what is taken.

    The times it is handed must not go back (`SteadyTime`). After corrections or when more was used
    than reserved the level may be below zero, by what a minute adds or one capacity at most.

    Args:
        index: the place of what is counted in `Need`.
        per_s: how much the level rises in a second; positive.
        capacity: the highest level; positive.
        level: where it starts.
        now_s: the time it starts.
        is_late: the provider counts what a call used when it is used, not when the call comes.
    """

    __slots__ = (
        "capacity",
        "index",
        "is_late",
        "level",
        "pending",
        "per_s",
        "returned",
        "stamp_s",
        "taken",
        "used",
    )

    def __init__(
        self,
        index: int,
        per_s: float,
        capacity: float,
        level: float,
        now_s: float,
        *,
        is_late: bool = False,
    ) -> None:
        self.index = index
        self.is_late = is_late
        self.per_s = per_s
        self.capacity = capacity
        self.level = min(level, capacity)
        self.stamp_s = now_s
        self.taken = 0.0
        self.returned = 0.0
        self.used = 0.0
        self.pending = 0.0

    def refill(self, now_s: float) -> None:
        """Bring the level up to `now_s`; nothing before the end of a freeze."""
        elapsed_s = now_s - self.stamp_s
        if elapsed_s > 0:
            self.level = min(self.capacity, self.level + elapsed_s * self.per_s)
            self.stamp_s = now_s

    def has_room(self, amount: float, now_s: float) -> bool:
        """Whether `wait_s` is 0."""
        if now_s > self.stamp_s:
            self.refill(now_s)
        missing = amount - self.level
        if missing <= self.per_s * ROUNDING_S:
            return True
        return amount > self.capacity and self.has_room(self.capacity, now_s)

    def wait_s(self, amount: float, now_s: float) -> float:
        """Seconds until there is room for `amount`, or for a full bucket where that is less."""
        if self.has_room(amount, now_s):
            return 0.0
        missing = min(amount, self.capacity) - self.level
        return missing / self.per_s + max(0.0, self.stamp_s - now_s)

    def take(self, amount: float, now_s: float) -> Mark:
        """Lower the level by `amount`, below zero where that is more than the capacity.

        Args:
            amount: for which `wait_s` was zero; beyond a full bucket and the most debt nothing
                is taken.
            now_s: the time.
        """
        if amount > self.capacity:
            amount = min(amount, self.capacity + self._debt_max)
        self.level -= amount
        self.taken += amount
        self.pending += amount
        return Mark(self, amount, now_s)

    def settle(self, mark: Mark, used: float) -> None:
        """Give back what was taken and not used, or take what was used beyond.

        Args:
            mark: what `take` gave.
            used: what it really was.
        """
        unused = mark.amount - used
        self.pending -= mark.amount
        self.used += used
        self.level = max(-self._debt_max, min(self.level + unused, self.capacity))
        if unused < 0:
            self.taken -= unused
        else:
            self.returned += unused

    def resize(self, per_s: float, capacity: float) -> None:
        """Go on at another pace and with another capacity."""
        self.per_s = per_s
        self.capacity = capacity
        self.level = max(-self._debt_max, min(self.level, capacity))

    def freeze(self, now_s: float, until_s: float) -> None:
        """Rise no more from `now_s` to `until_s`."""
        self.refill(now_s)
        self.stamp_s = max(self.stamp_s, until_s)

    def empty(self, now_s: float) -> None:
        """Nothing is left at `now_s`, or less than that."""
        self.refill(now_s)
        self.level = min(self.level, 0.0)

    def correct(self, left: float, grain: float, mark: Mark, now_s: float) -> None:
        """Move the level to where the provider's may be, and no further.

        The provider counted what was left when it admitted the call (then calls sent since then
        are still to come off, and time has added some) or when it answered (then nothing is). Both
        are possible, so the level has to lie between the two. A level that does is left alone.
        Where the provider counts late, what calls under way may use is still to come off as well.

        Args:
            left: what the provider says is left.
            grain: how far below that it may be, where the provider rounds; else 0.
            mark: of the call that the provider answered.
            now_s: the time.
        """
        self.refill(now_s)
        if self.is_late:
            gone = self.used - mark.used
        else:
            gone = (self.taken - mark.taken) - (self.returned - mark.returned)
        admitted = left + (now_s - mark.sent_s) * self.per_s - gone
        low = min(left, admitted) - grain - (self.pending if self.is_late else 0.0)
        high = max(left, admitted)
        level = max(low, min(self.level, high))
        self.level = max(-self._debt_max, min(level, self.capacity))

    @property
    def _debt_max(self) -> float:
        return max(self.capacity, self.per_s * MINUTE_S)
