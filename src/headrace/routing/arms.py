"""Which arm of an experiment a session, or a tenant, is in. Pure, and without memory.

Weighted rendezvous hashing (Schindelhauer, Schomaker, "Weighted Distributed Hash Tables", 2005):
the same unit is always in the same arm, whichever worker asks; and where weights change, only as
many units move as have to, and none between arms that keep theirs.
"""

from collections.abc import Sequence

import msgspec

from headrace.routing.sticky import rank


class Arm(msgspec.Struct, frozen=True):
    """One arm.

    Attributes:
        name: what it is called.
        model: who answers in it.
        weight: its share of the units; 0: it has none.
    """

    name: str
    model: str
    weight: float


def pick_arm(arms: Sequence[Arm], salt: str, unit: bytes) -> int:
    """The number of the arm that a unit is in.

    Args:
        arms: some of them with a weight above 0.
        salt: tells experiments apart, so that who is in the one arm here is in any arm there.
        unit: the session or the tenant.

    Raises:
        ValueError: no arm has a weight.
    """
    best, best_rank = -1, 0.0
    for at, arm in enumerate(arms):
        if arm.weight > 0:
            named = b"%b\0%b\0%b" % (salt.encode(), arm.name.encode(), unit)
            found = rank(named, arm.weight)
            if found > best_rank:
                best, best_rank = at, found
    if best < 0:
        raise ValueError("no arm has a weight above 0")
    return best
