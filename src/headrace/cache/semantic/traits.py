"""What of a question must agree with another before they may share an answer."""

import msgspec


class Traits(msgspec.Struct, frozen=True, gc=False):
    """What the guards compare.

    Attributes:
        text: the text in one spelling of letters, spaces and case.
        language: which of the known languages it is in, empty where that cannot be told.
        scripts: the scripts its letters are of.
        numbers: every number, in one spelling, sorted.
        units: units, as kinds.
        dates: months, weekdays, seasons, `last:year` and the like.
        negations: kinds of negation, sorted, each as often as it occurs.
        code: pieces of code, addresses and options as they are written, sorted.
        symbols: operators outside of code, in order.
        quotes: what stands in quotation marks, in lower case.
        names: what is written large within a sentence, in lower case.
        asked: the question words that narrow what an answer can be.
        tense: `past`, `present`, `future`, or empty where no auxiliary tells.
        passive: the verb of a passive sentence, empty where there is none.
        words: stems that carry meaning, in the order of `WordOrder`.
        forms: every word as it is written, in lower case, and every stem.
        slots: the words that `from`, `to`, `than` and `against` stand before.
    """

    text: str
    language: str
    scripts: frozenset[str]
    numbers: tuple[str, ...]
    units: frozenset[str]
    dates: frozenset[str]
    negations: tuple[str, ...]
    code: tuple[str, ...]
    symbols: tuple[str, ...]
    quotes: frozenset[str]
    names: frozenset[str]
    asked: frozenset[str]
    tense: str
    passive: str
    words: tuple[str, ...]
    forms: frozenset[str]
    slots: tuple[tuple[str, frozenset[str]], ...]
