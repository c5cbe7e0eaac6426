"""Words and patterns that say at once what a text wants. Every text takes linear time.

Words are looked for all at once, by an automaton (Aho and Corasick, "Efficient String Matching",
1975); patterns likewise, by RE2's sets, which have no backtracking: no pattern takes longer than a
bounded number of steps for each character, whatever it is and whatever the text.
"""

import bisect
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace.errors import SettingsInvalid
from headrace.settings.values import intent_problem

if TYPE_CHECKING:
    from ahocorasick_rs import AhoCorasick

PATTERN_CHARS_MAX: Final = 1000
PATTERNS_MAX: Final = 256
WORDS_MAX: Final = 10_000
_PATTERN_BYTES_MAX: Final = 8 << 20
_SET_BYTES_MAX: Final = 64 << 20
# Thai and Lao, Burmese, Khmer, kana, Han: nothing stands between their words.
_UNSPACED: Final = (
    ("\u0e00", "\u0eff"),
    ("\u1000", "\u109f"),
    ("\u1780", "\u17ff"),
    ("\u3040", "\u30ff"),
    ("\u3400", "\u9fff"),
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0003ffff"),
)


class Rule(msgspec.Struct, frozen=True):
    """What a text wants where one of these is in it.

    Attributes:
        intent: what it wants.
        words: words, or several in a row, in whatever case; found as whole words only.
        patterns: regular expressions in RE2's syntax, matched anywhere and in whatever case.
    """

    intent: str
    words: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


class Match(msgspec.Struct, frozen=True):
    """A rule that fits, and what of it."""

    intent: str
    why: str


class Rules:
    """Rules in force; the first of them that fits counts.

    Args:
        rules: at most 10,000 words and 256 patterns, in their order.

    Raises:
        SettingsInvalid: one of them cannot be used.
        ImportError: a package that they need is not there.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        _check(rules)
        self._rules = tuple(rules)
        self._words = [(at, word) for at, rule in enumerate(rules) for word in rule.words]
        counts = [len(rule.patterns) for rule in rules]
        self._pattern_ends = list(itertools.accumulate(counts))
        self._patterns = [pattern for rule in rules for pattern in rule.patterns]
        self._automaton = _automaton([word for _, word in self._words]) if self._words else None
        self._set = _pattern_set(self._patterns) if self._patterns else None

    def find(self, text: str) -> Match | None:
        """The first rule that fits a text."""
        if not self._rules:
            return None
        text = _readable(text)
        by_word = self._by_word(text)
        by_pattern = self._by_pattern(text)
        if by_word is not None and (by_pattern is None or by_word[0] <= by_pattern[0]):
            return Match(self._rules[by_word[0]].intent, f"word: {by_word[1]}")
        if by_pattern is not None:
            return Match(self._rules[by_pattern[0]].intent, f"pattern: {by_pattern[1]}")
        return None

    def _by_word(self, text: str) -> tuple[int, str] | None:
        if self._automaton is None:
            return None
        text = " ".join(text.casefold().split())
        found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        whole = (at for at, start, end in found if _is_whole(text, start, end))
        return min((self._words[at] for at in whole), default=None)

    def _by_pattern(self, text: str) -> tuple[int, str] | None:
        found = self._set.Match(text) if self._set is not None else None
        if not found:
            return None
        first = min(found)
        return bisect.bisect_right(self._pattern_ends, first), self._patterns[first]


def _check(rules: Sequence[Rule]) -> None:
    words = sum(len(rule.words) for rule in rules)
    patterns = [pattern for rule in rules for pattern in rule.patterns]
    if words > WORDS_MAX or len(patterns) > PATTERNS_MAX:
        raise SettingsInvalid(
            f"at most {WORDS_MAX} words and {PATTERNS_MAX} patterns are looked for"
        )
    for rule in rules:
        problem = intent_problem(rule.intent)
        if problem is not None:
            raise SettingsInvalid(f"a rule's intent: {problem}")
        for word in rule.words:
            if not any(map(str.isalnum, word)):
                raise SettingsInvalid(f"the word {word!r} of {rule.intent} has no letter or digit")
    for pattern in patterns:
        if len(pattern) > PATTERN_CHARS_MAX:
            raise SettingsInvalid(f"a pattern is longer than {PATTERN_CHARS_MAX} characters")


def _automaton(words: Sequence[str]) -> "AhoCorasick":
    from ahocorasick_rs import AhoCorasick

    return AhoCorasick([" ".join(_readable(word).casefold().split()) for word in words])


def _pattern_set(patterns: Sequence[str]) -> Any:
    import re2

    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _PATTERN_BYTES_MAX
    for pattern in patterns:
        try:
            if re2.compile(_readable(pattern), options).search(""):
                raise SettingsInvalid(f"the pattern {pattern!r} fits every text")
        except re2.error as error:
            raise SettingsInvalid(
                f"the pattern {pattern!r} cannot be used: {_told(error)}"
            ) from error
    options.max_mem = _SET_BYTES_MAX
    found = re2.Set.SearchSet(options)
    try:
        for pattern in patterns:
            found.Add(_readable(pattern))
        found.Compile()
    except re2.error as error:
        raise SettingsInvalid(
            f"the {len(patterns)} patterns together are too much: use fewer or shorter ones, or "
            "words"
        ) from error
    return found


def _told(error: Exception) -> str:
    told = error.args[0] if error.args else ""
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)


def _is_whole(text: str, start: int, end: int) -> bool:
    before = text[start - 1 : start] if start else ""
    begins = not (_goes_on(before) and _goes_on(text[start]))
    return begins and not (_goes_on(text[end - 1]) and _goes_on(text[end : end + 1]))


def _goes_on(char: str) -> bool:
    """Whether a word may go on with it: a letter or digit, of a script that parts words."""
    return char.isalnum() and not any(first <= char <= last for first, last in _UNSPACED)


def _readable(text: str) -> str:
    """The same text without halves of characters, which are no text."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()
