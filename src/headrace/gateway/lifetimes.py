"""How long answers are fresh: as the settings say, or as long as they have been seen to last."""

from headrace.cache.adaptive import AdaptiveTtl, LastAnswers, answer_digest
from headrace.cache.entry import Answer, Shape
from headrace.gateway.order import Order


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
