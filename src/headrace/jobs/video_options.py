"""How callers may have a video made, and what is refused before it is tried."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from headrace.video.look import Look
from headrace.video.script import checked_title, scenes_of
from headrace.video.timeline import timeline

_Language = Annotated[str, msgspec.Meta(pattern="^[a-z]{2,3}(-[a-zA-Z0-9-]{1,16})?$")]


class VideoOptions(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """The look of a video.

    Attributes:
        width: pixels, even.
        height: pixels, even.
        fps: frames a second.
        preset: of x264.
        use_simple_bg: one colour for each scene, in place of a gradient that moves.
        crossfade_s: how long scenes go over into each other.
        duration_s: of the whole; by reading speed, or by what is said, without it.
        speech: the language it is said in by espeak-ng; silent without it.
    """

    width: int = 1280
    height: int = 720
    fps: int = 30
    preset: str = "veryfast"
    use_simple_bg: bool = False
    crossfade_s: float = 0.5
    duration_s: float | None = None
    speech: _Language | None = None

    def look(self, threads: int = 1) -> Look:
        """The same for the engine."""
        return Look(
            width=self.width,
            height=self.height,
            fps=self.fps,
            preset=self.preset,
            threads=threads,
            background="flat" if self.use_simple_bg else "gradient",
            crossfade_s=self.crossfade_s,
        )


def check_video(title: str, script: str | Sequence[str], options: VideoOptions) -> None:
    """See whether a video can be made.

    Raises:
        InvalidRequest: the script, the title or the look is not fit.
    """
    options.look().check()
    scenes = scenes_of(script)
    timeline(checked_title(title), scenes, fps=options.fps, duration_s=options.duration_s)
