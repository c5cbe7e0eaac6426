"""Answers by meaning as the pipeline sees them: a question is read, found, tried, entered."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.cache.entry import Answer
from headrace.cache.semantic.scope import Eligibility, Question, read_question
from headrace.gateway.order import Order, Trial, whole_body
from headrace.gateway.stock.answers import Answers
from headrace.gateway.tasks import Spawn
from headrace.observe.metrics import Metrics

if TYPE_CHECKING:
    from headrace.cache.semantic.engine import SemanticCache


class Match(msgspec.Struct, frozen=True, gc=False):
    """A stored answer to a question that means the same.

    Attributes:
        similarity: of the two questions, 0 to 1.
    """

    answer: Answer
    similarity: float


class Meanings:
    """Belongs to one event loop.

    Args:
        cache: finds questions that mean the same.
        answers: what is stored.
        eligibility: which requests are compared at all.
        embedder: id of the embedder.
        metrics: counts.
        spawn: starts what nobody waits for.
        close: lets go of the embedder.
    """

    def __init__(
        self,
        cache: "SemanticCache",
        answers: Answers,
        *,
        eligibility: Eligibility,
        embedder: str,
        metrics: Metrics,
        spawn: Spawn,
        close: Callable[[], None],
    ) -> None:
        self._cache = cache
        self._answers = answers
        self._eligibility = eligibility
        self._embedder = embedder
        self._metrics = metrics
        self._spawn = spawn
        self.close = close
        self._told = cache.status().counts

    def question(self, order: Order, uncounted: frozenset[str]) -> Question | None:
        """What is compared of a request, while its body is at hand; `None` where nothing is.

        Args:
            order: a request that was routed.
            uncounted: top-level fields that cannot change the answer.
        """
        question = read_question(
            order.document,
            order.view,
            base=order.call.scope + order.way.scope,
            model=order.model,
            uncounted=uncounted | _SHAPE_FIELDS,
            embedder=self._embedder,
            eligibility=self._eligibility,
        )
        return question if isinstance(question, Question) else None

    async def find(self, order: Order, question: Question) -> Match | None:
        """A stored answer that will do. Where chance wants a trial, it is noted in the order."""
        candidate = await self._cache.find(question)
        if candidate is None:
            return None
        answer = await self._answers.under(candidate.key, order)
        self._cache.count(candidate, is_there=answer is not None)
        if answer is None:
            if not self._answers.holds(candidate.key):  # else it will do for others
                self._cache.forget((candidate.key,))
            return None
        if candidate.answers:
            return Match(answer, candidate.similarity)
        if candidate.is_trial:
            order.trial = Trial(candidate, answer)
        return None

    def enter(self, order: Order) -> None:
        """The request has an answer of its own: others may find it."""
        question = order.question
        if question is not None and not self._cache.holds(question, order.key):
            self._spawn(self._enter(question, order.key))

    def judge(self, order: Order, answer: Answer) -> None:
        """The provider has answered a request that a stored answer might have done for."""
        trial, order.trial = order.trial, None
        if trial is not None:
            self._spawn(self._judge(order, trial, answer))

    def forget_all(self) -> None:
        """Everything was purged."""
        self._cache.clear()

    def told(self) -> dict[str, Any]:
        """How it does, as plain data."""
        told: dict[str, Any] = msgspec.to_builtins(self._cache.status())
        return told

    def refresh_gauges(self) -> None:
        """Bring what is counted here up to date in the metrics."""
        status, before = self._cache.status(), self._told
        counts = self._told = status.counts
        metrics = self._metrics
        metrics.semantic_entries.set(status.entries)
        lookups = metrics.semantic_lookups
        faults = counts.embedding_faults - before.embedding_faults
        faults -= counts.entry_faults - before.entry_faults  # which looked nothing up
        for outcome, number in (
            ("hit", counts.hits - before.hits),
            ("trial", counts.trials - before.trials),
            ("miss", counts.unanswered - before.unanswered),
            ("fault", faults),
        ):
            lookups.add(lookups.at(outcome), number)
        judged = metrics.semantic_judged
        false = counts.false_hits - before.false_hits
        judged.add(judged.at("different"), false)
        judged.add(judged.at("same"), counts.judged_hits - before.judged_hits - false)

    async def _enter(self, question: Question, key: bytes) -> None:
        await self._cache.add(question, key)

    async def _judge(self, order: Order, trial: Trial, answer: Answer) -> None:
        stored, fresh = _text(order, trial.answer), _text(order, answer)
        if stored and fresh:
            await self._cache.judge(trial.candidate, stored, fresh)


def _text(order: Order, answer: Answer) -> str:
    call = order.call
    return call.dialect.reply_text(call.grammar.operation, whole_body(order, answer))


_SHAPE_FIELDS = frozenset({"stream", "stream_options"})
