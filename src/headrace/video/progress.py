"""What ffmpeg says with `-progress`: lines of `key=value`; anything else is a complaint."""

from collections import deque
from typing import Final

# The report of loudnorm has twelve, and some come after it.
_LINES_KEPT: Final = 40
_LINE_CHARS_MAX: Final = 400
_KEYS: Final = (
    *("frame", "fps", "bitrate", "total_size", "out_time_us", "out_time_ms", "out_time"),
    *("dup_frames", "drop_frames", "speed", "progress"),
)


class ProgressReader:
    """Takes bytes as they come, remembers the last frame and the last complaints."""

    def __init__(self) -> None:
        self.frames = 0
        self.complaints: deque[str] = deque(maxlen=_LINES_KEPT)
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LINE_CHARS_MAX * 4 :]
        for line in lines:
            self._read(line.decode("utf-8", "replace").strip())

    def end(self) -> None:
        """Nothing more will come."""
        self._read(self._rest.decode("utf-8", "replace").strip())
        self._rest = b""

    def _read(self, line: str) -> None:
        key, mark, value = line.partition("=")
        if mark and (key in _KEYS or key.startswith("stream_")):
            if key == "frame" and value.strip().isdigit():
                self.frames = int(value)
        elif line:
            self.complaints.append(line[:_LINE_CHARS_MAX])
