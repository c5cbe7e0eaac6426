"""The semantic cache as a whole: what it finds, what it does not, and what it learns from."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from tests.unit.cache.semantic.semantic_parts import Angles, Crew, says, semantic_cache

from headrace.cache.semantic import graph
from headrace.cache.semantic.candidate import Candidate, Outcome
from headrace.cache.semantic.config import Mode
from headrace.cache.semantic.embedder import EmbeddingFault, Rows
from headrace.cache.semantic.engine import SemanticCache
from headrace.cache.semantic.scope import Question
from headrace.errors import NotRunning

SCOPE = b"scope"
STORED = "How do I sort a list in Java?"
ALIKE = "In Java, how do I sort a list?"
DOUBTFUL = "How do I sort a deck in Java?"
OTHER = "How do I sort 3 lists in Java?"


def asked(text: str, scope: bytes = SCOPE) -> Question:
    return Question(scope, text)


def find(cache: SemanticCache, text: str = ALIKE, scope: bytes = SCOPE) -> Candidate | None:
    """What is found for a question, once one is stored; in a loop of its own."""

    async def run() -> Candidate | None:
        await cache.add(asked(STORED), b"key")
        return await cache.find(asked(text, scope))

    return asyncio.run(run())


def test_a_question_that_means_the_same_is_answered_and_it_is_said_why() -> None:
    candidate = find(semantic_cache(Angles({ALIKE: 0.95}), Crew()))
    assert candidate is not None
    assert candidate.key == b"key"
    assert candidate.similarity == pytest.approx(0.95)
    assert candidate.answers
    assert candidate.why == "similarity 0.950, threshold 0.920"


@pytest.mark.parametrize(("cosine", "found"), [(0.921, True), (0.919, False), (0.5, False)])
def test_the_static_threshold_decides_at_first(cosine: float, *, found: bool) -> None:
    assert (find(semantic_cache(Angles({ALIKE: cosine}), Crew())) is not None) is found


def test_scopes_and_so_tenants_never_meet() -> None:
    assert find(semantic_cache(Angles(), Crew()), STORED, scope=b"other tenant") is None


def test_a_guard_keeps_look_alikes_apart_and_is_counted() -> None:
    cache = semantic_cache(Angles(), Crew())
    assert find(cache, OTHER) is None
    counts = cache.status().counts
    assert (counts.objections["numbers"], counts.unanswered, counts.hits) == (1, 1, 0)


def test_the_next_nearest_may_answer_where_a_guard_objects_to_the_nearest() -> None:
    cache = semantic_cache(Angles({STORED: 0.97}), Crew())

    async def run() -> Candidate | None:
        await cache.add(asked(OTHER), b"wrong")
        await cache.add(asked(STORED), b"right")
        return await cache.find(asked(ALIKE))

    candidate = asyncio.run(run())
    assert candidate is not None
    assert candidate.key == b"right"


def test_guards_are_a_matter_of_choice() -> None:
    assert find(semantic_cache(Angles(), Crew(), guards=()), OTHER) is not None
    with pytest.raises(ValueError, match="no guard called taste"):
        semantic_cache(Angles(), Crew(), guards=("taste",))


def test_off_does_nothing_at_all() -> None:
    embedder = Angles()
    cache = semantic_cache(embedder, Crew(), mode=Mode.OFF)
    assert find(cache, STORED) is None
    assert embedder.batches == []
    assert cache.status().counts.looked_up == 0


def test_a_scope_without_entries_needs_no_vector() -> None:
    embedder = Angles()
    cache = semantic_cache(embedder, Crew())
    assert asyncio.run(cache.find(asked(STORED))) is None
    assert embedder.batches == []


def test_what_is_forgotten_is_not_found() -> None:
    cache = semantic_cache(Angles(), Crew())

    async def run() -> None:
        await cache.add(asked(STORED), b"key")
        assert cache.forget([b"key", b"unknown"]) == 1
        assert await cache.find(asked(ALIKE)) is None
        await cache.add(asked(STORED), b"key")
        cache.clear()
        assert await cache.find(asked(ALIKE)) is None
        assert cache.status().bytes_held == 0

    asyncio.run(run())


def test_adding_again_changes_nothing_or_the_question() -> None:
    embedder = Angles()
    cache = semantic_cache(embedder, Crew())

    async def run() -> None:
        assert await cache.add(asked(STORED), b"key")
        assert await cache.add(asked(STORED), b"key")
        assert embedder.batches == [[STORED]]
        assert await cache.add(asked(OTHER), b"key")
        assert cache.status().entries == 1
        assert await cache.find(asked(ALIKE)) is None

    asyncio.run(run())


class Broken(Angles):
    """Works until it is told to fail or to hang."""

    fault: Exception | None = None
    hangs = False

    async def embed(self, texts: Sequence[str]) -> Rows:
        if self.fault is not None:
            raise self.fault
        if self.hangs:
            await asyncio.Event().wait()
        return await super().embed(texts)


@pytest.mark.parametrize("fault", [EmbeddingFault("no"), RuntimeError("a bug"), None], ids=repr)
def test_an_embedder_that_fails_or_hangs_is_a_miss(fault: Exception | None) -> None:
    embedder, crew = Broken(), Crew()
    cache = semantic_cache(embedder, crew)

    async def run() -> None:
        await cache.add(asked(STORED), b"key")
        embedder.fault, embedder.hangs = fault, True
        assert await cache.find(asked(ALIKE)) is None
        assert not await cache.add(asked(OTHER), b"other")
        counts = cache.status().counts
        assert (counts.embedding_faults, counts.entry_faults) == (2, 1)

    asyncio.run(run())
    assert all(type(bug) is RuntimeError for bug in crew.bugs)


def test_a_doubt_needs_a_verifier() -> None:
    assert find(semantic_cache(Angles(), Crew()), DOUBTFUL) is None
    candidate = find(semantic_cache(Angles(), Crew(), verifier=says(True)), DOUBTFUL)
    assert candidate is not None
    assert candidate.why.endswith(", verified in doubt")


def test_no_verifier_overrules_a_final_objection() -> None:
    assert find(semantic_cache(Angles(), Crew(), verifier=says(True)), OTHER) is None


def test_a_verifier_that_says_no_is_a_miss() -> None:
    cache = semantic_cache(Angles(), Crew(), verifier=says(False))
    assert find(cache) is None
    assert cache.status().counts.verifier_refusals == 1


async def fails(_one: str, _other: str) -> bool:
    raise ConnectionError("gone")


async def breaks(_one: str, _other: str) -> bool:
    raise ValueError("a bug")


def breaks_at_once(_one: str, _other: str) -> Awaitable[bool]:
    raise ValueError("a bug")


async def hangs(_one: str, _other: str) -> bool:
    await asyncio.Event().wait()
    return True


@pytest.mark.parametrize("verifier", [fails, breaks, breaks_at_once, hangs])
def test_a_verifier_that_fails_is_a_miss(verifier: Callable[[str, str], Awaitable[bool]]) -> None:
    crew = Crew()
    cache = semantic_cache(Angles(), crew, verifier=verifier, verifier_timeout_s=0.2)
    assert find(cache) is None
    assert cache.status().counts.verifier_faults == 1
    assert len(crew.bugs) == (verifier in {breaks, breaks_at_once})


def test_a_verifier_is_not_asked_below_the_threshold() -> None:
    cache = semantic_cache(Angles({ALIKE: 0.9}), Crew(), verifier=fails)
    assert find(cache) is None
    assert cache.status().counts.verifier_faults == 0


def test_a_trial_is_not_answered_and_teaches() -> None:
    cache = semantic_cache(Angles(), Crew(), dice=lambda: 0.0, comparison=says(False))

    async def run() -> None:
        await cache.add(asked(STORED), b"key")
        trial = await cache.find(asked(ALIKE))
        assert trial is not None
        assert (trial.answers, trial.is_trial, trial.would_answer) == (False, True, True)
        cache.count(trial, is_there=True)
        await cache.judge(trial, "stored", "fresh")

    asyncio.run(run())
    status = cache.status()
    assert (status.counts.trials, status.counts.labels, status.counts.hits) == (1, 1, 0)
    assert (status.false_share.hits, status.false_share.sample) == (1, 1)


@pytest.mark.parametrize("mode", [Mode.ON, Mode.SHADOW])
def test_an_answer_that_is_gone_is_no_hit(mode: Mode) -> None:
    cache = semantic_cache(Angles(), Crew(), mode=mode)
    candidate = find(cache)
    assert candidate is not None
    assert cache.status().counts.hits == 0
    cache.count(candidate, is_there=False)
    counts = cache.status().counts
    assert (counts.hits, counts.unanswered) == (0, 1)
    cache.count(candidate, is_there=True)
    assert cache.status().counts.hits == 1


def test_below_the_floor_nothing_is_tried() -> None:
    cache = semantic_cache(Angles({ALIKE: 0.79}), Crew(), dice=lambda: 0.0, comparison=says(True))
    assert find(cache) is None
    assert cache.status().counts.trials == 0


def test_the_same_answer_needs_no_comparison() -> None:
    cache = semantic_cache(Angles(), Crew(), dice=lambda: 0.0, comparison=fails)
    asyncio.run(cache.judge(Candidate(b"key", 0.95, False, True, True, ""), "same", "same"))
    assert cache.status().false_share.sample == 1


@pytest.mark.parametrize("comparison", [fails, hangs])
def test_a_comparison_that_fails_teaches_nothing(comparison: Any) -> None:
    cache = semantic_cache(Angles(), Crew(), comparison=comparison, comparison_timeout_s=0.01)
    asyncio.run(cache.judge(Candidate(b"key", 0.95, False, True, True, ""), "one", "other"))
    counts = cache.status().counts
    assert (counts.comparison_faults, counts.labels) == (1, 0)


def test_without_a_comparison_nothing_is_tried() -> None:
    candidate = find(semantic_cache(Angles(), Crew(), dice=lambda: 0.0))
    assert candidate is not None
    assert candidate.answers


def test_an_entry_that_misled_is_answered_from_no_more_but_others_are() -> None:
    cache = semantic_cache(Angles({ALIKE: 0.94}), Crew())

    async def run() -> None:
        await cache.add(asked(STORED), b"key")
        await cache.add(asked(STORED, b"second scope"), b"other key")
        cache.report(Outcome(b"key", 0.94, same=False, would_answer=True))
        assert await cache.find(asked(ALIKE)) is None
        assert await cache.find(asked(ALIKE, b"second scope")) is not None

    asyncio.run(run())


def test_reports_of_unknown_keys_count_for_the_threshold_of_all() -> None:
    cache = semantic_cache(Angles(), Crew())
    for _ in range(400):
        cache.report(Outcome(b"gone", 0.99, same=True, would_answer=True))
    status = cache.status()
    assert status.is_certified
    assert status.threshold == pytest.approx(0.8)


def test_where_answers_are_wrong_too_often_none_are_given() -> None:
    cache = semantic_cache(Angles(), Crew())
    for _ in range(10):
        cache.report(Outcome(b"gone", 0.99, same=False, would_answer=True))
    assert cache.status().threshold is None
    assert find(cache) is None


def test_without_trust_nothing_is_answered_before_labels_confirm_it() -> None:
    cache = semantic_cache(Angles(), Crew(), trusts_static=False)
    assert find(cache) is None
    for _ in range(400):
        cache.report(Outcome(b"gone", 0.99, same=True, would_answer=False))
    assert find(cache) is not None


def test_shadow_answers_nothing_and_its_books_add_up() -> None:
    """A tenth of the would-be hits is wrong; trials are drawn by chance."""
    chance = random.Random(5)
    truth = {f"{ALIKE} {'please' if number else ''}": number for number in (0, 1)}
    cache = semantic_cache(
        Angles({ALIKE: 0.97}),
        Crew(),
        mode=Mode.SHADOW,
        dice=chance.random,
        comparison=says(False),
        explore_share=0.2,
    )
    wrong = trials = would = 0

    async def run() -> None:
        nonlocal wrong, trials, would
        await cache.add(asked(STORED), b"key")
        for _ in range(500):
            threshold = cache.status().threshold
            text = chance.choice(list(truth))
            trial = await cache.find(asked(text))
            is_wrong = chance.random() < 0.1
            if trial is None:
                continue
            assert not trial.answers
            cache.count(trial, is_there=True)
            if not trial.is_trial:
                continue
            trials += 1
            would += trial.would_answer
            wrong += trial.would_answer and is_wrong
            assert trial.would_answer <= (threshold is not None)
            await cache.judge(trial, "stored", "fresh" if is_wrong else "stored")

    asyncio.run(run())
    counts, share = cache.status().counts, cache.status().false_share
    assert (counts.looked_up, counts.trials, counts.labels) == (500, trials, trials)
    assert (share.hits, share.sample) == (wrong, would)
    assert 0 < trials < 500
    assert share.low <= 0.1 <= share.high
    assert would <= counts.hits <= 500
    assert counts.hits + counts.unanswered >= 500 - trials


def test_more_entries_than_exact_search_is_fit_for_need_usearch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    semantic_cache(Angles(), Crew(), entries_max=11, exact_max=10)
    monkeypatch.setattr(graph, "find_spec", lambda _name: None)
    with pytest.raises(NotRunning, match=r"headrace\[ann\]"):
        semantic_cache(Angles(), Crew(), entries_max=11, exact_max=10)


def test_the_least_recently_used_leaves_first() -> None:
    cache = semantic_cache(Angles(), Crew(), entries_max=2)

    async def run() -> None:
        await cache.add(asked(STORED), b"old")
        await cache.add(asked(OTHER), b"new")
        assert await cache.find(asked(ALIKE)) is not None
        await cache.add(asked("What is love?"), b"newest")
        assert await cache.find(asked(ALIKE)) is not None
        assert await cache.find(asked(OTHER)) is None

    asyncio.run(run())
