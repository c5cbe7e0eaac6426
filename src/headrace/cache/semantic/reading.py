"""A question read once, word by word, into what the guards compare. Pure."""

from collections.abc import Mapping
from typing import Final

from headrace.cache.semantic import tokens
from headrace.cache.semantic.counting import COUNTED, Counting
from headrace.cache.semantic.order import APART, BEHIND, WordOrder
from headrace.cache.semantic.stems import stem
from headrace.cache.semantic.traits import Traits
from headrace.cache.semantic.words import (
    ARTICLES,
    ENGLISH,
    FILLERS,
    FRONTED,
    JOINERS,
    LANGUAGES,
    MEASURES,
    NEGATIONS,
    NEGATIONS_ELSEWHERE,
    QUESTION_WORDS,
    SHORT_NEGATIONS,
    SLOTS,
    SYNONYMS,
    TENSES,
)

_SENTENCE_ENDS: Final = frozenset(".!?:\n")
# Before a hyphen they are one word with what follows: e-mail, Wi-Fi.
_PREFIX_LETTERS_MAX: Final = 2
_WORDS: Final = frozenset(("word", "plain", "contracted"))

# What is done with a word of English; whatever has no part carries meaning.
_FILLER: Final = 0
_ARTICLE: Final = 1
_TENSE: Final = 2
_QUESTION: Final = 3
_TABLED: Final = 4
_PARTS: Final[Mapping[str, int]] = {
    **dict.fromkeys(FILLERS, _FILLER),
    **dict.fromkeys(ARTICLES, _ARTICLE),
    **dict.fromkeys(TENSES, _TENSE),
    **dict.fromkeys(QUESTION_WORDS, _QUESTION),
    **dict.fromkeys((*COUNTED, *NEGATIONS, *SHORT_NEGATIONS, *JOINERS, *SLOTS), _TABLED),
    **dict.fromkeys(("by", "how", "reason", "reasons", "fail", "fails", "failed"), _TABLED),
}


def read(text: str) -> Traits:
    """Read what matters of a question."""
    text = tokens.normalised(text)
    prose, code = tokens.without_code(tokens.without_greeting(text))
    return _Reading(text, prose, code).traits()


class _Reading:
    """One pass over a text: each word goes to the one kind it is of.

    Methods that take a word say how many tokens they used up.
    """

    def __init__(self, text: str, prose: str, code: list[str]) -> None:
        self._text = text
        self._prose = prose
        self._tokens = found = tokens.Tokens(prose)
        self._lowers = found.lowers
        self._raws = found.raws
        self._language = tokens.language(found.lowers)
        self._has_dash = "-" in prose
        self._may_name = not prose.isupper()
        self._is_start = True
        self._at = 0
        self._code = code
        self._negations: list[str] = []
        self._symbols: list[str] = []
        self._forms: list[str] = []
        self._names: list[str] = []
        self._asked: set[str] = set()
        self._tenses: set[str] = set()
        self._slots: dict[str, frozenset[str]] = {}
        self._slot = ""
        self._order = WordOrder()
        self._counting = Counting(found, self._content)

    def traits(self) -> Traits:
        """Read to the end."""
        is_english = self._language in {"", ENGLISH}
        kinds, end = self._tokens.kinds, len(self._tokens)
        while self._at < end:
            kind = kinds[self._at]
            if kind in _WORDS:
                self._at += self._english(kind) if is_english else self._foreign()
                self._is_start = False
            elif kind == "end":
                self._at += self._end()
            else:
                self._is_start = False
                self._at += self._other(kind)
        traits = self._summed_up()
        del self._counting  # which knows this reading: a cycle would wait for the collector
        return traits

    def _summed_up(self) -> Traits:
        counting, tenses = self._counting, self._tenses
        return Traits(
            text=" ".join(self._text.casefold().split()),
            language=self._language,
            scripts=tokens.scripts(self._text),
            numbers=counting.numbers,
            units=counting.units,
            dates=counting.dates,
            negations=tuple(sorted(self._negations)),
            code=tuple(sorted(self._code)),
            symbols=tuple(self._symbols),
            quotes=tokens.quotes(self._prose),
            names=frozenset(self._names),
            asked=frozenset(self._asked),
            tense=next(iter(tenses)) if len(tenses) == 1 else "",
            passive=self._order.passive,
            words=self._order.words(),
            forms=frozenset(self._forms),
            slots=tuple(self._slots.items()),
        )

    # What is not a word.

    def _end(self) -> int:
        sign = self._raws[self._at]
        if sign == ":" or (sign == "," and self._lowers[0] in FRONTED):
            self._order.cut(is_short=sign == ":")
        if sign in _SENTENCE_ENDS:
            self._is_start = True
        self._order.place = APART
        return 1

    def _other(self, kind: str | None) -> int:
        raw, lower = self._raws[self._at], self._lowers[self._at]
        if kind == "number":
            return self._counting.digits(self._at)
        if kind == "symbol":
            used = self._counting.sign(self._at)
            if not used and raw != "&":
                self._symbols.append(raw)
            return used or 1
        if kind == "code":
            self._code.append(raw)
            self._forms.append(lower)
        elif kind == "mixed" and not self._counting.date(lower):
            self._forms.append(lower)
            self._content(lower)
        elif kind == "dash" and self._is_minus():
            self._symbols.append("-")
        return 1

    def _is_minus(self) -> bool:
        """Whether a dash has room on both sides, and a number stands somewhere before it."""
        at, found = self._at, self._tokens
        if not 0 < at < len(found) - 1 or found.is_glued(at) or found.is_glued(at + 1):
            return False
        return bool(self._counting.numbers)

    # Words of English.

    def _english(self, kind: str | None) -> int:
        word = self._lowers[self._at]
        used = 1
        if kind == "contracted":
            return self._contracted(word)
        if self._has_dash and len(word) <= _PREFIX_LETTERS_MAX and self._is_hyphenated():
            word += self._lowers[self._at + 2]
            used = 3
        self._forms.append(word)
        part = _PARTS.get(word)
        if part is None:
            self._meaning(word)
        elif part == _TABLED:
            return self._tabled(word) or used
        elif part != _ARTICLE:
            self._order.place = APART
            if part == _TENSE:
                self._tenses.add(TENSES[word])
            elif part == _QUESTION:
                self._asked.add(word)
        return used

    def _meaning(self, word: str) -> None:
        if self._may_name and not self._is_start and self._raws[self._at][0].isupper():
            self._names.append(word)
        root = stem(word)
        self._forms.append(root)
        self._content(SYNONYMS.get(root, root))

    def _contracted(self, word: str) -> int:
        head, _, tail = word.rpartition("'")
        if tail == "t" and head.endswith("n"):
            self._negations.append("not")
            self._forms.append("not")
            if head[:-1] in TENSES:
                self._tenses.add(TENSES[head[:-1]])
            self._order.place = APART
        elif tail == "s" and head not in FILLERS:
            self._forms.append(head)
            self._meaning(head)
            self._order.owns(is_name=self._raws[self._at][0].isupper())
        elif head in FILLERS:
            if tail == "s" and head in QUESTION_WORDS:
                self._asked.add(head)
            self._order.place = APART
        else:
            self._forms.append(word)
            self._meaning(word)
        return 1

    def _tabled(self, word: str) -> int:
        """A word of one of the tables; 0 where it turns out to be like any other."""
        if word == "how":
            return self._how()
        if word in COUNTED:
            used = self._counting.word(self._at, is_start=self._is_start)
            if used:
                return used
        if self._structure(word):
            return 1
        if word in {"reason", "reasons"}:
            self._asked.add("why")
        if word in FILLERS:
            self._order.place = APART
        else:
            self._meaning(word)
        return 0

    def _how(self) -> int:
        """`how`, or `how tall`, where the height is asked for."""
        at = self._at + 1
        measure = self._lowers[at] if at < len(self._lowers) else ""
        self._order.place = APART
        if measure not in MEASURES:
            self._asked.add("how")
            return 1
        self._forms.append(measure)
        if MEASURES[measure]:
            self._content(MEASURES[measure])
        else:
            self._asked.add("how " + measure)
        return 2

    def _structure(self, word: str) -> bool:
        """Note negations and words that say how others belong together."""
        order = self._order
        if word in NEGATIONS or word in SHORT_NEGATIONS or self._is_failing(word):
            self._negations.append(NEGATIONS.get(word, "not"))
            order.place = APART
        elif word in JOINERS:
            order.join()
        elif word == "by" and order.place == BEHIND:
            order.begin_agent()
        elif word in SLOTS:
            self._slot = "" if self._is_infinitive(word) else SLOTS[word]
            order.place = APART
        else:
            return False
        return True

    def _is_failing(self, word: str) -> bool:
        """Whether the word belongs to `fail to`, which says as much as `not`."""
        return word.startswith("fail") and self._lowers[self._at + 1 : self._at + 2] == ["to"]

    def _is_infinitive(self, word: str) -> bool:
        """Whether a `to` belongs to a verb, as in `the way to convert`."""
        return word == "to" and (self._at == 0 or self._lowers[self._at - 1] in FILLERS)

    def _is_hyphenated(self) -> bool:
        """Whether a hyphen and another word follow without a space, as in `e-mail`."""
        found, at = self._tokens, self._at
        return (
            found.is_word(at + 2)
            and found.kinds[at + 1] == "dash"
            and found.is_glued(at + 1)
            and found.is_glued(at + 2)
        )

    # Words of other languages: fewer tables, the same rules.

    def _foreign(self) -> int:
        word = self._lowers[self._at].rpartition("'")[2]
        self._forms.append(word)
        if word in NEGATIONS_ELSEWHERE:
            self._negations.append(NEGATIONS_ELSEWHERE[word])
            self._order.place = APART
        elif self._language in LANGUAGES.get(word, ()):
            self._order.place = APART
        else:
            is_large = self._raws[self._at][0].isupper() and not self._is_start
            if is_large and self._language != "de":  # where every noun is written large
                self._names.append(word)
            self._content(word)
        return 1

    def _content(self, word: str) -> None:
        if self._slot:
            self._slots[self._slot] = self._slots.get(self._slot, frozenset()) | {word}
            self._slot = ""
        self._order.add(word)
