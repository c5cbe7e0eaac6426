"""Conversations made to fit a context window. Pure.

What is sent depends on the conversation and the budget alone, never on what was sent before: two
workers, or the same one after a restart, cut alike.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec

from headrace.model import DialectName
from headrace.prompt.counting.count import CountText
from headrace.prompt.counting.images import ImageRule
from headrace.prompt.window.cut import Cut, Ledger
from headrace.prompt.window.groups import PIN, Group, grouped, is_system
from headrace.prompt.window.rebuild import FILLER, NOTE, Rebuilt, clear, stays, unpinned
from headrace.prompt.window.refusal import too_long
from headrace.prompt.window.weights import Message, Scale

_SUMMARY_HEAD = "What they said, in short:"
# What a note, and the chat format around it, take besides its text.
_ROUND = 8

Ranges = tuple[tuple[int, int], ...]


class WindowBudget(msgspec.Struct, frozen=True, kw_only=True):
    """How long a prompt may be, and what is done where it is longer.

    Attributes:
        tokens: what messages, system text and tools may come to together.
        tokens_max: what is still sent where nothing more may be left out; `None`: `tokens`.
        room: what a refusal tells as the limit; `None`: `tokens_max`.
        step_share: by what part of `tokens` the cut moves at a time.
        recent_share: the part of `tokens` at the end whose results of tools are not cleared.
        keep_first: how many messages at the beginning stay, system text not counted.
        clears_results: whether old results of tools are cleared before messages are left out.
        summary_tokens: room for a summary of what was left out; 0: there is none.
    """

    tokens: int
    tokens_max: int | None = None
    room: int | None = None
    step_share: float = 0.25
    recent_share: float = 0.25
    keep_first: int = 1
    clears_results: bool = True
    summary_tokens: int = 0


class FitReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to make a conversation fit.

    Attributes:
        tokens_before: what the whole request came to, as it was counted.
        tokens_after: what is sent.
        budget_tokens: what it was to fit.
        messages_dropped: messages that were left out.
        results_cleared: results of tools that were cleared.
        summarised: whether a summary stands in place of what was left out.
        left_out: what was left out, as ranges of message numbers.
        next_out: what will be left out when the cut moves, once that is certain; empty before,
            and where no summary is wanted.
    """

    tokens_before: int
    tokens_after: int
    budget_tokens: int
    messages_dropped: int = 0
    results_cleared: int = 0
    summarised: bool = False
    left_out: Ranges = ()
    next_out: Ranges = ()

    @property
    def is_changed(self) -> bool:
        """Whether anything was left out or cleared."""
        return bool(self.messages_dropped or self.results_cleared)


Recall = Callable[[list[Message]], str | None]
"""The summary of messages that are left out, `None` where there is none (yet)."""


def fit_document(
    document: dict[str, Any],
    *,
    dialect: DialectName,
    budget: WindowBudget,
    count: CountText,
    image: ImageRule | None = None,
    recall: Recall | None = None,
) -> tuple[dict[str, Any], FitReport]:
    """Make a request fit a context window.

    Old results of tools are cleared first, then the oldest groups of messages are left out, both
    in big steps. System text, tools, pinned messages, the first ones, the last turn's first
    message and the last message stay; calls of tools stay with their results.

    Args:
        document: the request, decoded; it is not changed.
        dialect: how it is written.
        budget: how long it may be.
        count: tokens of a text; the same text has to give the same number with every turn, or the
            cut moves.
        image: tokens of an image; `None`: one is like another.
        recall: finds a summary of what is left out.

    Returns:
        The request to send, the very same object where it fits as it is, and what was done.

    Raises:
        InvalidRequest: what has to stay does not fit (`context_length_exceeded`), or a pin is
            neither true nor false.
    """
    messages = document.get("messages")
    if type(messages) is not list:
        return document, FitReport(tokens_before=0, tokens_after=0, budget_tokens=budget.tokens)
    fitting = _Fitting(messages, dialect, budget, Scale(count, dialect, image))
    fitting.weigh(document)
    if fitting.tokens <= budget.tokens:
        return fitting.as_it_is(document)
    return fitting.cut(document, recall)


class _Fitting:
    """One conversation on its way into a window."""

    def __init__(
        self, messages: list[Message], dialect: DialectName, budget: WindowBudget, scale: Scale
    ) -> None:
        self._messages = messages
        self._dialect = dialect
        self._budget = budget
        self._scale = scale
        self._groups = _with_first(grouped(messages, dialect), messages, budget.keep_first)

    def weigh(self, document: dict[str, Any]) -> None:
        """Weigh everything."""
        message = self._scale.message
        self._frame = self._scale.frame(document)
        self._weights = [
            sum(map(message, self._messages[group.start : group.end])) for group in self._groups
        ]
        self.tokens = self._frame + sum(self._weights)

    def as_it_is(self, document: dict[str, Any]) -> tuple[dict[str, Any], FitReport]:
        """All of it, without the pins."""
        if any(PIN in message for message in self._messages):
            document = {**document, "messages": list(map(unpinned, self._messages))}
        next_out: Ranges = ()
        budget = self._budget
        recent = _share(budget.tokens, budget.recent_share) + budget.summary_tokens
        if budget.summary_tokens and self.tokens > budget.tokens - recent:
            self._leave_broken()
            next_out = self._next_out(self._ledger(), Cut())
        return document, FitReport(
            tokens_before=self.tokens,
            tokens_after=self.tokens,
            budget_tokens=budget.tokens,
            next_out=next_out,
        )

    def cut(
        self, document: dict[str, Any], recall: Recall | None
    ) -> tuple[dict[str, Any], FitReport]:
        """What is left of it.

        Raises:
            InvalidRequest: nothing that is left fits.
        """
        self._leave_broken()
        ledger = self._ledger()
        cut = Cut() if ledger.excess <= 0 else ledger.now()
        if cut is None:
            cut = self._least(ledger)
        if not self._budget.clears_results:
            cut = cut._replace(clear_end=0)
        left_out = self._left_out(cut)
        note, summarised = self._note(left_out, recall)
        rebuilt = Rebuilt(self._dialect, self._scale)
        rebuilt.make(self._messages, self._groups, cut, note)
        fitted = {**document, "messages": rebuilt.messages}
        return fitted, FitReport(
            tokens_before=self.tokens,
            tokens_after=self._frame + sum(map(self._scale.message, rebuilt.messages)),
            budget_tokens=self._budget.tokens,
            messages_dropped=sum(end - start for start, end in left_out),
            results_cleared=rebuilt.cleared,
            summarised=summarised,
            left_out=left_out,
            next_out=self._next_out(ledger, cut) if self._budget.summary_tokens else (),
        )

    def _leave_broken(self) -> None:
        """Leave out what no provider takes, but for the end: that is the caller's to put right."""
        whole = [
            place
            for place, group in enumerate(self._groups)
            if not group.is_broken or group.end == len(self._messages)
        ]
        self._groups = [self._groups[place] for place in whole]
        self._weights = [self._weights[place] for place in whole]

    def _ledger(self) -> Ledger:
        budget, text = self._budget, self._scale.text
        fixed = sum(group.is_fixed for group in self._groups)
        notes = text(NOTE) + _ROUND + (text(FILLER) + _ROUND) * (fixed + 1)
        room = budget.tokens - notes - budget.summary_tokens
        return Ledger(
            self._groups,
            self._weights,
            list(map(self._saving, self._groups)),
            frame=self._frame,
            room=room,
            step=_share(budget.tokens, budget.step_share),
            recent=_share(budget.tokens, budget.recent_share),
        )

    def _saving(self, group: Group) -> int:
        if group.is_fixed or not self._budget.clears_results:
            return 0
        return sum(clear(self._messages[number], self._scale)[2] for number in group.results)

    def _least(self, ledger: Ledger) -> Cut:
        cut = ledger.least()
        tokens_max = self._budget.tokens_max or self._budget.tokens
        notes = self._budget.tokens - ledger.room
        tokens = ledger.room + ledger.excess - ledger.saved(cut) + notes
        if tokens > tokens_max:
            room = self._budget.room
            raise too_long(self._dialect, tokens, tokens_max if room is None else room)
        return cut

    def _note(self, left_out: Ranges, recall: Recall | None) -> tuple[str, bool]:
        if recall is None or not left_out or not self._budget.summary_tokens:
            return NOTE, False
        summary = recall(messages_of(self._messages, left_out))
        if not summary:
            return NOTE, False
        short = self._shortened(summary, self._budget.summary_tokens - _ROUND)
        return f"{NOTE}\n{_SUMMARY_HEAD}\n{short}", True

    def _shortened(self, text: str, tokens_max: int) -> str:
        while text and (tokens := self._scale.text(text)) > tokens_max:
            text = text[: min(len(text) - 1, len(text) * max(0, tokens_max) // tokens)]
        return text

    def _next_out(self, ledger: Ledger, current: Cut) -> Ranges:
        cut = ledger.next(current)
        return () if cut is None else self._left_out(cut)

    def _left_out(self, cut: Cut) -> Ranges:
        """The numbers of all messages that are in no group that stays."""
        kept = [group for place, group in enumerate(self._groups) if stays(group, place, cut)]
        bounds = [0, *(edge for group in kept for edge in (group.start, group.end))]
        bounds.append(len(self._messages))
        return tuple((start, end) for start, end in list(pairwise(bounds))[::2] if start < end)


def messages_of(messages: list[Message], ranges: Ranges) -> list[Message]:
    """The messages that ranges name."""
    return [message for start, end in ranges for message in messages[start:end]]


def _share(tokens: int, share: float) -> int:
    return max(1, int(tokens * share))


def _with_first(groups: list[Group], messages: list[Message], keep_first: int) -> list[Group]:
    """The same groups, with those of the first messages fixed."""
    fixed: list[Group] = []
    for place, group in enumerate(groups):
        if keep_first <= 0:
            return fixed + groups[place:]
        if not is_system(messages[group.start]):
            keep_first -= group.end - group.start
            group = msgspec.structs.replace(group, is_fixed=True)
        fixed.append(group)
    return fixed
