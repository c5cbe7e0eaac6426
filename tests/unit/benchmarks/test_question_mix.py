"""The made-up workloads are made as they say."""

import json
from collections import Counter

import pytest
from benchmarks import semantic_case
from benchmarks.question_client import body
from benchmarks.question_mix import Asked, Kind, Mixed, Repeating, mixed, repeating
from benchmarks.semantic_case import HELD_OUT, Pair

SMALL = Mixed(paraphrases=3, repeats=4, look_alikes=2)


def pairs(same: int, different: int) -> list[Pair]:
    alike = [Pair(f"s{n}", f"a{n}", f"b{n}", True, "k") for n in range(same)]
    return alike + [Pair(f"d{n}", f"c{n}", f"d{n}", False, "k") for n in range(different)]


def test_the_same_seed_asks_the_same_and_another_does_not() -> None:
    assert repeating(Repeating(), 1) == repeating(Repeating(), 1) != repeating(Repeating(), 2)
    found = pairs(5, 5)
    assert mixed(SMALL, found, 1) == mixed(SMALL, found, 1) != mixed(SMALL, found, 2)


def test_a_repeating_workload_has_the_shares_it_states() -> None:
    asked = repeating(Repeating(requests=4000, questions=200), 3)
    texts = Counter(one.text for one in asked)
    assert len(asked) == 4000
    assert 150 <= sum(count == 1 for count in texts.values()) <= 260  # 5 % of 4,000
    assert len([text for text, count in texts.items() if count > 1]) <= 200
    assert 300 <= sum(one.otherwise for one in asked) <= 500
    assert sum(one.kind is Kind.NEW for one in asked) == len(texts)


def test_a_question_of_a_repeating_workload_is_new_the_first_time_only() -> None:
    seen: set[str] = set()
    for one in repeating(Repeating(requests=500, questions=20), 1):
        assert (one.kind is Kind.REPEAT) == (one.text in seen)
        seen.add(one.text)


def test_a_mixed_workload_has_the_kinds_it_states() -> None:
    kinds = Counter(one.kind for one in mixed(SMALL, pairs(3, 2), 1))
    assert kinds == {Kind.NEW: 5, Kind.PARAPHRASE: 3, Kind.LOOK_ALIKE: 2, Kind.REPEAT: 4}
    assert sum(kinds.values()) == SMALL.requests


@pytest.mark.parametrize("seed", range(20))
def test_a_mixed_workload_keeps_its_words(seed: int) -> None:
    found = pairs(3, 2)
    partner = {pair.a: pair for pair in found} | {pair.b: pair for pair in found}
    seen: dict[str, Asked] = {}
    for one in mixed(SMALL, found, seed):
        pair = partner[one.text]
        other = pair.b if one.text == pair.a else pair.a
        if one.kind is Kind.REPEAT:
            assert one.meaning == seen[one.text].meaning
            continue
        assert one.text not in seen
        assert (one.kind is Kind.NEW) == (other not in seen)
        assert one.meaning == (other if one.kind is Kind.PARAPHRASE else one.text)
        seen[one.text] = one


def test_no_question_stands_in_two_of_the_pairs_that_are_asked() -> None:
    shared = [Pair("1", "a", "b", True, "k"), Pair("2", "a", "c", True, "k")]
    with pytest.raises(ValueError, match="too few"):
        mixed(Mixed(paraphrases=2, repeats=0, look_alikes=0), shared, 1)


def test_the_held_out_pairs_are_enough_for_the_mix() -> None:
    found = [pair for pair in semantic_case.pairs() if pair.half == HELD_OUT]
    workload = Mixed()
    assert len(mixed(workload, found, 1)) == workload.requests == 200
    assert "30% repeats, 30% paraphrases" in workload.made
    assert "40% new" in workload.made


def test_what_is_written_otherwise_has_the_same_fields_in_other_bytes() -> None:
    usual = body("m", "nonce", Asked("Why?", Kind.NEW, "Why?"))
    other = body("m", "nonce", Asked("Why?", Kind.REPEAT, "Why?", otherwise=True))
    assert usual != other
    assert json.loads(usual) == json.loads(other)
