"""How much of what can wait is to give way while the budget of a service level burns. Pure.

It begins where two windows burn too fast, as the alerts of Google's SRE Workbook do, and from then
on goes by what has ended since it looked last: what is over does not keep it up, however long the
windows remember it.
"""

from typing import Final, NamedTuple

from headrace.settings.slos import BAD_LEAST, Reaction

ANSWERS_LEAST: Final = 20
"""With fewer answers since the last look it waits, three times as long at most."""
LOOKS_WAITED_MAX: Final = 3
PROPORTIONAL: Final = 0.3
"""What of the error gives way at once, and no longer than it is there: it drains what has piled up
while it burnt."""
INTEGRAL: Final = 0.1
"""What of it is added with each look to what stays."""
EASE: Final = 0.15
"""The error of a look that finds it at rest, below zero,"""
EASE_LOOKS: Final = 8
"""for so many looks in a row;"""
EASE_GROWTH: Final = 1.5
"""at each further one it is so many times more, up to 1."""
STEP_MAX: Final = 0.25
"""No look moves the share by more."""


class Looked(NamedTuple):
    """What ended since the last look, and how fast the budget burns over both windows.

    Attributes:
        every: answers that count.
        burn: in multiples of the rate at which the budget lasts.
        fast: the same over the short window.
        slow: and over the long one.
        bad: bad answers of the short one.
    """

    every: float
    burn: float
    fast: float
    slow: float
    bad: float


class ReactionCourse:
    """The course of one reaction: a PI controller of the burn rate.

    Its error is 0 at the rate at which it rests, and 1 from the one at which it begins on: a tight
    budget burns at hundreds of times its rate, and would slam it otherwise.

    Args:
        terms: what is set.
        start: the burn rate from which on it begins.
        share: where it begins, where it is under way already.

    Attributes:
        terms: see above; may be replaced by others of the same level.
        start: see above; likewise.
        share: the share of what may give way that does, 0 to `terms.share_max`.
    """

    __slots__ = ("_rested", "_stays", "share", "start", "terms")

    def __init__(self, terms: Reaction, start: float, share: float = 0.0) -> None:
        self.terms = terms
        self.start = start
        self.share = self._stays = min(max(share, 0.0), terms.share_max)
        self._rested = 0

    def look(self, looked: Looked) -> None:
        """Take in what has happened; one bounded step, however long it has been."""
        if self.share == 0 and not self._begins(looked):
            return
        most = self.terms.share_max
        error = self._error(looked)
        self._stays = min(max(self._stays + INTEGRAL * error, 0.0), most)
        aim = self._stays + PROPORTIONAL * max(error, 0.0)
        before = min(self.share, most)
        self.share = min(max(aim, before - STEP_MAX, 0.0), before + STEP_MAX, most)
        if self.share == 0:
            self._rested = 0

    def _begins(self, looked: Looked) -> bool:
        is_enough = looked.every > 0 and looked.bad >= BAD_LEAST
        return is_enough and min(looked.burn, looked.fast, looked.slow) > self.start

    def _error(self, looked: Looked) -> float:
        rest = self.terms.rest_rate
        if looked.every > 0 and looked.burn > rest:
            self._rested = 0
            return min((looked.burn - rest) / (self.start - rest), 1.0)
        self._rested += 1
        return -min(EASE * EASE_GROWTH ** max(self._rested - EASE_LOOKS, 0), 1.0)


def is_due(every: float, waited_s: float, look_s: float) -> bool:
    """Whether it is time to look: after `look_s`, or later where little has ended."""
    if waited_s < look_s:
        return False
    return every >= ANSWERS_LEAST or waited_s >= LOOKS_WAITED_MAX * look_s


def shares(share: float, low: float, normal: float) -> tuple[float, float]:
    """The share of each class that gives way: low priority first, then normal.

    Args:
        share: of both together.
        low: calls of low priority that came of late; `normal`: those of normal priority. Where
            there were none, both classes are taken to be as large.
    """
    every = low + normal
    of_low = low / every if every > 0 else 0.5
    if share <= of_low:
        return (share / of_low if of_low > 0 else 0.0), 0.0
    return 1.0, min((share - of_low) / (1.0 - of_low), 1.0)
