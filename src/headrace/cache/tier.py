"""What a tier below memory is: answers as bytes, on another machine or on disk."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from headrace.errors import HeadraceError


class Item(msgspec.Struct, frozen=True, gc=False):
    """One encoded answer on its way into a tier.

    Attributes:
        key: canonical key.
        value: what `codec.encode` made of the record.
        expires_s: when it is of no use any more, wall-clock seconds.
        scopes: what it may be purged by: `tenant:NAME`, `model:PROVIDER/MODEL`, `tag:NAME`.
        worth_usd: dollars that its next use saves.
    """

    key: bytes
    value: bytes
    expires_s: float
    scopes: tuple[str, ...] = ()
    worth_usd: float = 0.0


class TierFault(HeadraceError):
    """A tier could not do what it was asked; no caller is told, since a tier may always miss.

    Args:
        tier: its name.
        why: what went wrong, for the log.
    """

    status = 503
    default_code = "tier_unavailable"

    def __init__(self, tier: str, why: str) -> None:
        super().__init__(f"The cache tier {tier} failed: {why}.")
        self.tier = tier
        self.why = why


class Tier(Protocol):
    """Holds encoded answers. Every method may raise `TierFault`; none may wait without bound."""

    @property
    def name(self) -> str:
        """`l2` or `l3`."""
        ...

    async def get(self, key: bytes) -> bytes | None:
        """The value of a key that has not expired."""
        ...

    async def put(self, items: Sequence[Item]) -> None:
        """Hold these in place of whatever their keys held."""
        ...

    async def remove(self, keys: Sequence[bytes]) -> None:
        """Hold these no longer."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...
