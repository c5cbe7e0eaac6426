"""What is in a video: its streams and its frames, as ffmpeg decodes them."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg

BRIGHT = 170
"""Above this a channel is of white letters; all backgrounds are darker."""


class Frame(NamedTuple):
    """One frame as RGB, and where its letters are."""

    width: int
    height: int
    rgb: bytes

    def bright(self) -> list[tuple[int, int]]:
        """Places, as x and y, of the pixels of letters."""
        return [
            divmod(at, self.width)[::-1]
            for at in range(self.width * self.height)
            if min(self.rgb[3 * at : 3 * at + 3]) > BRIGHT
        ]

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        at = 3 * (y * self.width + x)
        red, green, blue = self.rgb[at : at + 3]
        return red, green, blue


class Told(NamedTuple):
    """What ffmpeg says of a file."""

    duration_s: float
    streams: tuple[str, ...]
    text: str


def ffmpeg(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", *arguments]
    return subprocess.run(command, capture_output=True, timeout=60)


def told(path: Path) -> Told:
    """Streams and length of a file."""
    text = ffmpeg("-i", str(path)).stderr.decode()
    found = re.search(r"Duration: (\d+):(\d+):([\d.]+)", text)
    assert found, text
    hours, minutes, seconds = found.groups()
    streams = tuple(re.findall(r"Stream #0:\d.*", text))
    return Told(int(hours) * 3600 + int(minutes) * 60 + float(seconds), streams, text)


def frame(path: Path, at_s: float, width: int, height: int) -> Frame:
    """The frame that is shown at a time."""
    picked = ("-ss", str(at_s), "-i", str(path), "-frames:v", "1")
    rgb = ffmpeg("-v", "error", *picked, "-f", "rawvideo", "-pix_fmt", "rgb24", "-").stdout
    assert len(rgb) == width * height * 3
    return Frame(width, height, rgb)


def frame_times(path: Path) -> list[int]:
    """When each frame is shown, in frames."""
    lines = ffmpeg("-v", "error", "-i", str(path), "-map", "0:v", "-f", "framemd5", "-").stdout
    return [
        int(line.split(",")[2]) for line in lines.decode().splitlines() if not line.startswith("#")
    ]


def captions(path: Path) -> list[str]:
    """The texts of the captions' track, as they are stored."""
    copied = ("-map", "0:s", "-c", "copy", "-f", "data", "-")
    data = ffmpeg("-v", "error", "-i", str(path), *copied).stdout
    texts: list[str] = []
    while data:
        length = int.from_bytes(data[:2], "big")
        texts.append(data[2 : 2 + length].decode())
        data = data[2 + length :]
    return [text for text in texts if text]


def loudness_lufs(path: Path) -> float:
    """How loud the whole is (EBU R 128)."""
    said = ffmpeg("-i", str(path), "-af", "ebur128=framelog=quiet", "-f", "null", "-").stderr
    found = re.findall(r"I:\s+(-?[\d.]+) LUFS", said.decode())
    return float(found[-1])
