"""How long answers are fresh: as the settings say, or as long as they have been seen to last."""

from headrace.cache.adaptive import AdaptiveTtl, LastAnswers, answer_digest
from headrace.cache.entry import Answer, Shape
from headrace.clock import Clock
from headrace.gateway.order import Order


class CheckAllowance:
    """So many checks a minute and no more, however many hits there are: each is a paid call.

    Args:
        per_minute: checks; as many as a second of it may come at once, and at least one.
        clock: tells the time.
    """

    def __init__(self, per_minute: float, clock: Clock) -> None:
        self._per_s = per_minute / 60.0
        self._left_max = max(1.0, self._per_s)
        self._left = self._left_max
        self._now_s = clock.monotonic_s
        self._when_s = self._now_s()

    def take(self) -> bool:
        """Whether one more is allowed now; it is taken."""
        now_s = self._now_s()
        filled = self._left + (now_s - self._when_s) * self._per_s
        self._left, self._when_s = min(self._left_max, filled), now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Lifetimes:
    """Lifetimes that follow how often answers really change. Belongs to one event loop.

    Args:
        ttl: what is known of each category.
        last: what was said last to each key.
    """

    def __init__(self, ttl: AdaptiveTtl, last: LastAnswers) -> None:
        self._ttl = ttl
        self._last = last
        self.wants_check = ttl.wants_check

    def ttl_s(self, order: Order) -> float:
        """How long the answer to a request is fresh, in seconds."""
        return self._ttl.ttl_s(_category(order))

    def came(self, order: Order, answer: Answer, now_s: float) -> None:
        """A provider has answered: compare it with what was said last.

        The pieces of a stream are cut anew each time, so only whole answers are compared.
        """
        if answer.shape is not Shape.WHOLE:
            return
        change = self._last.replace(order.key, answer_digest(answer.body), now_s)
        if change is not None:
            age_s, changed = change
            self._ttl.observe(_category(order), age_s, changed=changed)

    def told(self) -> list[dict[str, object]]:
        """What is known of each category, as plain data."""
        return [
            {
                "category": known.category,
                "ttl_s": round(known.ttl_s, 1),
                "observations": known.observations,
                "changed": known.changed,
            }
            for known in self._ttl.report()
        ]


def _category(order: Order) -> str:
    call = order.call
    return f"{call.tenant} {call.grammar.operation.value} {order.way.endpoint.name}/{order.model}"
