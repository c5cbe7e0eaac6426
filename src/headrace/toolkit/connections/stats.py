"""What a pool tells of itself."""

import msgspec


class ConnectionStats(msgspec.Struct, frozen=True):
    """What a pool did so far, and how it is, over all origins.

    Attributes:
        opened: connections opened.
        reused: calls that went over a connection that had carried one before.
        idle: connections that wait for a call.
        active: connections that carry a call, or are being opened.
        waiting: calls that wait for a connection.
        waits: calls that had to, so far.
        retries: attempts beyond the first.
        expired: connections closed because they had idled too long.
        errors: calls that ended in an error.
    """

    opened: int
    reused: int
    idle: int
    active: int
    waiting: int
    waits: int
    retries: int
    expired: int
    errors: int


class Tally:
    """The counters of a pool."""

    __slots__ = ("errors", "expired", "opened", "retries", "reused", "waits")

    def __init__(self) -> None:
        self.opened = self.reused = self.waits = self.retries = self.expired = self.errors = 0
