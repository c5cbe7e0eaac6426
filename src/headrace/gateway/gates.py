"""What is known of each model of a provider, and decides whether it is asked: one gate for each."""

from collections.abc import Callable

from headrace.flow.breaker import Breaker, BreakerTerms, State
from headrace.flow.budget import ShareBudget
from headrace.flow.retry import Backoff
from headrace.limits import GATES_MAX

OnChange = Callable[[str, State], object]


class Gate:
    """One model of one provider, as one worker sees it."""

    __slots__ = ("breaker",)

    def __init__(self, breaker: Breaker) -> None:
        self.breaker = breaker


class Gates:
    """All gates of one provider, and what they have in common.

    Args:
        terms: of the breakers.
        backoff: how often, and after what time, a call is tried again.
        budget: extra calls that the provider is asked for.
        uniform: draws numbers from 0 to 1.
        on_change: told the model whose breaker changed, and how it is now.

    Attributes:
        backoff: see above.
        budget: see above.
    """

    def __init__(
        self,
        *,
        terms: BreakerTerms,
        backoff: Backoff,
        budget: ShareBudget,
        uniform: Callable[[], float],
        on_change: OnChange,
    ) -> None:
        self.backoff = backoff
        self.budget = budget
        self._terms = terms
        self._uniform = uniform
        self._on_change = on_change
        self._gates: dict[str, Gate] = {}

    def of(self, model: str) -> Gate:
        """The gate of a model, as the provider calls it.

        Callers may make names up: beyond a number of them, all further ones share a gate.
        """
        gate = self._gates.get(model)
        return gate if gate is not None else self._make(model)

    @property
    def not_closed(self) -> int:
        """Models that are not asked, or on probation."""
        return sum(gate.breaker.state is not State.CLOSED for gate in self._gates.values())

    def _make(self, model: str) -> Gate:
        name = model if len(self._gates) < GATES_MAX else ""
        gate = self._gates.get(name)
        if gate is None:
            breaker = Breaker(
                self._terms,
                uniform=self._uniform,
                on_change=lambda _, new: self._on_change(name, new),
            )
            gate = self._gates[name] = Gate(breaker)
        return gate
