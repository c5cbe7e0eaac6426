"""What `VideoCreator` tells of videos."""

from pathlib import Path

import msgspec

from headrace.video.captions import Caption, to_srt, to_webvtt


class VideoProgress(msgspec.Struct, frozen=True):
    """How far a video is.

    Attributes:
        index: its place in the batch, from 0.
        title: as it was given.
        share: how much is done, from 0 to 1.
    """

    index: int
    title: str
    share: float


class VideoResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a video.

    Attributes:
        path: the file; `None` where it failed.
        title: as it was given.
        duration_s: how long it lasts.
        size_bytes: of the file.
        scenes: how many, the title card among them.
        width: pixels.
        height: pixels.
        captions: what is shown when.
        warnings: what could not be shown as it is written, and what to do about it.
        error: why it failed, in a batch; alone, it is raised.
    """

    path: Path | None = None
    title: str = ""
    duration_s: float = 0.0
    size_bytes: int = 0
    scenes: int = 0
    width: int = 0
    height: int = 0
    captions: tuple[Caption, ...] = ()
    warnings: tuple[str, ...] = ()
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """Whether the file is there."""
        return self.error is None

    @property
    def srt(self) -> str:
        """The captions as a SubRip file."""
        return to_srt(self.captions)

    @property
    def webvtt(self) -> str:
        """The captions as a WebVTT file."""
        return to_webvtt(self.captions)
