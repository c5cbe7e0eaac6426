"""Why two questions may not share an answer, however near their vectors are. Pure.

Vectors say what a question is about; they are nearly blind to numbers, to `not`, to opposites and
to who does what to whom. Each guard looks at one such thing and objects where two questions differ
in it. A guard that objects wrongly costs a call; one that is silent wrongly, somebody the truth.

Most objections are final. Those of the guards in `DOUBTS` mean that the guard cannot tell: a
verifier, where there is one, may say that the questions are the same all the same.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec

from headrace.cache.semantic.traits import Traits
from headrace.cache.semantic.words import OPPOSITES, POLAR_PREFIXES

_READ_SCRIPTS: Final = frozenset(("LATIN", "CYRILLIC", "GREEK"))
_ROOT_LETTERS_MIN: Final = 3

Guard = Callable[[Traits, Traits], str]


class Objection(msgspec.Struct, frozen=True, gc=False):
    """Why two questions may not share an answer.

    Attributes:
        guard: which guard objects.
        why: what differs, for people.
        is_final: whether no verifier may overrule it.
    """

    guard: str
    why: str
    is_final: bool


def object_to(one: Traits, other: Traits, guards: tuple[str, ...]) -> Objection | None:
    """The first objection of `guards`, final ones before doubts; `None` where there is none."""
    if one.text == other.text:
        return None
    doubt: Objection | None = None
    for name in guards:
        why = GUARDS[name](one, other)
        if not why:
            continue
        if name not in DOUBTS:
            return Objection(name, why, is_final=True)
        doubt = doubt or Objection(name, why, is_final=False)
    return doubt


def _numbers(one: Traits, other: Traits) -> str:
    return _differing(one.numbers, other.numbers)


def _units(one: Traits, other: Traits) -> str:
    return _differing(one.units, other.units)


def _dates(one: Traits, other: Traits) -> str:
    return _differing(one.dates, other.dates)


def _negation(one: Traits, other: Traits) -> str:
    return _differing(one.negations, other.negations)


def _code(one: Traits, other: Traits) -> str:
    return _differing(one.code, other.code) or _differing(one.symbols, other.symbols)


def _quotes(one: Traits, other: Traits) -> str:
    return _differing(one.quotes, other.quotes)


def _names(one: Traits, other: Traits) -> str:
    missing = one.names - other.forms
    unheard = other.names - one.forms
    return _differing(missing, unheard) if missing or unheard else ""


def _language(one: Traits, other: Traits) -> str:
    if one.language and other.language and one.language != other.language:
        return f"{one.language} / {other.language}"
    return _differing(one.scripts, other.scripts)


def _script(one: Traits, other: Traits) -> str:
    if one.scripts <= _READ_SCRIPTS and other.scripts <= _READ_SCRIPTS:
        return ""
    unread = (one.scripts | other.scripts) - _READ_SCRIPTS
    return f"{', '.join(sorted(unread))} is not read" if unread else ""


def _asked(one: Traits, other: Traits) -> str:
    if one.asked and other.asked and one.asked.isdisjoint(other.asked):
        return f"{', '.join(sorted(one.asked))} / {', '.join(sorted(other.asked))}"
    if one.tense and other.tense and one.tense != other.tense:
        return f"{one.tense} / {other.tense}"
    return ""


def _antonyms(one: Traits, other: Traits) -> str:
    here, there = one.forms - other.forms, other.forms - one.forms
    if not here or not there:
        return ""
    for word in here:
        opposites = OPPOSITES.get(word)
        if opposites is not None and not opposites.isdisjoint(there):
            return f"{word} / {', '.join(sorted(opposites & there))}"
    there_by_root = {_root(word): word for word in there}
    for word in here:
        match = there_by_root.get(_root(word))
        if match is not None and match != word:
            return f"{word} / {match}"
    return ""


def _root(word: str) -> str:
    """The word without a beginning that could make it its own opposite."""
    if not word.startswith(POLAR_PREFIXES):
        return word
    for prefix in POLAR_PREFIXES:
        if word.startswith(prefix) and len(word) - len(prefix) >= _ROOT_LETTERS_MIN:
            return word[len(prefix) :]
    return word


def _order(one: Traits, other: Traits) -> str:
    if one.words == other.words:
        return ""
    for slot, here in one.slots:
        for its_slot, there in other.slots:
            if slot != its_slot or not here.isdisjoint(there):
                continue
            if not (here.isdisjoint(other.words) and there.isdisjoint(one.words)):
                return f"{slot} {_told(here)} / {slot} {_told(there)}"
    shared = (_once(one.words) & _once(other.words)) - {one.passive, other.passive}
    left = [word for word in one.words if word in shared]
    right = [word for word in other.words if word in shared]
    if left == right:
        return ""
    left, right = _middle(left, right)
    # A block that has moved is a matter of style; two that changed places are not.
    if len(left) > 2 and _is_turned(left, right):
        return ""
    return f"{' '.join(left)} / {' '.join(right)}"


def _once(words: tuple[str, ...]) -> frozenset[str]:
    found = frozenset(words)
    if len(found) == len(words):
        return found
    return frozenset(word for word in words if words.count(word) == 1)


def _middle(left: list[str], right: list[str]) -> tuple[list[str], list[str]]:
    """Both without the beginning and the end they share."""
    first, end = 0, len(left)
    while left[first] == right[first]:
        first += 1
    while left[end - 1] == right[end - 1]:
        end -= 1
    return left[first:end], right[first:end]


def _is_turned(left: list[str], right: list[str]) -> bool:
    at = right.index(left[0])
    return right[at:] + right[:at] == left


def _wording(one: Traits, other: Traits) -> str:
    here, there = frozenset(one.words), frozenset(other.words)
    return _differing(here - there, there - here) if here != there else ""


def _differing(left: Collection[str], right: Collection[str]) -> str:
    return "" if left == right else f"{_told(left)} / {_told(right)}"


def _told(words: Collection[str]) -> str:
    return ", ".join(sorted(words)) or "nothing"


GUARDS: Final[Mapping[str, Guard]] = {
    "language": _language,
    "numbers": _numbers,
    "units": _units,
    "dates": _dates,
    "negation": _negation,
    "antonyms": _antonyms,
    "code": _code,
    "quotes": _quotes,
    "names": _names,
    "asked": _asked,
    "order": _order,
    "script": _script,
    "wording": _wording,
}
DOUBTS: Final = frozenset(("script", "wording"))
ALL_GUARDS: Final = tuple(GUARDS)
