"""Nouns: a job as it is kept, and what callers are told of it."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

State = Literal["waiting", "delayed", "running", "succeeded", "failed", "cancelled"]
ENDS: Final[frozenset[State]] = frozenset(("succeeded", "failed", "cancelled"))

# Lower goes first.
PRIORITIES: Final[Mapping[str, int]] = {"high": 0, "normal": 5, "low": 9}
_PRIORITY_NAMES: Final[Mapping[int, str]] = {number: name for name, number in PRIORITIES.items()}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it is kept.

    Attributes:
        caller: digest of the key that submitted it, in hexadecimal, and after a colon its name,
            percent-encoded; empty where keys are open.
        priority: lower goes first.
        input: JSON; empty in lists, which leave out input and result.
        digest: of kind, queue and input, to tell a repetition from another job.
        once_key: what the caller calls it, so that it is submitted once.
        due_s: not before this time.
        attempts: tries begun; those that were given back, put off or lost do not count.
        losses: how often it was lost with its worker, or with the gateway that it asked.
        fence: counts claims; whoever holds an older one has lost the job.
        cancel_s: when somebody wanted it cancelled.
        share: what is done of it, from 0 to 1.
        doing: what is being done, for people.
        result: JSON.
        code: why it failed, for programs.
        reason: why it failed, for people.
        version: counts changes.
        trace: where the request that submitted it stood in its trace, as `Trace.context`.
    """

    id: str
    tenant: str
    caller: str
    kind: str
    queue: str
    priority: int
    state: State
    input: str = ""
    digest: str
    once_key: str | None = None
    created_s: float
    due_s: float
    started_s: float | None = None
    ended_s: float | None = None
    attempts: int = 0
    attempts_max: int
    losses: int = 0
    fence: int = 0
    worker: str | None = None
    cancel_s: float | None = None
    share: float = 0.0
    doing: str = ""
    result: str | None = None
    code: str | None = None
    reason: str | None = None
    version: int = 1
    trace: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in ENDS

    def told(self, *, whole: bool = True) -> dict[str, Any]:
        """What its tenant is told of it.

        Args:
            whole: with its input and result, which lists leave out.
        """
        error = None if self.reason is None else {"code": self.code, "message": self.reason}
        told: dict[str, Any] = {
            "id": self.id,
            "object": "job",
            "kind": self.kind,
            "queue": self.queue,
            "priority": _PRIORITY_NAMES.get(self.priority, self.priority),
            "state": self.state,
            "cancelling": self.state == "running" and self.cancel_s is not None,
            "progress": round(self.share, 4),
            "doing": self.doing,
            "attempts": self.attempts,
            "attempts_max": self.attempts_max,
            "created_at": self.created_s,
            "due_at": self.due_s,
            "started_at": self.started_s,
            "ended_at": self.ended_s,
            "error": error,
        }
        if whole:
            told["input"] = msgspec.Raw(self.input.encode())
            told["result"] = None if self.result is None else msgspec.Raw(self.result.encode())
        return told
