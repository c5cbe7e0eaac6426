"""The labelled pairs are what they claim to be, and the shares are counted right."""

import asyncio
from collections import Counter

import numpy as np
import pytest
from benchmarks import semantic_case
from benchmarks.minilm import WordPieces
from benchmarks.records import Verdict
from benchmarks.semantic_case import HELD_OUT, TUNED, Pair
from benchmarks.semantic_records import SemanticFigures, SemanticRow

from headrace.cache.semantic.estimate import wilson

KINDS = {
    "number", "unit", "date", "negation", "direction", "entity", "near_synonym", "antonym",
    "language", "code",
}  # fmt: skip


def test_the_set_is_large_varied_and_without_doubles() -> None:
    pairs = semantic_case.pairs()
    assert len({pair.id for pair in pairs}) == len(pairs) >= 240
    assert len({(pair.a, pair.b) for pair in pairs}) == len(pairs)
    assert sum(pair.same for pair in pairs) >= 100
    counts = Counter(pair.kind for pair in pairs if not pair.same)
    assert sum(counts.values()) >= 140
    assert set(counts) == KINDS
    assert min(counts.values()) >= 10


def test_the_halves_are_fixed() -> None:
    halves = Counter((pair.half, pair.same) for pair in semantic_case.pairs())
    assert halves == {
        (TUNED, True): 79, (TUNED, False): 134, (HELD_OUT, True): 79, (HELD_OUT, False): 110,
    }  # fmt: skip


def test_shares_are_of_the_half_they_name() -> None:
    found = [pair for pair in semantic_case.pairs() if pair.half == HELD_OUT]
    alike = [pair.id for pair in found if pair.same]
    other = [pair.id for pair in found if not pair.same]
    tuned = {pair.id for pair in semantic_case.pairs() if pair.half == TUNED}
    answered = {*alike[:3], other[0], *tuned}
    row = semantic_case._row(HELD_OUT, "gate", semantic_case.pairs(), answered)
    assert (row.paraphrases.hits, row.paraphrases.sample) == (3, len(alike))
    assert (row.false_hits.hits, row.false_hits.sample) == (1, len(other))
    assert (row.wrong.hits, row.wrong.sample) == (1, 4)
    assert row.false_ids == [other[0]]


@pytest.mark.parametrize(
    ("false_hits", "verdict"), [(0, Verdict.PASS), (2, Verdict.PASS), (3, Verdict.MISS)]
)
def test_the_bar_is_the_share_of_look_alikes(false_hits: int, verdict: Verdict) -> None:
    share, paraphrases = wilson(false_hits, 100), wilson(30, 80)
    row = SemanticRow(HELD_OUT, "all guards", paraphrases, share, share, [])
    figures = SemanticFigures(0.92, 0.02, [row], {}, 1.0, 1.0)
    assert [bar.verdict for bar in semantic_case.bars(figures)] == [verdict]
    assert semantic_case.bars(None) == []


def test_the_engine_is_asked_every_pair_in_a_scope_of_its_own() -> None:
    vectors = {"a": [1.0, 0.0], "b": [1.0, 0.0], "c": [0.0, 1.0]}
    rows = {text: np.array(row + [0.0] * 382) for text, row in vectors.items()}
    pairs = [Pair("1", "a", "b", True, "k"), Pair("2", "c", "a", False, "k")]

    answered = asyncio.run(semantic_case._answered(pairs, rows, ()))
    assert answered == {"1"}


def test_word_pieces_are_the_longest_known() -> None:
    pieces = WordPieces(
        ["[UNK]", "[CLS]", "[SEP]", "un", "##a", "##ff", "##able", "cafe", "!", "什"]
    )
    assert pieces.numbers("Unaffable CAFÉ!") == [1, 3, 4, 5, 6, 7, 8, 2]
    assert pieces.numbers("xyz 什什") == [1, 0, 9, 9, 2]
