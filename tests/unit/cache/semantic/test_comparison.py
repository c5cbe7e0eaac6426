"""Whether two answers say the same, judged by vectors and by what may not differ."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.unit.cache.semantic.semantic_parts import Angles, Crew, embeddings

from headrace.cache.semantic.comparison import EmbeddedComparison
from headrace.cache.semantic.embedder import Embedder, EmbeddingFault, Rows

PARIS = "The capital of France is Paris."


def same(embedder: Embedder, one: str, other: str) -> bool:
    async def run() -> bool:
        return await EmbeddedComparison(embeddings(embedder, Crew()))(one, other)

    return asyncio.run(run())


@pytest.mark.parametrize(("cosine", "expected"), [(0.95, True), (0.85, False)])
def test_answers_are_the_same_where_their_vectors_are_close(
    cosine: float, *, expected: bool
) -> None:
    other = "France has Paris as its capital."
    assert same(Angles({other: cosine}), PARIS, other) is expected


@pytest.mark.parametrize(
    "other",
    ["The capital of France is not Paris.", "The capital of France is Paris, since 1958."],
    ids=["negation", "number"],
)
def test_what_may_not_differ_decides_however_close_they_are(other: str) -> None:
    assert not same(Angles({other: 0.99}), PARIS, other)


def test_without_vectors_nothing_is_said() -> None:
    class Broken(Angles):
        async def embed(self, texts: Sequence[str]) -> Rows:
            raise EmbeddingFault("it is ill")

    with pytest.raises(EmbeddingFault):
        same(Broken(), PARIS, "Paris.")
