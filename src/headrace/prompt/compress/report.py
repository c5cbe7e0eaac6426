"""What was done to a request's texts, and what of it was taken back."""

from collections.abc import Iterable

import msgspec

from headrace.prompt.compress.rules import Level, Stage

INVARIANTS: tuple[str, ...] = ("smaller", "idempotent", "json-equal", "lossless-folds", "protected")
"""What is checked of every changed text; a change that fails is taken back."""


class StageCount(msgspec.Struct, frozen=True):
    """One stage of one request.

    Attributes:
        stage: which one.
        texts: texts that it made smaller.
        tokens_saved: by how much.
        reverted: texts in which it was taken back: nothing saved, too much saved, or a check
            failed.
    """

    stage: Stage
    texts: int
    tokens_saved: int
    reverted: int


class CompressReport(msgspec.Struct, frozen=True):
    """What compression did to one request.

    Attributes:
        level: what was asked for.
        texts: texts that were looked at: system text, users' turns, results of tools.
        changed: how many of them came out smaller.
        tokens_before: tokens of all that was looked at.
        tokens_after: the same afterwards.
        stages: the stages that changed something, or tried.
        invariants: what was checked, and holds, of every text that changed.
        cleared: results of calls that were made again and that are no longer sent.
    """

    level: Level
    texts: int
    changed: int
    tokens_before: int
    tokens_after: int
    stages: tuple[StageCount, ...]
    invariants: tuple[str, ...] = INVARIANTS
    cleared: int = 0

    @property
    def saved_share(self) -> float:
        """The share of tokens that is gone, 0 where there were none."""
        return 1 - self.tokens_after / self.tokens_before if self.tokens_before else 0.0


class StageTally:
    """Adds up what stages did to the texts of one request."""

    def __init__(self) -> None:
        self._saved: dict[Stage, list[int]] = {}

    def add(self, stage: Stage, tokens_saved: int, *, is_reverted: bool = False) -> None:
        """Note one stage on one text."""
        row = self._saved.setdefault(stage, [0, 0, 0])
        row[0] += not is_reverted
        row[1] += tokens_saved
        row[2] += is_reverted

    def add_all(self, effects: Iterable[tuple[Stage, int, bool]]) -> None:
        """Note what all stages did to one text: stage, tokens saved, whether it was taken back."""
        for stage, tokens_saved, is_reverted in effects:
            self.add(stage, tokens_saved, is_reverted=is_reverted)

    def counts(self) -> tuple[StageCount, ...]:
        """The sums, in the order in which stages were first seen."""
        return tuple(StageCount(stage, *row) for stage, row in self._saved.items())
