"""What the cache holds: answers in the shapes they can be given in.

Neither struct takes part in garbage collection: nothing they hold leads back to them, and a
collector that walks a million answers would stop the loop.
"""

import enum
from typing import Final

import msgspec

from headrace.model import Usage

KEY_PREFIX: Final = "key:"

Headers = tuple[tuple[bytes, bytes], ...]


class Shape(enum.IntEnum):
    """The shape a caller wants an answer in."""

    WHOLE = 0
    EVENTS = 1
    EVENTS_WITH_USAGE = 2


class Answer(msgspec.Struct, gc=False, eq=False):
    """One complete answer in one shape.

    Attributes:
        status: HTTP status.
        headers: end-to-end headers of the provider that go to the caller, names in lower case.
        body: JSON, or the transcript of a stream's events.
        shape: which of the two it is.
        provider: name of the provider that gave it.
        model: the provider's name of the model.
        usage: tokens as the provider counted them, where it did.
        cost_usd: what the call cost in US dollars, where its price is known.
        seconds: how long the provider took.
        key: what it is stored under; set by the cache.
        stored_s: when it was stored, monotonic seconds; set by the cache.
        careful_s: from when on more than its bytes have to be looked at before it is given,
            monotonic seconds; set by the cache.
        seq: number of the last purge that it is known to have survived; set by the cache.
        rendered: the server's own memo of the response head; nobody else reads it.
    """

    status: int
    headers: Headers
    body: bytes
    shape: Shape
    provider: str
    model: str
    usage: Usage | None = None
    cost_usd: float | None = None
    seconds: float = 0.0
    key: bytes = b""
    stored_s: float = 0.0
    careful_s: float = 0.0
    seq: int = 0
    rendered: bytes = b""


class Terms(msgspec.Struct, frozen=True, gc=False):
    """Under which terms an answer is stored.

    Attributes:
        tenant: whose it is.
        tags: names the caller gave it, to be purged by.
        seq: number of the last purge that was known when its call began.
        stored_s: when it was stored, monotonic seconds; in the past for one from another tier.
        fresh_until_s: until when it is given without asking again, monotonic seconds.
        expires_s: when it is of no use any more, monotonic seconds.
        careful_s: from when on it may be refreshed early, monotonic seconds.
    """

    tenant: str
    tags: tuple[str, ...]
    seq: int
    stored_s: float
    fresh_until_s: float
    expires_s: float
    careful_s: float


class Entry(msgspec.Struct, gc=False, eq=False):
    """One cached answer with every shape of it that was asked for so far.

    Owned by the cache: nobody else changes it.

    Attributes:
        seq: number of the last purge that it is known to have survived.
        late_uses: how often it was used since it may be refreshed early.
        bucket: the bucket of time that its key is in, while it is held.
    """

    key: bytes
    terms: Terms
    seq: int = 0
    late_uses: int = 0
    weight: int = 0
    repeats: tuple[bytes, ...] = ()
    bucket: dict[bytes, None] = {}
    whole: Answer | None = None
    events: Answer | None = None
    events_with_usage: Answer | None = None

    def answer(self, shape: Shape) -> Answer | None:
        """The answer in a shape, where it is held."""
        if shape is Shape.WHOLE:
            return self.whole
        return self.events if shape is Shape.EVENTS else self.events_with_usage

    @property
    def answers(self) -> list[Answer]:
        """Every shape that is held."""
        shapes = (self.whole, self.events, self.events_with_usage)
        return [answer for answer in shapes if answer is not None]

    @property
    def scopes(self) -> tuple[str, ...]:
        """What it may be purged by."""
        answer = self.answers[0]
        names = purge_scopes(self.terms.tenant, answer.provider, answer.model, self.terms.tags)
        return (*names, key_scope(self.key))

    def survived(self, seq: int) -> None:
        """It has been held against every purge up to this one."""
        self.seq = seq
        for answer in self.answers:
            answer.seq = seq

    def hold(self, answer: Answer) -> None:
        """Keep an answer as the one of its shape."""
        terms = self.terms
        answer.key, answer.stored_s, answer.careful_s = self.key, terms.stored_s, terms.careful_s
        answer.seq = self.seq
        if answer.shape is Shape.WHOLE:
            self.whole = answer
        elif answer.shape is Shape.EVENTS:
            self.events = answer
        else:
            self.events_with_usage = answer


def purge_scopes(tenant: str, provider: str, model: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    """What an answer may be purged by, besides its key."""
    return (
        f"tenant:{tenant}",
        f"model:{provider}/{model}",
        *(f"tag:{tag}" for tag in tags),
    )


def key_scope(key: bytes) -> str:
    """The scope that one key is purged by."""
    return f"{KEY_PREFIX}{key.hex()}"
