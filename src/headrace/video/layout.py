"""Where each line of a text goes, and in what size: pure, given a way to measure words."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from headrace.video.glyphs import is_rtl
from headrace.video.script import is_wide

# Title-safe area (SMPTE ST 2046-1 keeps 5 % at each side; players put controls over more of it).
MARGIN_SHARE: Final = 0.08
# Hinting makes letters a little wider than their font says.
_SPARE_SHARE: Final = 0.03
_LINE_EM: Final = 1.42
_SIZE_STEP: Final = 0.92

Measure = Callable[[str], float]
"""How wide a text is, in em: multiply by the size for pixels."""


class Area(msgspec.Struct, frozen=True):
    """The part of a frame where text may stand, in pixels."""

    left: int
    top: int
    width: int
    height: int


class Line(msgspec.Struct, frozen=True):
    """One line of text.

    Attributes:
        text: as it is written, in logical order.
        top: of the line's box, in pixels from the top of the frame.
        width: in pixels, as the font says.
        is_rtl: whether it runs from right to left.
    """

    text: str
    top: int
    width: int
    is_rtl: bool


class Block(msgspec.Struct, frozen=True):
    """Lines that fit into their area.

    Attributes:
        lines: from the top.
        size: of the letters, in pixels to the em.
        panel: what lies behind them.
    """

    lines: tuple[Line, ...]
    size: int
    panel: Area


class Sizes(msgspec.Struct, frozen=True):
    """The sizes that letters may have, in pixels to the em."""

    most: int
    least: int


def safe_area(width: int, height: int) -> Area:
    """Where text may stand in a frame."""
    left, top = round(width * MARGIN_SHARE), round(height * MARGIN_SHARE)
    return Area(left, top, width - 2 * left, height - 2 * top)


def body_sizes(height: int) -> Sizes:
    """Sizes of the text of a scene: readable from across a room, down to that of subtitles."""
    return Sizes(max(10, round(height / 11)), max(8, round(height / 24)))


def title_sizes(height: int) -> Sizes:
    """Sizes of a title."""
    return Sizes(max(12, round(height / 7)), max(8, round(height / 24)))


def fitted(text: str, area: Area, sizes: Sizes, measure: Measure) -> Block | None:
    """The text in the largest size in which it fits; `None` where it fits in none.

    Args:
        text: one paragraph, with characters that can be drawn.
        area: where it may stand; it is centred in it.
        sizes: from the largest, which is tried first, to the smallest.
        measure: how wide words are.
    """
    words = tuple(_words(text))
    widths = {word: measure(word) for word, _ in words}
    space = measure(" ")
    size = sizes.most
    while True:
        pad = round(size * 0.5)
        room_em = (area.width - 2 * pad) * (1 - _SPARE_SHARE) / size
        lines = _wrapped(words, widths, space, room_em, measure)
        if lines is not None and len(lines) * _LINE_EM * size + 2 * pad <= area.height:
            return _placed(lines, area, size, pad, measure)
        if size <= sizes.least:
            return None
        size = max(sizes.least, int(size * _SIZE_STEP))


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """What a line may end after, each with whether a space stands before it."""
    for word in text.split():
        is_first = True
        for wide, chars in itertools.groupby(word, is_wide):
            run = "".join(chars)
            for part in run if wide else (run,):
                yield part, is_first
                is_first = False


def _wrapped(
    words: Sequence[tuple[str, bool]],
    widths: dict[str, float],
    space_em: float,
    room_em: float,
    measure: Measure,
) -> list[str] | None:
    """Lines no wider than the room: each takes as many words as fit (first fit)."""
    lines: list[str] = []
    line, filled = "", 0.0
    for word, has_space in words:
        gap = space_em if has_space and line else 0.0
        if line and filled + gap + widths[word] > room_em:
            lines.append(line)
            line, filled, gap = "", 0.0, 0.0
        if widths[word] > room_em:
            *whole, word = _broken(word, room_em, measure)
            lines.extend(whole)
            if measure(word) > room_em:
                return None  # not even one letter fits
        line += " " + word if gap else word
        filled += gap + (widths.get(word) or measure(word))
    return [*lines, line] if line else lines


def _broken(word: str, room_em: float, measure: Measure) -> list[str]:
    """A word wider than a line in parts that fit, as long as they can be."""
    parts: list[str] = []
    while word:
        low, high = 1, len(word)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if measure(word[:middle]) <= room_em else (low, middle - 1)
        parts.append(word[:low])
        word = word[low:]
    return parts


def _placed(lines: Sequence[str], area: Area, size: int, pad: int, measure: Measure) -> Block:
    pitch = _LINE_EM * size
    height = round(pitch * len(lines))
    top = area.top + (area.height - height) // 2
    widths = [round(measure(line) * size) for line in lines]
    panel_width = min(area.width, max(widths, default=0) + 2 * pad)
    left = area.left + (area.width - panel_width) // 2
    return Block(
        tuple(
            Line(text, top + round(at * pitch), width, is_rtl(text))
            for at, (text, width) in enumerate(zip(lines, widths, strict=True))
        ),
        size,
        Area(left, top - pad, panel_width, height + 2 * pad),
    )
