"""How a video looks: sizes, colours and times that are the same for all its scenes."""

import re
from typing import Final, Literal

import msgspec

from headrace.errors import InvalidRequest

Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]
Background = Literal["flat", "gradient"]

WIDTH_MIN: Final = 160
WIDTH_MAX: Final = 3840
HEIGHT_MIN: Final = 90
HEIGHT_MAX: Final = 2160
FPS_MAX: Final = 60
THREADS_MAX: Final = 64
CROSSFADE_S_MAX: Final = 2.0
PRESETS: Final[tuple[str, ...]] = Preset.__args__  # type: ignore[attr-defined]

_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")

# Dark enough for white letters: the contrast is at least 7 to 1 (WCAG 2.2, 1.4.6).
PALETTE: Final = ("#1f3a6e", "#5b2a5c", "#0f4d52", "#6b3330", "#2d4a1f", "#3d3a66")


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What all scenes of a video have in common.

    Attributes:
        width: pixels, even.
        height: pixels, even.
        fps: frames a second.
        preset: of x264: the slower, the smaller the file.
        crf: of x264: 0 without loss, 18 hardly visible, 51 the worst.
        threads: of each ffmpeg child, for encoding and for filters.
        background: one colour for each scene, or a gradient that moves.
        colors: of the backgrounds, as #rrggbb, taken in turn.
        crossfade_s: how long one scene goes over into the next; 0 cuts.
    """

    width: int = 1280
    height: int = 720
    fps: int = 30
    preset: str = "veryfast"
    crf: int = 20
    threads: int = 1
    background: Background = "gradient"
    colors: tuple[str, ...] = PALETTE
    crossfade_s: float = 0.5

    def check(self) -> None:
        """Refuse what ffmpeg would refuse, or what no machine should be asked for.

        Raises:
            InvalidRequest: a field is out of its bounds; `param` names it.
        """
        for name in ("width", "height", "fps", "crf", "threads"):
            if type(getattr(self, name)) is not int:
                raise _wrong(
                    name, f"{name} is {getattr(self, name)!r}; it has to be a whole number"
                )
        _within("width", self.width, WIDTH_MIN, WIDTH_MAX)
        _within("height", self.height, HEIGHT_MIN, HEIGHT_MAX)
        _within("fps", self.fps, 1, FPS_MAX)
        _within("crf", self.crf, 0, 51)
        _within("threads", self.threads, 1, THREADS_MAX)
        _within("crossfade_s", self.crossfade_s, 0, CROSSFADE_S_MAX)
        for name, value in (("width", self.width), ("height", self.height)):
            if value % 2:
                raise _wrong(name, f"{name} is {value}; H.264 with yuv420p wants an even number")
        if self.preset not in PRESETS:
            raise _wrong("preset", f"preset is {self.preset!r}; it is one of {', '.join(PRESETS)}")
        if self.background not in ("flat", "gradient"):
            raise _wrong("background", f"background is {self.background!r}, not flat or gradient")
        if not self.colors or not all(_COLOR.fullmatch(color) for color in self.colors):
            raise _wrong("colors", f"colors are {self.colors!r}; write each as '#1b2a49'")


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise _wrong(name, f"{name} is {value}; it has to be from {least:g} to {most:g}")


def _wrong(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, code="video_option", param=name)
