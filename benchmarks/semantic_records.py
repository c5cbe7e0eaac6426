"""What the semantic case leaves behind."""

import msgspec

from headrace.cache.semantic.estimate import Share


class SemanticRow(msgspec.Struct, frozen=True):
    """One half of the pairs through one gate.

    Attributes:
        half: which half.
        gate: what stands between similarity and answer.
        paraphrases: share of the pairs with one meaning that were answered.
        false_hits: share of the look-alikes that were answered.
        wrong: share of wrong ones among all answers given; it depends on how many look alike.
        false_ids: the pairs that were answered wrongly.
    """

    half: str
    gate: str
    paraphrases: Share
    false_hits: Share
    wrong: Share
    false_ids: list[str]


class SemanticFigures(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes:
        similarity: the static threshold.
        max_error: the bound it is held against.
        rows: each half through each gate.
        kinds: false hits of both halves through the default gate, by kind of pair.
        read_us: reading one question for the guards, median, microseconds.
        compare_us: comparing two, median, microseconds.
    """

    similarity: float
    max_error: float
    rows: list[SemanticRow]
    kinds: dict[str, Share]
    read_us: float
    compare_us: float
