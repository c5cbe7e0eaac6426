"""Labelled lines: what a model learns from, as JSON lines or as `intent<TAB>text`. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from headrace.errors import SettingsInvalid
from headrace.routing.intent.training import Example
from headrace.routing.intent.weights import INTENTS_MAX, UNKNOWN
from headrace.settings.values import intent_problem

LINES_MAX: Final = 1_000_000
_SHOWN: Final = 5
# A line of each for each of the five parts that are tried on.
LINES_OF_INTENT_MIN: Final = 5


class _Line(msgspec.Struct):
    text: str
    intent: str


class Labelled(msgspec.Struct, frozen=True):
    """What a file of labelled lines holds.

    Attributes:
        examples: each text once.
        doubles: lines left out because their text was there before, with the same intent.
        remarks: what a person should know of it.
    """

    examples: tuple[Example, ...]
    doubles: int
    remarks: tuple[str, ...]


def read_lines(data: bytes) -> Labelled:
    """Read labelled lines; empty ones count for nothing.

    Args:
        data: UTF-8; lines that begin with `{` are JSON with `text` and `intent`, others are the
            intent, a tab and the text.

    Raises:
        SettingsInvalid: a line cannot be read, or one text has two intents; the number of the line
            is told.
    """
    found: dict[str, tuple[str, int]] = {}
    examples: list[Example] = []
    doubles = 0
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if len(lines) > LINES_MAX:
        raise SettingsInvalid(f"more than {LINES_MAX} lines")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        example = _read(line, number)
        key = " ".join(example.text.casefold().split())
        intent, before = found.setdefault(key, (example.intent, number))
        if intent != example.intent:
            raise SettingsInvalid(
                f"line {number}: the same text is {intent} in line {before}, {example.intent} here"
            )
        if before != number:
            doubles += 1
        else:
            examples.append(example)
    return Labelled(tuple(examples), doubles, _remarks(examples))


def check_trainable(examples: Sequence[Example]) -> None:
    """Refuse what nothing can be learnt from.

    Raises:
        SettingsInvalid: there are fewer than two intents, too many, or too few lines of them.
    """
    names = {each.intent for each in examples} - {UNKNOWN}
    if not 2 <= len(names) <= INTENTS_MAX:
        raise SettingsInvalid(f"expected lines of 2 to {INTENTS_MAX} intents, found {len(names)}")
    counts = Counter(each.intent for each in examples)
    if sum(counts[name] >= LINES_OF_INTENT_MIN for name in names) < 2:
        found = ", ".join(f"{counts[name]} of {name}" for name in sorted(names)[:_SHOWN])
        raise SettingsInvalid(
            f"these lines are too few to learn from: at least {LINES_OF_INTENT_MIN} lines of each "
            f"of at least two intents are needed, some forty of each to be of use; found {found}"
        )


def _read(line: bytes, number: int) -> Example:
    try:
        if line.lstrip().startswith(b"{"):
            read = msgspec.json.decode(line, type=_Line)
            example = Example(read.text, read.intent)
        else:
            intent, tab, text = line.decode().rstrip("\r").partition("\t")
            if not tab:
                raise SettingsInvalid(f"line {number}: expected the intent, a tab and the text")
            example = Example(text, intent)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"line {number}: {error}") from error
    problem = intent_problem(example.intent)
    if problem is not None:
        raise SettingsInvalid(f"line {number}: {problem}")
    if not any(map(str.isalnum, example.text)) and example.intent != UNKNOWN:
        raise SettingsInvalid(f"line {number}: a text without a letter or digit is of no intent")
    return example


def _remarks(examples: Sequence[Example]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for each in examples:
        counts[each.intent] = counts.get(each.intent, 0) + 1
    remarks = [
        f"{name} has {count} line{'s' if count > 1 else ''}: too few to learn from, or to be tried"
        for name, count in sorted(counts.items())
        if count < LINES_OF_INTENT_MIN and name != UNKNOWN
    ]
    if counts and UNKNOWN not in counts:
        remarks.append(
            f"no line is labelled {UNKNOWN}: how well the unknown is told cannot be measured"
        )
    return tuple(remarks)
