"""The labelled lines that intents are measured on: enough of each, and no line in both parts."""

import hashlib
from collections import Counter

from benchmarks.prompt.intent_case import DATA, pasted_texts

from headrace.routing.intent.lines import read_lines
from headrace.routing.intent.weights import UNKNOWN

LEARNT = read_lines((DATA / "train.tsv").read_bytes())
HELD = read_lines((DATA / "heldout.tsv").read_bytes())


def test_there_are_enough_of_each() -> None:
    learnt, held = (Counter(each.intent for each in part.examples) for part in (LEARNT, HELD))
    assert set(learnt) == set(held)
    assert len(learnt) == 26
    assert min(learnt.values()) >= 40
    assert min(held.values()) >= 20
    assert held[UNKNOWN] >= 200


def test_no_line_is_in_both_or_twice() -> None:
    def plain(text: str) -> str:
        return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())

    learnt = {plain(each.text) for each in LEARNT.examples} - {""}
    assert not learnt & {plain(each.text) for each in HELD.examples}
    assert LEARNT.doubles == HELD.doubles == 0


def test_what_is_pasted_is_of_a_file_that_stays() -> None:
    texts = pasted_texts()
    assert [len(text) for text in texts] == [8000] * 4
    assert len(set(texts)) == 4
    digest = hashlib.sha256("".join(texts).encode()).hexdigest()
    assert (
        digest == "c919df14489947fe67c0866f270d630385d3340d5609c335305fb61481f631a4"
    )  # figures in the documentation are of these very bytes
