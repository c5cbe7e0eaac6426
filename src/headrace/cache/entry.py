"""What the cache holds: answers in the shapes they can be given in.

Neither struct takes part in garbage collection: nothing they hold leads back to them, and a
collector that walks a million answers would stop the loop.
"""

import enum

import msgspec

from headrace.model import Usage

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
        expires_s: when it is stale, monotonic seconds; set by the cache.
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
    expires_s: float = 0.0
    rendered: bytes = b""


class Entry(msgspec.Struct, gc=False, eq=False):
    """One cached answer with every shape of it that was asked for so far.

    Owned by the cache: nobody else changes it.
    """

    key: bytes
    stored_s: float
    expires_s: float
    weight: int = 0
    repeats: tuple[bytes, ...] = ()
    whole: Answer | None = None
    events: Answer | None = None
    events_with_usage: Answer | None = None

    def answer(self, shape: Shape) -> Answer | None:
        """The answer in a shape, where it is held."""
        if shape is Shape.WHOLE:
            return self.whole
        return self.events if shape is Shape.EVENTS else self.events_with_usage

    def hold(self, answer: Answer) -> None:
        """Keep an answer as the one of its shape."""
        answer.key, answer.stored_s, answer.expires_s = self.key, self.stored_s, self.expires_s
        if answer.shape is Shape.WHOLE:
            self.whole = answer
        elif answer.shape is Shape.EVENTS:
            self.events = answer
        else:
            self.events_with_usage = answer
