"""From texts to what is drawn of them: the font, the size, the lines."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from headrace.errors import InvalidRequest
from headrace.video.faults import VideoFault
from headrace.video.fonts import FontShelf, Typeface
from headrace.video.glyphs import Drawable, drawable, plain
from headrace.video.layout import Block, Sizes, body_sizes, fitted, safe_area, title_sizes
from headrace.video.look import Look

_NAMED_MAX: Final = 8
# With fewer letters than this nobody could read what is left.
_LETTERS_MISSING_SHARE_MAX: Final = 0.5


class Picture(msgspec.Struct, frozen=True):
    """What is seen of one scene.

    Attributes:
        text: of the scene, as it came.
        block: its lines.
        face: the font they are drawn with.
    """

    text: str
    block: Block
    face: Typeface


class Pictures(msgspec.Struct, frozen=True):
    """What is seen of a whole video.

    Attributes:
        title: its card, if there is one.
        scenes: at least one.
        warnings: what could not be drawn as it is written.
    """

    title: Picture | None
    scenes: tuple[Picture, ...]
    warnings: tuple[str, ...]


class Draughtsman:
    """Draws up texts for one look.

    Args:
        look: sizes.
        shelf: fonts.
    """

    def __init__(self, look: Look, shelf: FontShelf) -> None:
        self._area = safe_area(look.width, look.height)
        self._height = look.height
        self._shelf = shelf

    def draw_up(self, title: str, scenes: Sequence[str]) -> Pictures:
        """All texts of a video.

        Raises:
            InvalidRequest: no scene has anything that could be seen, or the title is too long.
            VideoFault: there is no font for the script.
        """
        seen: list[Drawable] = []
        cards = tuple(self._pictured(title, title_sizes(self._height), seen))
        if len(cards) > 1:
            raise InvalidRequest(
                f"the title has {len(title)} letters, too many for one card of this size",
                code="title_too_long",
                param="title",
            )
        sizes = body_sizes(self._height)
        pictures = tuple(each for scene in scenes for each in self._pictured(scene, sizes, seen))
        if not pictures:
            raise InvalidRequest(
                "the script has nothing that can be seen; write at least one sentence",
                code="script_empty",
                param="script",
            )
        return Pictures(cards[0] if cards else None, pictures, _warnings(seen))

    def _pictured(self, text: str, sizes: Sizes, seen: list[Drawable]) -> Iterator[Picture]:
        """A text as one picture, or as several where it is too long for one."""
        line = plain(text)
        if not line:
            return
        face = self._shelf.suited(line)
        drawn = drawable(line, face.has)
        if not drawn.text:
            return
        block = fitted(drawn.text, self._area, sizes, face.measure)
        if block is not None:
            seen.append(drawn)
            yield Picture(line, block, face)
        elif len(line) > 1:
            for half in _halves(line):
                yield from self._pictured(half, sizes, seen)


def _halves(text: str) -> tuple[str, str]:
    """A text in two, between words where there are any."""
    middle = len(text) // 2
    cut = text.rfind(" ", 1, middle + 1)
    cut = cut if cut > 0 else middle
    return text[:cut], text[cut:]


def _warnings(seen: Sequence[Drawable]) -> tuple[str, ...]:
    missing = tuple(dict.fromkeys(char for each in seen for char in each.missing))
    if not missing:
        return ()
    named = ", ".join(_named(char) for char in missing[:_NAMED_MAX])
    more = f" and {len(missing) - _NAMED_MAX} more" if len(missing) > _NAMED_MAX else ""
    told = f"no font here has {named}{more}"
    lost, letters = sum(each.letters_missing for each in seen), sum(each.letters for each in seen)
    advice = "install a font that has them, such as Noto's for the script, or name one as font"
    if letters and lost / letters > _LETTERS_MISSING_SHARE_MAX:
        raise VideoFault("font_missing", f"{told}, too much of the script to be read: {advice}")
    shown = "they are shown by their names, letters as \N{REPLACEMENT CHARACTER}"
    return (f"{told}; {shown}: {advice}",)


def _named(char: str) -> str:
    return f"{char} (U+{ord(char):04X} {unicodedata.name(char, 'without a name')})"
