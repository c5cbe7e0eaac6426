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
        items.append(checked(VideoItem(**video), f"{where}."))
    return items


def checked(item: VideoItem, where: str = "") -> VideoItem:
    """The same, if each of its fields is of the type that it has to be.

    Args:
        item: as it was given.
        where: what comes before the name of a field in messages.

    Raises:
        InvalidRequest: one is not; `param` names it.
    """
    script: object = item.script
    if not isinstance(script, str):
        texts = tuple(script) if isinstance(script, Sequence) else None
        if texts is None or not all(isinstance(text, str) for text in texts):
            raise _wrong(f"{where}script", f"{where}script is no text, and no list of texts")
        item = item._replace(script=texts)
    kinds: tuple[tuple[str, object, Any], ...] = (
        ("title", item.title, str),
        ("output", item.output, str | Path | None),
        ("use_simple_bg", item.use_simple_bg, bool),
        ("duration_s", item.duration_s, int | float | None),
    )
    for name, value, kind in kinds:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _wrong(f"{where}{name}", f"{where}{name} is {type(value).__name__}")
    return item


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
