"""What `VideoCreator` is asked for, and the name of a file that nobody named."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from headrace.errors import InvalidRequest
from headrace.toolkit.video_outcome import VideoProgress
from headrace.video.parts import digest

BATCH_MAX: Final = 1000
_NAME_CHARS_MAX: Final = 60
_OTHER: Final = re.compile(r"[^a-z0-9]+")

ProgressListener = Callable[[VideoProgress], None]


class VideoItem(NamedTuple):
    """One video as it was asked for."""

    script: str | Sequence[str]
    title: str = ""
    output: str | Path | None = None
    use_simple_bg: bool = False
    duration_s: float | None = None


def items_of(videos: Iterable[Mapping[str, Any]]) -> list[VideoItem]:
    """The videos of a batch.

    Raises:
        InvalidRequest: there are too many, or one is no mapping, has no script or unknown keys.
    """
    items: list[VideoItem] = []
    for index, video in enumerate(videos):
        if index == BATCH_MAX:
            raise _wrong("videos", f"a batch has more than {BATCH_MAX:,} videos: divide it")
        where = f"videos[{index}]"
        if not isinstance(video, Mapping):
            raise _wrong(where, f"{where} is {type(video).__name__}; a mapping with a script")
        unknown = sorted(set(map(str, video)) - set(VideoItem._fields))
        if unknown or "script" not in video:
            what = f"has the unknown key {unknown[0]!r}" if unknown else "has no script"
            known = ", ".join(VideoItem._fields)
            raise _wrong(where, f"{where} {what}; the keys are {known}")
        script = video["script"]
        script = script if isinstance(script, str) else tuple(script)
        items.append(VideoItem(**{**video, "script": script}))
    return items


def file_name(item: VideoItem) -> str:
    """A name made of the title, with a digest, so that other videos have other names.

    Only small letters, digits and hyphens of a title are taken: none leads out of the folder.
    """
    letters = unicodedata.normalize("NFKD", item.title).encode("ascii", "ignore").decode()
    stem = _OTHER.sub("-", letters.lower()).strip("-")[:_NAME_CHARS_MAX].strip("-") or "video"
    script = [item.script] if isinstance(item.script, str) else ["", *item.script]
    told = digest([item.title, str(item.use_simple_bg), str(item.duration_s), *script])
    return f"{stem}-{told[:8]}.mp4"


def _wrong(param: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, code="video_option", param=param)
