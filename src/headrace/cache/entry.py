"""What the cache holds: answers in the shapes they can be given in."""

import enum

import msgspec

from headrace.model import Usage

Headers = tuple[tuple[bytes, bytes], ...]


class Shape(enum.IntEnum):
    """The shape a caller wants an answer in."""

    WHOLE = 0
    EVENTS = 1
    EVENTS_WITH_USAGE = 2


class Answer(msgspec.Struct):
    """One complete answer in one shape.

    Attributes:
        status: HTTP status.
        headers: end-to-end headers of the provider that go to the caller, names in lower case.
        body: JSON, or the transcript of a stream's events.
        shape: which of the two it is.
        provider: name of the provider that gave it.
        model: the provider's name of the model.
        usage: tokens as the provider counted them, where it did.
        cost_usd: what the call cost in US dollars.
        seconds: how long the provider took.
        rendered: the server's own memo of the response head; nobody else reads it.
    """

    status: int
    headers: Headers
    body: bytes
    shape: Shape
    provider: str
    model: str
    usage: Usage | None = None
    cost_usd: float = 0.0
    seconds: float = 0.0
    rendered: bytes = b""


class Entry:
    """One cached answer with every shape of it that was asked for so far.

    Owned by the cache: nobody else changes it.
    """

    __slots__ = ("answers", "expires_s", "key", "repeats", "stored_s", "weight")

    def __init__(self, key: bytes, stored_s: float, expires_s: float) -> None:
        self.key = key
        self.stored_s = stored_s
        self.expires_s = expires_s
        self.answers: dict[Shape, Answer] = {}
        self.repeats: list[bytes] = []
        self.weight = 0
