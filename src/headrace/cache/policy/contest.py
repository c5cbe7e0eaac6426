"""Which of several competitors earns most, and when that is worth a change of leader."""

import math
from collections.abc import Sequence
from typing import Final

import msgspec


class ContestRules(msgspec.Struct, frozen=True):
    """When a challenger replaces the leader.

    Attributes:
        uses_half_life: uses after which a gain counts half.
        uses_per_round: uses between two decisions.
        uses_dwell: uses that a leader stays for at the least.
        margin: share of the leader's earnings that a challenger has to earn on top of them.
        deviations: standard deviations by which that gain has to differ from nothing.
    """

    uses_half_life: int = 4096
    uses_per_round: int = 128
    uses_dwell: int = 2048
    margin: float = 0.02
    deviations: float = 3.0


DEFAULT_RULES: Final = ContestRules()


class Contest:
    """What each competitor earned, and what it earned more than the leader since that one leads.

    Competitors are compared use by use, so what all earn alike adds no noise. What is past is
    forgotten exponentially.

    Args:
        competitors: how many there are.
        leader: which one leads at first.
        rules: when that changes.
    """

    __slots__ = (
        "_earned",
        "_gains",
        "_keep",
        "_leader",
        "_rules",
        "_squares",
        "_uses_led",
        "_uses_of_round",
    )

    def __init__(
        self, competitors: int, *, leader: int, rules: ContestRules = DEFAULT_RULES
    ) -> None:
        self._rules = rules
        self._keep: float = 0.5 ** (rules.uses_per_round / rules.uses_half_life)
        self._leader = leader
        self._earned = [0.0] * competitors
        self._gains = [0.0] * competitors
        self._squares = [0.0] * competitors
        self._uses_of_round = 0
        self._uses_led = 0

    @property
    def leader(self) -> int:
        """Which competitor leads."""
        return self._leader

    @property
    def earned(self) -> tuple[float, ...]:
        """What each earned lately: a sum in which what is older counts less."""
        return tuple(self._earned)

    @property
    def is_round_over(self) -> bool:
        """Whether `decide` is due."""
        return self._uses_of_round >= self._rules.uses_per_round

    def book(self, hits: Sequence[bool], worth: float) -> None:
        """One use that was worth so much to those who had a hit."""
        self._uses_of_round += 1
        is_led = hits[self._leader]
        for competitor, is_hit in enumerate(hits):
            if is_hit:
                self._earned[competitor] += worth
            if is_hit is not is_led:
                self._gains[competitor] += worth if is_hit else -worth
                self._squares[competitor] += worth * worth

    def decide(self) -> int | None:
        """End a round: who should lead instead of the leader, if anybody should."""
        self._uses_led += self._uses_of_round
        self._uses_of_round = 0
        keep = self._keep
        self._earned = [earned * keep for earned in self._earned]
        self._gains = [gain * keep for gain in self._gains]
        self._squares = [square * keep * keep for square in self._squares]
        if self._uses_led < self._rules.uses_dwell:
            return None
        best = max(range(len(self._gains)), key=self._gains.__getitem__)
        return best if best != self._leader and self._is_clear(best) else None

    def crown(self, leader: int) -> None:
        """Let somebody lead; gains begin anew."""
        self._leader = leader
        self._gains = [0.0] * len(self._earned)
        self._squares = [0.0] * len(self._earned)
        self._uses_led = 0

    def _is_clear(self, challenger: int) -> bool:
        gain = self._gains[challenger]
        noise = math.sqrt(self._squares[challenger])
        return (
            gain > self._rules.margin * self._earned[self._leader]
            and gain > self._rules.deviations * noise
        )
