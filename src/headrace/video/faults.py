"""What can go wrong on the way from a script to a video."""

from typing import Final, Literal

from headrace.errors import HeadraceError

Cause = Literal[
    "ffmpeg_missing",
    "ffmpeg_failed",
    "ffmpeg_killed",
    "ffmpeg_stalled",
    "font_missing",
    "disk_full",
    "speech_failed",
    "packages_missing",
    "cancelled",
]

INSTALL: Final = "pip install 'headrace[video]'"


class VideoFault(HeadraceError):
    """A video could not be made, for a reason that is not in the script.

    Args:
        cause: which one; also its `code`.
        message: what was wrong, where, and what to do about it.
    """

    default_code = "video_failed"

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message, code=cause)
        self.cause: Cause = cause

    @property
    def may_pass(self) -> bool:
        """Whether trying again, with nothing else changed, can help."""
        return self.cause in ("ffmpeg_killed", "ffmpeg_stalled", "disk_full", "speech_failed")
