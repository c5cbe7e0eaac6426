"""A script becomes scenes: some sentences each, as much as can be read at once."""

import bisect
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from headrace.errors import InvalidRequest

SCRIPT_CHARS_MAX: Final = 100_000
TITLE_CHARS_MAX: Final = 300
SCENES_MAX: Final = 500
SCENE_CHARS_MAX: Final = 180
_SCENE_CHARS_GOOD: Final = 110

# How fast subtitles are read by everybody: 15 characters a second.
_CHARS_PER_S: Final = 15.0
_SCENE_S_MIN: Final = 2.0
_SETTLE_S: Final = 0.6
# A wide character (Chinese, Japanese, Korean) says as much as three letters.
_WIDE_CHARS: Final = 3

_ENDING: Final = re.compile(r"(?<=[.!?…؟۔।])[\"'”’»)\]]*\s+|(?<=[。！？])\s*")
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(])(?:[^\W\d_]|e\.g|i\.e|a\.m|p\.m|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|approx|No|Fig)\.$"
)
# Longer than the longest of them, with what stands before it.
_ABBREVIATION_CHARS_MAX: Final = 12
_PARAGRAPHS: Final = re.compile(r"\n\s*\n")


def scenes_of(script: str | Sequence[str]) -> tuple[str, ...]:
    """The texts of the scenes.

    Args:
        script: prose, where an empty line always begins a new scene; or the scenes themselves,
            which are divided where they are too long to be read at once.

    Raises:
        InvalidRequest: there is nothing to show, or too much of it.
    """
    parts = [script] if isinstance(script, str) else list(script)
    if sum(map(len, parts)) > SCRIPT_CHARS_MAX:
        raise _refused("script_too_long", f"the script is longer than {SCRIPT_CHARS_MAX:,} letters")
    if isinstance(script, str):
        parts = _PARAGRAPHS.split(script)
    scenes = tuple(scene for part in parts for scene in _grouped(_sentences(part)))
    if not scenes:
        raise _refused("script_empty", "the script is empty; write at least one sentence")
    if len(scenes) > SCENES_MAX:
        raise _refused(
            "script_too_long",
            f"the script makes {len(scenes):,} scenes, and {SCENES_MAX} are the most: divide it",
        )
    return scenes


def checked_title(title: str) -> str:
    """The title in one line.

    Raises:
        InvalidRequest: it is longer than a card has room for.
    """
    plain = " ".join(title.split())
    if len(plain) > TITLE_CHARS_MAX:
        raise InvalidRequest(
            f"the title has {len(plain)} letters, and {TITLE_CHARS_MAX} are the most",
            code="title_too_long",
            param="title",
        )
    return plain


def reading_s(text: str) -> float:
    """How long a text has to stay so that it can be read, in seconds."""
    return max(_SCENE_S_MIN, _SETTLE_S + _weight(text) / _CHARS_PER_S)


def is_wide(char: str) -> bool:
    """Whether a character stands for itself, so that a line may end on either side of it."""
    return unicodedata.east_asian_width(char) in "WF" and unicodedata.category(char)[0] == "L"


def _weight(text: str) -> int:
    """How much there is to read, in letters of an alphabet."""
    if text.isascii():
        return len(text)
    return sum(_WIDE_CHARS if is_wide(char) else 1 for char in text)


def _refused(code: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, code=code, param="script")


def _sentences(paragraph: str) -> Iterator[str]:
    """The sentences of a paragraph, none longer than a scene."""
    start = 0
    for ending in _ENDING.finditer(paragraph):
        stop = ending.start() + len(ending.group().rstrip())
        if _ABBREVIATION.search(paragraph[max(start, stop - _ABBREVIATION_CHARS_MAX) : stop]):
            continue
        yield from _pieces(paragraph[start : ending.end()])
        start = ending.end()
    yield from _pieces(paragraph[start:])


def _pieces(sentence: str) -> Iterator[str]:
    """A sentence in one line, divided where it is too long: between words if there are any."""
    text = " ".join(sentence.split())
    # What each beginning of the text weighs: from 0 to the whole.
    weights = list(itertools.accumulate(map(_weight, text), initial=0))
    start = 0
    while weights[-1] - weights[start] > SCENE_CHARS_MAX:
        most = bisect.bisect_right(weights, weights[start] + SCENE_CHARS_MAX) - 1
        cut = text.rfind(" ", (start + most) // 2, most + 1)
        cut = cut if cut > 0 else most
        yield text[start:cut]
        start = cut + (text[cut] == " ")
    if text:
        yield text[start:]


def _grouped(sentences: Iterable[str]) -> Iterator[str]:
    """Short sentences share a scene."""
    held, held_weight = "", 0
    for sentence in sentences:
        weight = _weight(sentence)
        if held and held_weight + weight > _SCENE_CHARS_GOOD:
            yield held
            held, held_weight = sentence, weight
        else:
            # Chinese and Japanese leave no space between sentences.
            gap = "" if not held or unicodedata.east_asian_width(held[-1]) in "WF" else " "
            held, held_weight = f"{held}{gap}{sentence}", held_weight + len(gap) + weight
    if held:
        yield held
