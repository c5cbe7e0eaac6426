"""What `headrace video` does."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from headrace.errors import InvalidRequest
from headrace.toolkit.video_creator import VideoCreator
from headrace.toolkit.video_outcome import VideoProgress, VideoResult
from headrace.video.voices import EspeakVoice

_TERMINATED: Final = 128 + signal.SIGTERM
_MB: Final = 1_000_000


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    file: Path
    output: Path | None
    title: str | None
    simple: bool
    size: str
    fps: int
    duration_s: float | None
    preset: str
    threads: int | None
    font: Path | None
    speech: str | None
    captions: Path | None


def run(choices: Choices) -> None:
    """Make the video, with a progress bar where there is a terminal.

    Raises:
        InvalidRequest: the script or an option is not fit.
        VideoFault: it could not be made.
        OSError: a file cannot be read or written.
    """
    title, script = divided(_read(choices.file))
    width, height = sized(choices.size)
    # The default action would leave ffmpeg behind.
    signal.signal(signal.SIGTERM, _end)
    with VideoCreator(
        1,
        choices.preset,
        choices.threads,
        width=width,
        height=height,
        fps=choices.fps,
        font=choices.font,
        voice=EspeakVoice(choices.speech) if choices.speech else None,
    ) as creator:
        result = _made(creator, choices, choices.title or title, script)
    if choices.captions is not None:
        is_vtt = choices.captions.suffix.lower() == ".vtt"
        choices.captions.write_text(result.webvtt if is_vtt else result.srt, "utf-8")
    for warning in result.warnings:
        typer.echo(f"note: {warning}", err=True)
    typer.echo(
        f"{result.path}: {result.duration_s:.1f} s, {result.scenes} scenes, "
        f"{result.width}x{result.height}, {result.size_bytes / _MB:.1f} MB"
    )


def divided(text: str) -> tuple[str, str]:
    """The title, where the first line is one, and the script."""
    first, _, rest = text.lstrip("\ufeff").lstrip().partition("\n")
    return (first[2:].strip(), rest) if first.startswith("# ") else ("", text)


def sized(size: str) -> tuple[int, int]:
    """Width and height.

    Raises:
        InvalidRequest: it is no such text.
    """
    width, mark, height = size.lower().partition("x")
    if not (mark and width.isdecimal() and height.isdecimal()):
        raise InvalidRequest(
            f"--size is {size!r}; write it as 1280x720", code="video_option", param="size"
        )
    return int(width), int(height)


def _read(file: Path) -> str:
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"{file} is no UTF-8 text: {error}", code="script_encoding", param="script"
        ) from error


def _made(creator: VideoCreator, choices: Choices, title: str, script: str) -> VideoResult:
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    named = "video" if str(choices.file) == "-" else choices.file.stem
    output = choices.output or Path(f"{named}.mp4")
    task = bar.add_task(output.name, total=1.0)

    def tell(told: VideoProgress) -> None:
        bar.update(task, completed=told.share)

    with bar:
        return creator.create_video(
            script,
            title,
            output=output,
            use_simple_bg=choices.simple,
            duration_s=choices.duration_s,
            progress=tell,
        )


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(_TERMINATED)
