"""One answer as the tiers below memory hold it: with all that another process has to know."""

import re
from math import inf
from typing import Final

import msgspec

from headrace.cache.entry import Headers, Shape, purge_scopes
from headrace.model import Usage

_STATUS_OK: Final = 200
_SHAPES: Final = frozenset(map(int, Shape))
# What would end a header, and begin another one or another answer.
_BREAK: Final = re.compile(rb"[\r\n\0]")


class Record(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One answer in the shape it came in.

    Attributes:
        key: canonical key of what was asked.
        tenant: whose it is.
        provider: name of the provider that gave it.
        model: the provider's name of the model.
        tags: names the caller gave it, to be purged by.
        shape: number of the `Shape` it is in.
        status: HTTP status.
        headers: end-to-end headers that go to the caller.
        body: JSON, or the transcript of a stream's events.
        usage: tokens as the provider counted them, where it did.
        cost_usd: what the call cost in US dollars, where its price is known.
        seconds: how long the provider took.
        stored_s: when it was stored, wall-clock seconds.
        fresh_until_s: until when it is given without asking again, wall-clock seconds.
        expires_s: when it is of no use any more, wall-clock seconds.
        seq: number of the last purge that was known when its call began.
    """

    key: bytes
    tenant: str
    provider: str
    model: str
    tags: tuple[str, ...]
    shape: int
    status: int
    headers: Headers
    body: bytes
    usage: Usage | None
    cost_usd: float | None
    seconds: float
    stored_s: float
    fresh_until_s: float
    expires_s: float
    seq: int

    @property
    def scopes(self) -> tuple[str, ...]:
        """What it may be purged by, besides its key."""
        return purge_scopes(self.tenant, self.provider, self.model, self.tags)

    @property
    def is_plausible(self) -> bool:
        """Whether it is one that a gateway could have stored, as far as that can be seen.

        Whoever may write to a tier may write anything there: it may cost hits, and nothing else.
        """
        usage = self.usage or _NO_USAGE
        return (
            self.status == _STATUS_OK
            and self.shape in _SHAPES
            and 0.0 <= (self.cost_usd or 0.0) < inf
            and 0.0 <= self.seconds < inf
            and min(msgspec.structs.astuple(usage)) >= 0
            and not any(_BREAK.search(part) for pair in self.headers for part in pair)
        )


_NO_USAGE: Final = Usage()
