"""Answers for questions that mean the same: scope, nearest, guards, threshold, verifier.

Every step can only say no. What fails, or takes too long, is a miss.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from copy import copy
from math import isfinite
from typing import Final

from headrace.cache.semantic.candidate import Candidate, Outcome
from headrace.cache.semantic.config import Mode, SemanticConfig
from headrace.cache.semantic.counts import Counts, Report
from headrace.cache.semantic.embedder import EmbeddingFault
from headrace.cache.semantic.embedding import Embeddings, Spawn
from headrace.cache.semantic.graph import require_graph
from headrace.cache.semantic.guards import GUARDS, object_to
from headrace.cache.semantic.index import Near
from headrace.cache.semantic.reading import read
from headrace.cache.semantic.scope import Question
from headrace.cache.semantic.scopes import Entry, Scope, Scopes
from headrace.cache.semantic.threshold import (
    ENTRY_LABELS_MAX,
    Bound,
    Curve,
    Label,
    entry_threshold,
    explores,
    fit_curve,
)
from headrace.cache.semantic.traits import Traits
from headrace.cache.semantic.verifier import Comparison, Verifier
from headrace.errors import HeadraceError

_TRAITS_REMEMBERED_MAX: Final = 1024
# Labels after which the curve is fitted again; more often at first.
_FIT_EVERY: Final = 256
_FIT_EARLY: Final = frozenset((32, 64, 128))


class SemanticCache:
    """Finds stored answers by what questions mean. Belongs to one event loop.

    It holds questions and the keys of their answers, never answers: whoever has those is told the
    key, and says by `forget` that a key leads nowhere any more.

    Args:
        config: how it is set up.
        embeddings: vectors of texts.
        spawn: starts tasks, and tells of errors in them.
        dice: gives numbers from 0 to 1, seeded; decides which candidates are labelled.
        verifier: has the last word on two questions; none lets guards and thresholds decide.
        comparison: says whether two answers are the same; without it nothing is learned.

    Raises:
        ValueError: a value of `config` is not allowed.
        NotRunning: `entries_max` is above `exact_max`, and usearch is not installed.
    """

    def __init__(
        self,
        config: SemanticConfig,
        *,
        embeddings: Embeddings,
        spawn: Spawn,
        dice: Callable[[], float],
        verifier: Verifier | None = None,
        comparison: Comparison | None = None,
    ) -> None:
        unknown = set(config.guards) - set(GUARDS)
        if unknown:
            raise ValueError(f"there is no guard called {', '.join(sorted(unknown))}")
        if config.entries_max > config.exact_max:
            require_graph()
        self._config = config
        self._embeddings = embeddings
        self._spawn = spawn
        self._dice = dice
        self._verifier = verifier
        self._comparison = comparison
        self._bound = Bound(
            max_error=config.max_error,
            static=config.similarity,
            floor=config.similarity_floor,
            trusts_static=config.trusts_static,
        )
        self._curve = Curve()
        self._scopes = Scopes(
            scopes_max=config.scopes_max,
            entries_max=config.entries_max,
            bytes_max=config.bytes_max,
            exact_max=config.exact_max,
        )
        self._traits: OrderedDict[str, Traits] = OrderedDict()
        self._counts = Counts(objections=dict.fromkeys(config.guards, 0))

    @property
    def mode(self) -> Mode:
        """What it does with what it finds."""
        return self._config.mode

    async def find(self, question: Question) -> Candidate | None:
        """The stored answer to a question that means the same; `None` is a miss.

        Whether it may be given, and whether it is a trial, the candidate says. Whoever looks the
        answer up says by `count` whether it is there.
        """
        if self._config.mode is Mode.OFF:
            return None
        self._counts.looked_up += 1
        scope = self._scopes.scope(question.scope)
        if scope is None:
            self._counts.unanswered += 1
            return None  # nothing to compare with, so no vector is needed yet
        try:
            vector = await self._embeddings.vector(question.text)
        except EmbeddingFault:
            self._counts.embedding_faults += 1
            return None
        near = await scope.index.nearest(vector, self._config.candidates_max)
        chosen = self._unobjected(question.text, scope, near)
        if chosen is None:
            self._counts.unanswered += 1
            return None
        return await self._decide(question, *chosen)

    async def add(self, question: Question, key: bytes) -> bool:
        """Let a stored answer be found by what its question means.

        Not for answers that were found so themselves: each would lead a little further away.

        Returns:
            Whether it can be found now; not so where there is no vector.
        """
        if self._config.mode is Mode.OFF:
            return False
        if self.holds(question, key):
            return True
        try:
            vector = await self._embeddings.vector(question.text)
        except EmbeddingFault:
            self._counts.embedding_faults += 1
            self._counts.entry_faults += 1
            return False
        await self._scopes.add(question.scope, key, question.text, vector)
        return True

    def count(self, candidate: Candidate, *, is_there: bool) -> None:
        """Book a candidate, once it is known whether its answer is there still."""
        counts = self._counts
        if not is_there:
            counts.unanswered += 1
            return
        is_shadow = self._config.mode is Mode.SHADOW
        counts.hits += candidate.would_answer and (is_shadow or not candidate.is_trial)
        counts.trials += candidate.is_trial

    def holds(self, question: Question, key: bytes) -> bool:
        """Whether the answer under `key` can be found by this question; counts as a use of it."""
        held = self._scopes.entry(key)
        if held is None or held.text != question.text:
            return False
        self._scopes.touch(key)
        return True

    def forget(self, keys: Iterable[bytes]) -> int:
        """These keys lead to no answer any more; returns how many were known."""
        return sum(map(self._scopes.remove, keys))

    def clear(self) -> None:
        """No key leads to an answer any more; what was learned stays."""
        self._scopes.clear()

    async def judge(self, candidate: Candidate, stored: str, fresh: str) -> None:
        """Compare the answers of a trial, and learn from it. To be run in the background.

        Args:
            candidate: the trial.
            stored: the text of the answer that is stored under its key.
            fresh: the text of what the provider answered.
        """
        if self._comparison is None:
            return
        try:
            async with asyncio.timeout(self._config.comparison_timeout_s):
                same = stored == fresh or await self._comparison(stored, fresh)
        except (HeadraceError, OSError, TimeoutError):
            self._counts.comparison_faults += 1
            return
        self.report(Outcome(candidate.key, candidate.similarity, same, candidate.would_answer))

    def report(self, outcome: Outcome) -> None:
        """Learn whether an answer was the right one.

        What is reported has to be a random sample of the candidates: reports of mistakes alone
        would make every threshold look too low.
        """
        counts, bound = self._counts, self._bound
        counts.labels += 1
        if outcome.would_answer:
            counts.judged_hits += 1
            counts.false_hits += not outcome.same
        label = Label(outcome.similarity, outcome.same)
        bound.add(label)
        if counts.labels in _FIT_EARLY or counts.labels % _FIT_EVERY == 0:
            self._curve = fit_curve(bound.labels)
        entry = self._scopes.entry(outcome.key)
        if entry is not None:
            entry.labels = (*entry.labels, label)[-ENTRY_LABELS_MAX:]
            entry.threshold = entry_threshold(entry.labels, self._curve, self._config.max_error)

    def status(self) -> Report:
        """How it does."""
        scopes, embeddings, bound = self._scopes, self._embeddings, self._bound
        counts = copy(self._counts)
        counts.objections = dict(counts.objections)
        return Report(
            mode=self._config.mode.value,
            counts=counts,
            false_share=counts.false_share(),
            threshold=bound.threshold if isfinite(bound.threshold) else None,
            is_certified=bound.is_certified,
            max_error=self._config.max_error,
            scopes=scopes.count,
            entries=len(scopes),
            bytes_held=scopes.bytes_held,
            embedding_calls=embeddings.calls,
            embedded_texts=embeddings.texts,
            embedder_is_up=embeddings.is_up,
            embedder_fault=embeddings.last_fault,
        )

    def _unobjected(
        self, text: str, scope: Scope, near: Near
    ) -> tuple[bytes, Entry, float, bool] | None:
        """The nearest that no guard objects to, and whether one doubts."""
        config = self._config
        traits = self._read(text)
        for key, similarity in near:
            if similarity < config.similarity_floor:
                return None
            entry = scope.entries.get(key)
            if entry is None:
                continue
            objection = object_to(traits, self._read(entry.text), config.guards)
            if objection is None:
                return key, entry, min(1.0, similarity), False
            self._counts.objections[objection.guard] += 1
            if not objection.is_final and self._verifier is not None:
                return key, entry, min(1.0, similarity), True
        return None

    async def _decide(
        self, question: Question, key: bytes, entry: Entry, similarity: float, in_doubt: bool
    ) -> Candidate | None:
        threshold = max(self._bound.threshold, entry.threshold)
        would_answer = similarity >= threshold
        is_trial = self._is_trial()
        if not (would_answer or is_trial):
            self._counts.unanswered += 1
            return None
        if self._verifier is not None and not await self._verified(
            self._verifier, entry.text, question.text
        ):
            self._counts.unanswered += 1
            return None
        why = f"similarity {similarity:.3f}, threshold {threshold:.3f}"
        why += ", verified" if self._verifier is not None else ""
        why += " in doubt" if in_doubt else ""
        self._scopes.touch(key)
        answers = not is_trial and self._config.mode is Mode.ON
        return Candidate(key, similarity, answers, is_trial, would_answer, why)

    def _is_trial(self) -> bool:
        if self._comparison is None:
            return False
        return explores(self._dice, self._config.explore_share, self._counts.trials)

    async def _verified(self, verifier: Verifier, one: str, other: str) -> bool:
        said = await self._asked(lambda: verifier(one, other), self._config.verifier_timeout_s)
        if said is None:
            self._counts.verifier_faults += 1
        elif not said:
            self._counts.verifier_refusals += 1
        return bool(said)

    async def _asked(self, ask: Callable[[], Awaitable[bool]], timeout_s: float) -> bool | None:
        """What somebody else's code says; `None` where it fails or takes too long.

        It runs in a task of its own, so that an error nobody expected is told, and costs no answer.
        """
        said: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()

        async def run() -> None:
            try:
                async with asyncio.timeout(timeout_s):
                    answer = await ask()
            except (HeadraceError, OSError, TimeoutError):
                answer = None
            if not said.done():
                said.set_result(answer)

        def give_up(_: asyncio.Task[None]) -> None:
            if not said.done():
                said.set_result(None)

        self._spawn(run()).add_done_callback(give_up)
        return await said

    def _read(self, text: str) -> Traits:
        """What the guards compare of a text; remembered, for some are near to many."""
        traits = self._traits.get(text)
        if traits is None:
            traits = self._traits[text] = read(text)
            if len(self._traits) > _TRAITS_REMEMBERED_MAX:
                self._traits.popitem(last=False)
        return traits
