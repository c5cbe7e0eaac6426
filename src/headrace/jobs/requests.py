"""What callers ask for: a job to submit, a page of jobs."""

import hashlib
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from headrace.errors import InvalidRequest

ONCE_KEY_CHARS_MAX: Final = 255
# Further ahead, it is a mistake.
AHEAD_S_MAX: Final = 366 * 86400.0

# What no database takes in a text.
_NO_NUL: Final = r"^[^\x00]*$"
Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$")]

OnceKey = Annotated[str, Meta(min_length=1, max_length=ONCE_KEY_CHARS_MAX, pattern=_NO_NUL)]
Text = Annotated[str, Meta(max_length=64, pattern=_NO_NUL)]


class NewJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A job to submit, as callers word it.

    Attributes:
        kind: what is to be done.
        input: what of; each kind says what it takes.
        queue: where it waits; by default where its kind does.
        priority: who goes first in the queue.
        idempotency_key: submitted again with the same key, it is the same job.
        run_at: not before this time, seconds since the epoch.
        delay_s: or not before so many seconds have passed.
    """

    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    input: Any = msgspec.field(default_factory=dict)
    queue: Name | None = None
    priority: Literal["high", "normal", "low"] = "normal"
    idempotency_key: OnceKey | None = None
    run_at: Annotated[float, Meta(ge=0)] | None = None
    delay_s: Annotated[float, Meta(ge=0, le=AHEAD_S_MAX)] | None = None

    def due_s(self, now_s: float) -> float:
        """When it may start.

        Raises:
            InvalidRequest: both ways to say so are used, or it is more than a year ahead.
        """
        if self.run_at is not None and self.delay_s is not None:
            raise InvalidRequest("Say either `run_at` or `delay_s`.", param="delay_s")
        due_s = now_s + (self.delay_s or 0.0) if self.run_at is None else self.run_at
        if due_s > now_s + AHEAD_S_MAX:
            raise InvalidRequest(
                "`run_at` is more than a year ahead; it counts seconds since 1970.", param="run_at"
            )
        return max(due_s, now_s)


class JobsWanted(msgspec.Struct, frozen=True):
    """A page of jobs.

    Attributes:
        state: only these; empty means all, here and below.
        after: beyond the job with this id.
    """

    state: Literal["", "waiting", "delayed", "running", "succeeded", "failed", "cancelled"] = ""
    kind: Text = ""
    queue: Text = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: Text = ""
    order: Literal["asc", "desc"] = "desc"


def input_digest(kind: str, queue: str, document: bytes) -> str:
    """What two submissions of the same job have in common."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (kind.encode(), queue.encode(), document):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
