"""Priority classes and the rules of each. Pure."""

from enum import IntEnum
from math import inf

import msgspec


class Priority(IntEnum):
    """A class of requests: the lower the number, the sooner its turn."""

    HIGH = 0
    NORMAL = 1
    LOW = 2
    BATCH = 3


class ClassRules(msgspec.Struct, frozen=True, kw_only=True):
    """How one class waits.

    Attributes:
        turns_share: of the turns that go to higher classes while somebody of this one waits, the
            share that it gets all the same, 0 to 1: what keeps it from starving.
        target_s: a wait that is nothing to worry about, in seconds (CoDel's TARGET).
        interval_s: above the target for this long, a tenant's line counts as overloaded (CoDel's
            INTERVAL); in an overloaded line nobody waits longer than this.
        wait_s_max: nobody waits longer than this, overloaded or not.

    Raises:
        ValueError: a number makes no sense.
    """

    turns_share: float
    target_s: float
    interval_s: float
    wait_s_max: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.turns_share <= 1.0:
            raise ValueError(f"turns_share is {self.turns_share}: it has to be 0 to 1")
        if not 0.0 < self.target_s <= self.interval_s <= self.wait_s_max < inf:
            raise ValueError("target_s, interval_s and wait_s_max have to grow in this order")


_HIGH = ClassRules(turns_share=1.0, target_s=0.25, interval_s=2.5, wait_s_max=10.0)
_NORMAL = ClassRules(turns_share=0.05, target_s=0.5, interval_s=5.0, wait_s_max=30.0)
_LOW = ClassRules(turns_share=0.025, target_s=2.0, interval_s=20.0, wait_s_max=120.0)
_BATCH = ClassRules(turns_share=0.0125, target_s=10.0, interval_s=100.0, wait_s_max=600.0)


class SchedulerRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a scheduler.

    Attributes:
        waiting_max: requests that wait at once, of all classes together.
        high, normal, low, batch: the rules of each class.

    Raises:
        ValueError: `waiting_max` leaves room for nobody.
    """

    waiting_max: int = 1024
    high: ClassRules = _HIGH
    normal: ClassRules = _NORMAL
    low: ClassRules = _LOW
    batch: ClassRules = _BATCH

    def __post_init__(self) -> None:
        if self.waiting_max < 1:
            raise ValueError(f"waiting_max is {self.waiting_max}: it has to be 1 or more")

    def by_priority(self) -> tuple[ClassRules, ...]:
        """The rules of every class, in the order of `Priority`."""
        return (self.high, self.normal, self.low, self.batch)
