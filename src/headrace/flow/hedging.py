"""When a second call is worth it while the first one has not begun to answer. Pure.

A request that has no first token when most others have had theirs is asked again, of another key
or provider; whichever answers first is taken, and the other is cancelled (Dean, Barroso, "The Tail
at Scale", CACM 2013). A budget keeps the second calls to a small share of the requests.
"""

from typing import Final, Literal

import msgspec

from headrace.flow.budget import ShareBudget
from headrace.flow.quantiles import DurationSketch

# First tokens between two looks at the quantile.
_LOOKS_APART: Final = 32
# The part of the budget that is meant to be spent.
_PLANNED: Final = 0.85
# Below it, how long the first token takes is hardly a matter of how much is read.
_SHORT_BITS: Final = 12

HedgeOutcome = Literal["won", "lost", "failed", "cancelled", "refused", "blocked"]
"""What became of a second call: it took the place of the first, by answering before it or because
that failed; the first answered before it; it failed while the first was under way; nobody waited
any more; or there was none, for want of budget or time, or of anybody to ask.
"""


class HedgeTerms(msgspec.Struct, frozen=True):
    """When and how often to hedge.

    Attributes:
        quantile: the share of calls whose first token has come before a second call is made.
        share: second calls for each request.
        floor: second calls in a window that need no requests.
        window_s: seconds that requests and second calls count for.
        samples_min: before so many first tokens were seen, nothing is hedged.
        memory: first tokens that are remembered.
        delay_s_min: no second call is made sooner.
    """

    quantile: float = 0.95
    share: float = 0.02
    floor: int = 0
    window_s: float = 60.0
    samples_min: int = 50
    memory: int = 1000
    delay_s_min: float = 0.02


class Hedging:
    """What one upstream's first tokens say about when to hedge. One owner, no lock.

    The second call is made after the observed p95 of the time to the first token, or as much
    later as the budget makes sense of: where 2 % may be hedged, these should be the slowest 2 %
    and not the first ones to come by of the slowest 5 %. A part of the budget is left for when
    many are slow at once.

    Args:
        terms: when and how often.
        budget: shared with others; by default one of its own.

    Attributes:
        delay_s: seconds after which a call without a first token may be hedged; `None` before
            enough is known.
        budget: what is left.
    """

    __slots__ = ("_quantile", "_seen", "_sketch", "_terms", "budget", "delay_s")

    def __init__(self, terms: HedgeTerms, budget: ShareBudget | None = None) -> None:
        self._terms = terms
        self._quantile = max(terms.quantile, 1 - _PLANNED * terms.share)
        self._sketch = DurationSketch(terms.memory)
        self._seen = 0
        self.delay_s: float | None = None
        self.budget = budget or _budget(terms)

    def begin(self, now_s: float) -> float | None:
        """A request begins; says after how many seconds to ask `try_hedge`, or `None` for never.

        Args:
            now_s: monotonic seconds.
        """
        self.budget.deposit(now_s)
        return self.delay_s

    def observe(self, ttft_s: float) -> None:
        """A call's first token has come, or the call was cancelled for another that was faster.

        Args:
            ttft_s: seconds from when it was sent. Of one that was cancelled, until then: leaving
                it out would make the slow look rarer than they are.
        """
        self._sketch.add(ttft_s)
        self._seen += 1
        if self._seen >= self._terms.samples_min and (
            self.delay_s is None or self._seen % _LOOKS_APART == 0
        ):
            found_s = self._sketch.quantile_s(self._quantile) or 0.0
            self.delay_s = max(found_s, self._terms.delay_s_min)

    def try_hedge(self, now_s: float, *, has_begun: bool, deadline_s: float | None = None) -> bool:
        """Whether a second call is made now; takes it out of the budget where it is.

        Args:
            now_s: monotonic seconds.
            has_begun: whether the first token has come.
            deadline_s: when the call has to be done: no second one is made that would most
                likely have no first token by then.
        """
        if has_begun or self.delay_s is None:
            return False
        if deadline_s is not None:
            typical_s = self._sketch.quantile_s(0.5) or 0.0
            if now_s + typical_s >= deadline_s:
                return False
        return self.budget.try_spend(now_s)


class Hedges:
    """The hedging of one model of a provider.

    Calls are compared with their likes: streams and whole answers apart, whose first byte comes
    with the last, and requests by size, in powers of four. One budget is for all.

    Args:
        terms: when and how often.
        same_target: whether a call may be made twice at the one target there is.

    Attributes:
        budget: what is left.
        outcomes: what became of second calls.
        input_tokens: those of the calls that were cancelled, estimated.
        usd: what these cost, estimated, in US dollars.
    """

    __slots__ = (
        "_kinds",
        "_terms",
        "budget",
        "input_tokens",
        "outcomes",
        "same_target",
        "usd",
    )

    def __init__(self, terms: HedgeTerms, *, same_target: bool) -> None:
        self._terms = terms
        self._kinds: dict[int, Hedging] = {}
        self.same_target = same_target
        self.budget = _budget(terms)
        self.outcomes: dict[HedgeOutcome, int] = {}
        self.input_tokens = 0
        self.usd = 0.0

    def of(self, *, is_stream: bool, request_bytes: int) -> Hedging:
        """What is known of calls like this one.

        Args:
            is_stream: whether its answer comes in pieces.
            request_bytes: size of its body.
        """
        kind = ((request_bytes >> _SHORT_BITS).bit_length() + 1) // 2 * 2 + is_stream
        hedging = self._kinds.get(kind)
        if hedging is None:
            hedging = self._kinds[kind] = Hedging(self._terms, self.budget)
        return hedging

    def ended(self, outcome: HedgeOutcome) -> None:
        """Count what became of a second call."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def spent(self, input_tokens: int, usd: float) -> None:
        """Book what a call that was cancelled may have cost."""
        self.input_tokens += input_tokens
        self.usd += usd


def _budget(terms: HedgeTerms) -> ShareBudget:
    return ShareBudget(share=terms.share, floor=terms.floor, window_s=terms.window_s)
