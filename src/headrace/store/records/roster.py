"""Which standby is asked, who is left out, and when one is tried again. Knows no database.

A standby may answer whoever is at a position that it is known to have replayed: positions only
grow, so what is known of it is never too much. How late it is, is told by the primary's positions
and the moments at which they were seen here: a standby is as late as it is long ago that the
primary was first seen beyond it. So neither the clocks of servers nor idle times matter.
"""

from collections import deque
from typing import Final, Literal

import msgspec

Why = Literal["new", "late", "failed", "promoted", "foreign", "ahead"]
"""Why one is left out: never asked yet; too late; failed; takes writes itself; of another cluster;
has what the primary has not."""

_MARKS_MAX: Final = 64
_MARK_S_MIN: Final = 0.25
# Waits in a row that brought nothing, after which nobody waits for it until it is back.
_VAIN_MAX: Final = 8


class ReplicaBounds(msgspec.Struct, frozen=True, kw_only=True):
    """When standbys are asked.

    Attributes:
        wait_ms_max: how long a read waits for a standby to come as far as its session.
        lag_s_max: later ones are left out, until they are half as late.
        failures_max: so many in a row, and it is left out.
        out_s_min: how long, the first time; twice as long each time that follows.
        out_s_max: the longest.
        probe_s: how often each is asked how far it is.
        answer_s_max: how long any answer of a standby may take before the primary is asked.
    """

    wait_ms_max: float = 5.0
    lag_s_max: float = 10.0
    failures_max: int = 3
    out_s_min: float = 1.0
    out_s_max: float = 30.0
    probe_s: float = 1.0
    answer_s_max: float = 1.0


class Sighting(msgspec.Struct, frozen=True):
    """What a server tells of itself.

    Attributes:
        position: how far it has replayed; of a primary: written.
        is_standby: whether it follows another.
        cluster: the number that all copies of a cluster have in common.
    """

    position: int
    is_standby: bool
    cluster: int


class Standing(msgspec.Struct, frozen=True):
    """How a standby stands, for status and metrics.

    Attributes:
        name: of the server, without a password.
        why_out: why it is not asked; None for one that is.
        lag_s: how late it is.
        in_flight: reads under way.
    """

    name: str
    why_out: Why | None
    lag_s: float
    in_flight: int


class _Replica:
    """What is known of one."""

    __slots__ = ("failures", "in_flight", "lag_s", "out_s", "position", "retry_s", "vain", "why")

    def __init__(self) -> None:
        self.position = 0
        self.in_flight = 0
        self.lag_s = 0.0
        self.failures = 0
        self.vain = 0
        self.why: Why | None = "new"
        self.out_s = 0.0
        self.retry_s = 0.0


class Roster:
    """Decides among the standbys of one primary. Belongs to one loop; the caller brings the time.

    Args:
        names: of the standbys, without passwords.
        bounds: what is expected of them.
    """

    def __init__(self, names: tuple[str, ...], bounds: ReplicaBounds) -> None:
        self._names = names
        self._bounds = bounds
        self._replicas = tuple(_Replica() for _ in names)
        self._latest: Sighting | None = None
        self._trail: deque[tuple[float, int]] = deque(maxlen=_MARKS_MAX)
        self._mark_s = max(_MARK_S_MIN, 2 * bounds.lag_s_max / _MARKS_MAX)
        self._turn = 0

    def ready(self, position: int) -> int | None:
        """Who may answer a session at once: of those that are there, one with the least to do."""
        fit = [at for at, each in enumerate(self._replicas) if _may_answer(each, position)]
        if not fit:
            return None
        self._turn += 1
        count = len(self._replicas)
        return min(fit, key=lambda at: (self._replicas[at].in_flight, (at - self._turn) % count))

    def nearest(self) -> int | None:
        """Whom it is worth waiting for, where nobody is ready: the one that is furthest."""
        fit = [
            at
            for at, each in enumerate(self._replicas)
            if each.why is None and each.vain < _VAIN_MAX
        ]
        return max(fit, key=lambda at: self._replicas[at].position) if fit else None

    def began(self, at: int) -> None:
        """A read goes to it."""
        self._replicas[at].in_flight += 1

    def ended(self, at: int) -> None:
        """That read has ended, however."""
        self._replicas[at].in_flight -= 1

    def answered(self, at: int) -> None:
        """It has given a right answer."""
        self._replicas[at].failures = 0

    def waited_in_vain(self, at: int) -> None:
        """A read has waited for it and gone to the primary."""
        self._replicas[at].vain += 1

    def reached(self, at: int, position: int) -> None:
        """It is known to have come this far."""
        replica = self._replicas[at]
        if position > replica.position:
            replica.position = position
            replica.vain = 0

    def failed(self, at: int, now_s: float, *, is_lost: bool) -> bool:
        """A read or a look at it failed, and not for a reason of the read's own.

        Args:
            at: which.
            now_s: monotonic.
            is_lost: the connection is gone, so the next one would fail as well.

        Returns:
            Whether it is left out by this, and was not before.
        """
        replica = self._replicas[at]
        replica.failures += 1
        if not is_lost and replica.failures < self._bounds.failures_max:
            return False
        was_in = replica.why is None
        low, high = self._bounds.out_s_min, self._bounds.out_s_max
        # Many reads fail at once where one server goes: that is one time out.
        if replica.why != "failed" or now_s >= replica.retry_s:
            replica.out_s = min(high, max(low, 2 * replica.out_s))
            replica.retry_s = now_s + replica.out_s
        replica.why = "failed"
        return was_in

    def is_due(self, at: int, now_s: float) -> bool:
        """Whether it is to be looked at now: always, but for one that failed a short time ago."""
        replica = self._replicas[at]
        return replica.why != "failed" or now_s >= replica.retry_s

    def primary_seen(self, sighting: Sighting, now_s: float) -> None:
        """Where the primary is now. One that is set back is another than before, or restored."""
        before, self._latest = self._latest, sighting
        if before is not None and (
            sighting.position < before.position or sighting.cluster != before.cluster
        ):
            self.primary_changed()
        if self._trail and now_s - self._trail[-1][0] < self._mark_s:
            return
        if not self._trail or sighting.position > self._trail[-1][1]:
            self._trail.append((now_s, sighting.position))

    def primary_changed(self) -> None:
        """Another server may take writes now: nobody answers until it was looked at again."""
        self._trail.clear()
        for replica in self._replicas:
            replica.position = 0
            if replica.why is None:
                replica.why = "new"

    def seen(self, at: int, sighting: Sighting, primary: Sighting | None, now_s: float) -> bool:
        """What a standby tells of itself.

        Args:
            at: which.
            sighting: what it tells.
            primary: what the primary told after that; None where it could not be asked.
            now_s: monotonic.

        Returns:
            Whether it is left out by this, or back after it was left out.
        """
        replica = self._replicas[at]
        before = replica.why
        replica.failures = 0
        replica.lag_s = self._lag_s(sighting.position, now_s)
        replica.why = self._why_out(sighting, primary, replica.lag_s, was_late=before == "late")
        if before is not None or replica.why is not None:
            replica.position = 0  # it may be another server by now
        if replica.why is None:
            self.reached(at, sighting.position)
            if before is None:
                replica.out_s = 0.0
        return before != replica.why and (before, replica.why) != ("new", None)

    def has_reached(self, at: int, position: int) -> bool:
        """Whether it may answer a session there."""
        return _may_answer(self._replicas[at], position)

    def standings(self) -> list[Standing]:
        """How each of them stands."""
        return [
            Standing(name, each.why, each.lag_s, each.in_flight)
            for name, each in zip(self._names, self._replicas, strict=True)
        ]

    def _why_out(
        self, sighting: Sighting, primary: Sighting | None, lag_s: float, *, was_late: bool
    ) -> Why | None:
        if not sighting.is_standby:
            return "promoted"
        if primary is not None:
            if sighting.cluster != primary.cluster:
                return "foreign"
            if sighting.position > primary.position:
                return "ahead"
        lag_s_max = self._bounds.lag_s_max / 2 if was_late else self._bounds.lag_s_max
        return "late" if lag_s > lag_s_max else None

    def _lag_s(self, position: int, now_s: float) -> float:
        for seen_s, at in self._trail:
            if at > position:
                return now_s - seen_s
        return 0.0


def _may_answer(replica: _Replica, position: int) -> bool:
    return replica.why is None and replica.position >= position
