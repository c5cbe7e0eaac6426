"""`python -m benchmarks.video.frames`: the pictures of docs/video.md, made anew."""

import subprocess
import tempfile
from pathlib import Path

from benchmarks.gateway import ROOT
from headrace import VideoCreator
from headrace.video.ffmpeg import find_ffmpeg

IMAGES = ROOT / "docs" / "images"
SCRIPT = (
    "A headrace is the channel that brings the water to the mill, at the speed it needs.",
    'Whatever a script says is text: 100 %, %{pts}, C:\\new, "quotes", <b>, שלום \N{ROCKET}',
)


def main() -> None:
    """Make two small videos, and pictures of a frame of each."""
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        VideoCreator(1, output_dir=folder, width=640, height=360, crossfade_s=0) as creator,
    ):
        for name, simple, at_s in (("title", False, 1.0), ("scene", True, 7.0)):
            result = creator.create_video(
                SCRIPT, "What a headrace is", use_simple_bg=simple, duration_s=9
            )
            if result.path is not None:
                _picture(result.path, at_s, IMAGES / f"video-{name}.jpg")


def _picture(video: Path, at_s: float, image: Path) -> None:
    picked = ["-ss", str(at_s), "-i", str(video), "-frames:v", "1", "-q:v", "4"]
    subprocess.run(
        [find_ffmpeg().path, "-v", "error", "-y", *picked, "-bitexact", str(image)], check=True
    )


if __name__ == "__main__":
    main()
