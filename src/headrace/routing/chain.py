"""What to try for a model, in which order, and what next when something failed. Pure.

A chain is written once, in the settings: perhaps a stale answer, then the targets step by step,
each step with the failures that lead to it, at last a text. A `Walk` is one call's way down its
chain. It never goes back, so it always ends, and no target is asked twice unless the caller says
that the same one is to be tried again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec

Failure = Literal[
    "open",
    "no_room",
    "rate_limited",
    "overloaded",
    "server_error",
    "unreachable",
    "timeout",
    "broken",
    "denied",
    "too_long",
    "filtered",
    "refused",
]
"""How a target failed: its breaker was open, its limit or quota had no room, it answered 429, 503
or 529, another 5xx; no connection, no answer in time, an answer that broke off or made no sense;
its key or model was not accepted (401 to 404); the prompt is too long for it, its filter took the
answer, or it found the request wrong."""

PASSING: Final[frozenset[Failure]] = frozenset(
    {
        "open",
        "no_room",
        "rate_limited",
        "overloaded",
        "server_error",
        "unreachable",
        "timeout",
        "broken",
    }
)
"""What is the target's trouble and not the request's; by itself, what leads to the next step."""

StaleWhen = Literal["never", "first", "second", "last"]
"""When a stale answer is looked for: never, before any target, once one has failed, or before the
text."""

_STATUSES: Final[Mapping[int, Failure]] = {
    401: "denied",
    402: "denied",
    403: "denied",
    404: "denied",
    408: "timeout",
    409: "server_error",
    413: "too_long",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_FAULTS: Final[Mapping[str, Failure]] = {
    "connect": "unreachable",
    "tls": "unreachable",
    "timeout_connect": "unreachable",
    "timeout_first_byte": "timeout",
    "timeout_idle": "timeout",
    "timeout_total": "timeout",
    "reset": "broken",
    "cut": "broken",
    "garbage": "broken",
    "too_large": "broken",
    "shutdown": "broken",
}


def failure_of_status(status: int) -> Failure:
    """How a target failed that answered with `status`, 400 or more."""
    return _STATUSES.get(status) or ("server_error" if status >= 500 else "refused")


def failure_of_fault(kind: str) -> Failure:
    """How a target failed on the way.

    Args:
        kind: what happened, as `UpstreamFault.kind` says it.
    """
    return _FAULTS.get(kind, "broken")


class Step(msgspec.Struct, frozen=True):
    """Targets that stand for each other.

    Attributes:
        targets: their names, each in one step of a chain only.
        after: how the one before has to have failed for this step to be taken; the first step
            needs no failure.
    """

    targets: tuple[str, ...]
    after: frozenset[Failure] = PASSING


class Chain(msgspec.Struct, frozen=True):
    """What is tried for a model.

    Attributes:
        steps: the targets, in order.
        stale: when a stale answer is looked for.
        text: given when nothing else is there; `None` for an error.
        text_after: how the last target has to have failed for the text to be given.

    Raises:
        ValueError: there is no target, or one stands in two places.
    """

    steps: tuple[Step, ...]
    stale: StaleWhen = "never"
    text: str | None = None
    text_after: frozenset[Failure] = PASSING

    def __post_init__(self) -> None:
        names = [name for step in self.steps for name in step.targets]
        if not self.steps or not all(step.targets for step in self.steps):
            raise ValueError("a chain has a step at least, and each step a target")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: a target stands in one place of a chain only")


class Ask(msgspec.Struct, frozen=True, tag=True):
    """Send the call to `target`."""

    target: str


class LookForStale(msgspec.Struct, frozen=True, tag=True):
    """Give a stale answer, if there is one; otherwise go on."""


class GiveText(msgspec.Struct, frozen=True, tag=True):
    """Give `text` as the answer."""

    text: str


class GiveUp(msgspec.Struct, frozen=True, tag=True):
    """Tell the caller what failed last.

    Attributes:
        failure: how the last one that was asked failed; where none was, why not.
        was_asked: whether any target was: otherwise nothing but time is lost by trying again.
    """

    failure: Failure
    was_asked: bool


Move = Ask | LookForStale | GiveText | GiveUp
Choose = Callable[[Sequence[str]], str]
Blocked = Callable[[str], Failure | None]


class Walk:
    """One call's way down a chain.

    Args:
        chain: of its model.
        blocked: says of a target why it cannot be asked now, `None` where it can: its breaker is
            open, or its limit has no room. Asked right before a target would be.
        choose: which of several targets of one step is next; the first, where it is not given.

    Attributes:
        tried: the targets that were asked or could not be, in order, and how each failed; the
            last one asked is not in it before it has failed.
        asked: how many calls went out, those that were tried again included.
    """

    __slots__ = (
        "_at",
        "_blocked",
        "_chain",
        "_choose",
        "_failure",
        "_is_over",
        "_left",
        "_may_look",
        "_target",
        "asked",
        "tried",
    )

    def __init__(self, chain: Chain, *, blocked: Blocked, choose: Choose | None = None) -> None:
        self._chain = chain
        self._blocked = blocked
        self._choose = choose
        self._at = 0
        self._left: list[str] = list(chain.steps[0].targets)
        self._may_look = chain.stale != "never"
        self._is_over = False
        self._failure: Failure | None = None
        self._target: str | None = None
        self.tried: list[tuple[str, Failure]] = []
        self.asked = 0

    def next(
        self, failure: Failure | None = None, *, again: bool = False, has_begun: bool = False
    ) -> Move:
        """What to do now.

        Args:
            failure: how the target asked last failed; `None` at the start, and after a stale
                answer was looked for in vain.
            again: whether the same target is to be tried once more; only where one has failed.
            has_begun: whether the client was sent a byte of the answer: nothing is tried then.

        Raises:
            ValueError: a failure of no target is told, or none of one that was asked.
        """
        if (failure is None) is not (self._target is None):
            raise ValueError("a failure is told of the target asked last, once, and of no other")
        if failure is not None and self._target is not None:
            target, self._target = self._target, None
            self._failure = failure
            self.tried.append((target, failure))
            if has_begun:
                self._is_over = True
            elif again and not self._is_over:
                return self._ask(target)
        if self._is_over:
            return self._give_up()
        return self._next_move() or self._end()

    def _next_move(self) -> Move | None:
        """A look for a stale answer where it is time, or the next target that may be asked."""
        while True:
            if self._is_time_to_look():
                self._may_look = False
                return LookForStale()
            if not self._left and not self._enter_next_step():
                return None
            if not self._leads_on():
                self._left.clear()
                continue
            target = self._take()
            blocked = self._blocked(target)
            if blocked is None:
                return self._ask(target)
            self.tried.append((target, blocked))
            # What a target said of the request counts for more than that another was not asked.
            if not self.asked:
                self._failure = blocked

    def _is_time_to_look(self) -> bool:
        if not self._may_look:
            return False
        stale, failure = self._chain.stale, self._failure
        return stale == "first" or (stale == "second" and failure in PASSING)

    def _take(self) -> str:
        if self._choose is None or len(self._left) == 1:
            return self._left.pop(0)
        target = self._choose(self._left)
        self._left.remove(target)
        return target

    def _leads_on(self) -> bool:
        """Whether what failed last leads to the step that is at hand."""
        return self._failure is None or self._failure in self._chain.steps[self._at].after

    def _enter_next_step(self) -> bool:
        if self._at + 1 >= len(self._chain.steps):
            return False
        self._at += 1
        self._left = list(self._chain.steps[self._at].targets)
        return True

    def _ask(self, target: str) -> Ask:
        self._target = target
        self.asked += 1
        return Ask(target)

    def _end(self) -> Move:
        """No target is left: a stale answer, the text, or the failure."""
        if self._may_look and self._failure in PASSING:
            self._may_look = False
            return LookForStale()
        self._is_over = True
        if self._chain.text is not None and self._failure in self._chain.text_after:
            return GiveText(self._chain.text)
        return self._give_up()

    def _give_up(self) -> GiveUp:
        # A way ends with a failure: there is a target, and it was asked or could not be.
        return GiveUp(self._failure or "refused", was_asked=bool(self.asked))
