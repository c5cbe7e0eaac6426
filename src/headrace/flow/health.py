"""When to ask an endpoint how it is, and what its answers say. Pure.

Active health checks as Envoy's and nginx's: some checks in a row turn an opinion, so that one lost
answer does not; who is not well is asked more often, so that it is back soon; each at its own time,
so that workers do not ask together.
"""

from collections.abc import Callable

import msgspec


class HealthTerms(msgspec.Struct, frozen=True):
    """How often to check, and what turns an opinion.

    Attributes:
        interval_s: between checks of an endpoint that is well.
        interval_s_ill: between checks of one that is not.
        failures: failed checks in a row after which it is not well.
        successes: checks in a row after which it is well again.
        jitter: the part of an interval that is taken off by lot.
    """

    interval_s: float = 30.0
    interval_s_ill: float = 5.0
    failures: int = 3
    successes: int = 2
    jitter: float = 0.2


class HealthCheck:
    """What is known of one endpoint. One owner, no lock; does no checking itself.

    Args:
        terms: how often.
        now_s: monotonic seconds.
        uniform: draws numbers from 0 to 1.
        on_change: called when the opinion has turned, with what it is now.

    Attributes:
        is_well: by the checks so far; at first it is.
        in_row: checks in a row that contradict `is_well`.
        next_s: when it is checked next, monotonic seconds; the first time within the interval,
            by lot.
    """

    __slots__ = ("_is_asked", "_on_change", "_terms", "_uniform", "in_row", "is_well", "next_s")

    def __init__(
        self,
        terms: HealthTerms,
        *,
        now_s: float,
        uniform: Callable[[], float],
        on_change: Callable[[bool], object],
    ) -> None:
        self._terms = terms
        self._uniform = uniform
        self._on_change = on_change
        self._is_asked = False
        self.is_well = True
        self.in_row = 0
        self.next_s = now_s + terms.interval_s * uniform()

    def is_due(self, now_s: float) -> bool:
        """Whether to check now, which is then to be told of by `tell`.

        Args:
            now_s: monotonic seconds.
        """
        if self._is_asked or now_s < self.next_s:
            return False
        self._is_asked = True
        return True

    def tell(self, now_s: float, *, is_well: bool) -> None:
        """A check was answered as it should be, or was not.

        Args:
            now_s: monotonic seconds.
            is_well: which of them.
        """
        self._is_asked = False
        terms = self._terms
        self.in_row = 0 if is_well == self.is_well else self.in_row + 1
        has_turned = self.in_row >= (terms.successes if is_well else terms.failures)
        if has_turned:
            self.is_well, self.in_row = is_well, 0
        # Whoever is in doubt is asked as often as whoever is ill.
        is_sure = self.is_well and not self.in_row
        interval_s = terms.interval_s if is_sure else min(terms.interval_s_ill, terms.interval_s)
        self.next_s = now_s + interval_s * (1 - terms.jitter * self._uniform())
        if has_turned:
            self._on_change(is_well)
