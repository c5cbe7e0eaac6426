"""Fonts: where they are, which characters they have, and how wide a text is in them."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Final

from headrace.video.faults import INSTALL, VideoFault

FONT_FOLDERS: Final = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/Library/Fonts",
    "/System/Library/Fonts/Supplemental",
)
_FONTS_MAX: Final = 400
_KINDS: Final = frozenset((".ttf", ".otf"))
_FIRST: Final = "Noto Sans"
# Regular letters without serifs are read best on a screen; the rest serves where those lack a sign.
_LESS_READABLE: Final = (
    *("mono", "serif", "italic", "oblique", "light", "thin", "black", "bold", "condensed"),
    *("math", "emoji", "symbol"),
)
# What ffmpeg draws, and what others have in its place: pictures, or shapes in several colours.
_OUTLINES: Final = frozenset(("glyf", "CFF ", "CFF2"))
_COLOURED: Final = frozenset(("CBDT", "COLR", "SVG ", "sbix"))


class Typeface:
    """One font, loaded.

    Args:
        path: of a TrueType or OpenType file.

    Attributes:
        path: see above.
        is_plain: whether all of its signs are outlines.

    Raises:
        VideoFault: it is not there, or it is no font, or one without outlines.
    """

    def __init__(self, path: Path) -> None:
        hb = _harfbuzz()
        self.path = path
        try:
            if not path.stat().st_size:
                raise VideoFault("font_missing", f"the font {path} is empty")
            face = hb.Face(hb.Blob.from_file_path(str(path)))  # mapped, not read into memory
        except (OSError, hb.HarfBuzzError) as error:
            raise VideoFault("font_missing", f"the font {path} cannot be read: {error}") from error
        self._codes = face.unicodes
        if not self._codes:
            raise VideoFault("font_missing", f"{path} is no font, or has no characters")
        tables = frozenset(face.table_tags)
        if not tables & _OUTLINES:
            raise VideoFault(
                "font_missing", f"the signs of {path} are pictures: name a font that has outlines"
            )
        self.is_plain = not tables & _COLOURED
        self._em = face.upem
        self._font = hb.Font(face)
        self._hb = hb

    @cached_property
    def digest(self) -> str:
        """A name for what the file holds."""
        return hashlib.blake2b(self.path.read_bytes(), digest_size=12).hexdigest()

    def has(self, char: str) -> bool:
        """Whether there is a sign for a character."""
        return ord(char) in self._codes

    def measure(self, text: str) -> float:
        """How wide a text is, in em, shaped as ffmpeg shapes it."""
        buffer = self._hb.Buffer()
        buffer.add_str(text)
        buffer.guess_segment_properties()
        self._hb.shape(self._font, buffer)
        return float(sum(place.x_advance for place in buffer.glyph_positions or ()) / self._em)


class FontShelf:
    """Finds the font that suits a text; loads each once, and none before it is needed.

    Args:
        chosen: a font that is used whatever it lacks; found by itself otherwise.
        folders: where fonts of the system are.
        packaged: gives the fonts that packages carry; those of `fontpkg` by default.
    """

    def __init__(
        self,
        chosen: Path | None = None,
        folders: Sequence[str] = FONT_FOLDERS,
        packaged: Callable[[], Sequence[Path]] | None = None,
    ) -> None:
        self._chosen = chosen
        self._folders = folders
        self._packaged = packaged or packaged_fonts
        self._paths: tuple[Path, ...] | None = None
        self._loaded: dict[Path, Typeface | None] = {}

    def suited(self, text: str) -> Typeface:
        """The first font with every character of a text, or else the one that lacks fewest.

        Raises:
            VideoFault: there is no font at all.
        """
        wanted = frozenset(char for char in text if not char.isspace())
        best: Typeface | None = None
        fewest = len(wanted) + 1
        for face in self._faces():
            lacking = sum(not face.has(char) for char in wanted)
            if lacking < fewest:
                best, fewest = face, lacking
            if not lacking:
                break
        if best is None:
            raise VideoFault(
                "font_missing",
                f"no font was found in a package or in {', '.join(self._folders)}; {INSTALL} "
                "brings one, or name a .ttf file as font",
            )
        return best

    def _faces(self) -> Iterator[Typeface]:
        if self._chosen is not None:
            yield self._face(self._chosen) or Typeface(self._chosen)
            return
        if self._paths is None:
            found = dict.fromkeys([*self._packaged(), *_system_fonts(self._folders)])
            self._paths = tuple(found)[:_FONTS_MAX]
        for path in self._paths:
            face = self._face(path)
            if face is not None and face.is_plain:
                yield face

    def _face(self, path: Path) -> Typeface | None:
        if path not in self._loaded:
            try:
                self._loaded[path] = Typeface(path)
            except VideoFault as fault:
                if self._chosen is not None or fault.cause == "packages_missing":
                    raise
                self._loaded[path] = None  # one among others that cannot be used is passed over
        return self._loaded[path]


def packaged_fonts() -> tuple[Path, ...]:
    """Upright regular fonts of every installed `fontpkg-...` package, Noto Sans first."""
    try:
        import fontpkg
    except ImportError:
        return ()
    names = sorted(fontpkg.families(), key=lambda name: (name != _FIRST, name))
    paths: list[Path] = []
    for name in names:
        try:
            paths.append(Path(fontpkg.path(name, nearest=True)))
        except fontpkg.FontpkgError:
            continue  # a family without an upright style
    return tuple(paths)


def _system_fonts(folders: Sequence[str]) -> list[Path]:
    found: list[Path] = []
    for folder in folders:
        root = Path(folder).expanduser()
        if root.is_dir():
            found.extend(path for path in root.rglob("*") if path.suffix.lower() in _KINDS)
    return sorted(found, key=_preference)


def _preference(path: Path) -> tuple[int, str]:
    name = path.stem.lower().replace("sansserif", "sans")
    return sum(word in name for word in _LESS_READABLE) + ("sans" not in name), path.name


def _harfbuzz() -> ModuleType:
    try:
        import uharfbuzz
    except ImportError as error:
        raise VideoFault(
            "packages_missing", f"videos need the package uharfbuzz: {INSTALL}"
        ) from error
    module: ModuleType = uharfbuzz
    return module
