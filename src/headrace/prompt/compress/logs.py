"""Lines of logs without what they have in common, from which every line can be told again.

    @like, 3 lines: 12:00:{} GET /v1/items/{} 200
    01 7
    02 12
    02 3

Each row fills the braces of its line in order. Blocks of lines that follow each other several
times, such as the frames of a recursion, stand once. `unfold` gives the lines back, which is how
it is checked.
"""

import re
from collections.abc import Sequence
from typing import Final

LIKE_LINES_MIN: Final = 4
_BLOCK_LINES_MAX: Final = 64
_FIELD: Final = re.compile(r"\b(?=[a-fA-F]*+\d)[0-9a-fA-F]++\b|\d++")
_LIKE: Final = re.compile(r"@like, (\d+) lines: (.*)", re.DOTALL)
_AGAIN: Final = re.compile(r"\[(?:the line|the (\d+) lines) above, (\d+) more times?\]")
_HOLE: Final = "{}"


def fold(text: str) -> str:
    """The same lines in fewer characters."""
    lines = text.split("\n")
    if any(line.startswith("@like") or _AGAIN.fullmatch(line) for line in lines):
        return text
    return "\n".join(_fold_likes(_fold_blocks(lines)))


def unfold(text: str) -> str:
    """What `fold` was given.

    Raises:
        ValueError: rows are missing, or do not fit their line.
    """
    return "\n".join(_unfold_blocks(_unfold_likes(text.split("\n"))))


def _fold_blocks(lines: Sequence[str]) -> list[str]:
    """Each block that follows itself once, with the number of times it comes again."""
    kept: list[str] = []
    last: dict[str, int] = {}
    at = 0
    while at < len(lines):
        line = lines[at]
        length = at - last.get(line, at)
        times = _times_again(lines, at, length)
        # A run that is not worth it is passed as well, or all of it is looked at once per line.
        end = at + max(times * length, 1)
        for place in range(at, end):
            last[lines[place]] = place
        if times and _is_worth(lines[at - length : at], times):
            kept.append(_again(length, times))
        else:
            kept += lines[at:end]
        at = end
    return kept


def _times_again(lines: Sequence[str], at: int, length: int) -> int:
    """How often the `length` lines before `at` come again from there on."""
    if not 0 < length <= min(at, _BLOCK_LINES_MAX):
        return 0
    block = lines[at - length : at]
    times = 0
    while lines[at + times * length : at + (times + 1) * length] == block:
        times += 1
    return times


def _is_worth(block: Sequence[str], times: int) -> bool:
    """Whether a block is longer than the words in its place; blank lines are not for folding."""
    if not any(map(str.strip, block)):
        return False
    return sum(map(len, block)) * times > len(_again(len(block), times))


def _again(length: int, times: int) -> str:
    what = "the line" if length == 1 else f"the {length} lines"
    return f"[{what} above, {times} more time{'s' if times > 1 else ''}]"


def _fold_likes(lines: Sequence[str]) -> list[str]:
    kept: list[str] = []
    at = 0
    shapes = [_FIELD.sub(_HOLE, line) if _HOLE not in line else None for line in lines]
    while at < len(lines):
        end = at + 1
        while end < len(lines) and shapes[end] is not None and shapes[end] == shapes[at]:
            end += 1
        group = lines[at:end]
        kept += _like(group) if len(group) >= LIKE_LINES_MIN else group
        at = end
    return kept


def _like(lines: Sequence[str]) -> Sequence[str]:
    """Lines of one shape as a pattern and the values of each."""
    columns = list(zip(*(_FIELD.findall(line) for line in lines), strict=True))
    varying = [len(set(column)) > 1 for column in columns]
    if not any(varying):
        return lines
    fillings = (
        _HOLE if varies else column[0] for column, varies in zip(columns, varying, strict=True)
    )
    pattern = _FIELD.sub(lambda _: next(fillings), lines[0])
    rows = zip(*(c for c, varies in zip(columns, varying, strict=True) if varies), strict=True)
    folded = [f"@like, {len(lines)} lines: {pattern}", *map(" ".join, rows)]
    return folded if sum(map(len, folded)) < sum(map(len, lines)) else lines


def _unfold_likes(lines: Sequence[str]) -> list[str]:
    kept: list[str] = []
    at = 0
    while at < len(lines):
        found = _LIKE.fullmatch(lines[at])
        at += 1
        if found is None:
            kept.append(lines[at - 1])
            continue
        parts = found[2].split(_HOLE)
        for row in lines[at : at + int(found[1])]:
            values = [*row.split(" "), ""]
            pieces = zip(parts, values, strict=True)
            kept.append("".join(piece for pair in pieces for piece in pair))
        at += int(found[1])
    return kept


def _unfold_blocks(lines: Sequence[str]) -> list[str]:
    kept: list[str] = []
    for line in lines:
        found = _AGAIN.fullmatch(line)
        if found is None:
            kept.append(line)
        else:
            kept += kept[-int(found[1] or 1) :] * int(found[2])
    return kept
