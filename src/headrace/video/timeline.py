"""When each scene is shown, in whole frames."""

from collections.abc import Sequence
from typing import Final

import msgspec

from headrace.errors import InvalidRequest
from headrace.video.script import reading_s

TITLE_S: Final = 2.5
DURATION_S_MAX: Final = 3600.0
# What is said may end this long before its scene does.
SPEECH_TAIL_S: Final = 0.4


class Cue(msgspec.Struct, frozen=True):
    """One scene in time.

    Attributes:
        text: of the scene, as it came.
        is_title: whether it is the title card.
        start_frame: the first frame.
        frames: how many.
    """

    text: str
    is_title: bool
    start_frame: int
    frames: int


def timeline(
    title: str,
    scenes: Sequence[str],
    *,
    fps: int,
    spoken_s: Sequence[float] = (),
    duration_s: float | None = None,
) -> tuple[Cue, ...]:
    """Scenes one after the other, the title first where there is one.

    Args:
        title: of the card; none where it is empty.
        scenes: their texts.
        fps: frames a second.
        spoken_s: how long each text, the title's first, takes to be said; empty without speech.
        duration_s: of the whole, which scenes share in proportion; by reading speed otherwise.

    Raises:
        InvalidRequest: the whole is too long, or too short for its scenes.
    """
    texts = [title, *scenes] if title else list(scenes)
    seconds = [reading_s(text) for text in texts]
    if title:
        seconds[0] = max(TITLE_S, seconds[0])
    if spoken_s:
        seconds = [said + SPEECH_TAIL_S for said in spoken_s]
    if duration_s is not None:
        if spoken_s and duration_s < sum(seconds):
            raise _refused(
                f"duration_s is {duration_s:g}, and what is said takes {sum(seconds):.1f} s: "
                "give it more time, shorten the script, or have it said faster"
            )
        seconds = _stretched(seconds, duration_s, fps)
    if (whole := sum(seconds)) > DURATION_S_MAX:
        raise _refused(f"the video would last {whole:.0f} s, and {DURATION_S_MAX:.0f} are the most")
    cues: list[Cue] = []
    passed = 0.0
    start = 0
    for text, lasts in zip(texts, seconds, strict=True):
        passed += lasts
        end = max(start + 1, round(passed * fps))
        cues.append(Cue(text, bool(title) and not cues, start, end - start))
        start = end
    return tuple(cues)


def _stretched(seconds: Sequence[float], whole_s: float, fps: int) -> list[float]:
    if not len(seconds) / fps <= whole_s <= DURATION_S_MAX:
        raise _refused(
            f"duration_s is {whole_s:g}; {len(seconds)} scenes need at least a frame each, and "
            f"{DURATION_S_MAX:.0f} s are the most"
        )
    scale = whole_s / sum(seconds)
    return [each * scale for each in seconds]


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="video_duration", param="duration_s")
