"""One request and what became of it."""

from typing import Final, Literal, get_args

Outcome = Literal[
    "ok",
    "connect",
    "timeout",
    "closed",
    "cut",
    "malformed",
    "status_429",
    "status_4xx",
    "status_5xx",
    "status_other",
    "interrupted",
]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


class Call:
    """A request under way; times are of the monotonic clock, in seconds.

    Args:
        phase: number of the phase.
        kind: place in `KINDS`.
        request: what is sent.
        intended_s: when it should be sent.
        timeout_s: when it is given up, from then on.

    Attributes:
        begun_s: when the client turned to it.
        first_s: when its first token came, of a stream; else nothing.
        last_s: when its last token so far came.
        ended_s: when it was over.
        tokens: pieces of content of a stream.
        cache: where the target says the answer is from.
        outcome: how it ended.
        detail: more about that, in words.
    """

    __slots__ = (
        "begun_s",
        "cache",
        "deadline_s",
        "detail",
        "ended_s",
        "first_s",
        "intended_s",
        "kind",
        "last_s",
        "outcome",
        "phase",
        "request",
        "tokens",
    )

    def __init__(
        self, phase: int, kind: int, request: bytes, intended_s: float, timeout_s: float
    ) -> None:
        self.phase = phase
        self.kind = kind
        self.request = request
        self.intended_s = intended_s
        self.deadline_s = intended_s + timeout_s
        self.begun_s = 0.0
        self.first_s: float | None = None
        self.last_s: float | None = None
        self.ended_s = 0.0
        self.tokens = 0
        self.cache = ""
        self.outcome: Outcome = "ok"
        self.detail = ""
