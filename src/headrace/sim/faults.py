"""Scripted faults: what may go wrong, and which call it happens to."""

import enum

import msgspec

from headrace.sim.text import seeded_fraction


class FaultKind(enum.StrEnum):
    """The ways a provider fails.

    Attributes:
        STATUS: answers with `status`, `headers` and `body`.
        RESET_BEFORE: resets the connection before any byte.
        RESET_MID: sends the head and `after_chunks` events, or half of a whole body, and resets.
        CUT: the same, but closes cleanly in the middle of the body.
        END_EARLY: the body ends properly after `after_chunks` events, or in the middle of its
            JSON, without what ends an answer.
        STALL_BEFORE: never answers; the connection stays.
        STALL_MID: stops after `after_chunks` events or half of the body; the connection stays.
        GARBAGE: answers with bytes that are no HTTP, and closes.
        MALFORMED: 200 with JSON that breaks off; a stream has a broken event in its middle.
        SLOW: a good answer after `delay_ms`.
        GZIP: a good answer with `content-encoding: gzip`.
        STALE: closes a kept-alive connection when its next request arrives. Matches only
            requests that are not the first of their connection.
    """

    STATUS = "status"
    RESET_BEFORE = "reset_before"
    RESET_MID = "reset_mid"
    CUT = "cut"
    END_EARLY = "end_early"
    STALL_BEFORE = "stall_before"
    STALL_MID = "stall_mid"
    GARBAGE = "garbage"
    MALFORMED = "malformed"
    SLOW = "slow"
    GZIP = "gzip"
    STALE = "stale"


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the script.

    Attributes:
        kind: what happens.
        times: how many calls it happens to, `None` for all.
        share: part of the calls that it may happen to, by lot; 1 is every one.
        model: only calls of this model, `None` for any.
        path: only calls of this path, `None` for any.
        after_chunks: stream events (tokens) sent before it happens.
        delay_ms: milliseconds waited before it happens.
        status: status code of `STATUS`.
        headers: further header lines of `STATUS`.
        body: body of `STATUS`; `None` for the dialect's own error.
    """

    kind: FaultKind
    times: int | None = 1
    share: float = 1.0
    model: str | None = None
    path: str | None = None
    after_chunks: int = 0
    delay_ms: float = 0.0
    status: int = 500
    headers: dict[str, str] = {}
    body: str | None = None

    def __post_init__(self) -> None:
        if not 100 <= self.status <= 999:
            raise ValueError(f"status must have three digits, not {self.status}")
        if self.after_chunks < 0 or self.delay_ms < 0:
            raise ValueError("after_chunks and delay_ms must be 0 or more")
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"share must be from 0 to 1, not {self.share}")

    @property
    def delay_s(self) -> float:
        """Seconds waited before it happens."""
        return self.delay_ms / 1000


class ScriptBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /_sim/script`."""

    faults: list[Fault]


class Script:
    """The faults still to come, in order.

    Args:
        seed: decides which calls faults with a share happen to.
    """

    __slots__ = ("_draws", "_left", "_seed")

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._draws = 0
        self._left: list[tuple[Fault, int | None]] = []

    def load(self, faults: list[Fault]) -> None:
        """Replace what was there by `faults`, and draw lots afresh."""
        self._draws = 0
        self._left = [(fault, fault.times) for fault in faults if fault.times != 0]

    @property
    def pending(self) -> bool:
        """Whether any fault is still to come."""
        return bool(self._left)

    def take(self, *, model: str, path: str, reused: bool) -> Fault | None:
        """Use up one time of the first fault that matches the call.

        Args:
            model: the call's model, empty where it names none.
            path: the call's path.
            reused: whether its connection has carried a request before.
        """
        for at, (fault, times) in enumerate(self._left):
            if not _matches(fault, model, path, reused) or not self._hits(fault):
                continue
            if times is not None:
                self._left[at] = (fault, times - 1)
                if times <= 1:
                    del self._left[at]
            return fault
        return None

    def _hits(self, fault: Fault) -> bool:
        if fault.share == 1.0:
            return True
        self._draws += 1
        return seeded_fraction(self._seed, b"fault", self._draws) < fault.share


def _matches(fault: Fault, model: str, path: str, reused: bool) -> bool:
    if fault.kind is FaultKind.STALE and not reused:
        return False
    return fault.model in (None, model) and fault.path in (None, path)
