"""`headrace video`."""

from pathlib import Path
from typing import Annotated, Final

import typer

EPILOG: Final = """Examples:

headrace video script.txt

headrace video talk.md -o talk.mp4 --simple --captions talk.vtt --speech en

An empty line begins a new scene; a first line "# Title" is the title card.
Ctrl-C ends ffmpeg and removes what was not finished. More: docs/video.md"""


def video(
    file: Annotated[Path, typer.Argument(help="The script; - reads standard input.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="The .mp4; FILE's name by default."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the first card.")] = None,
    simple: Annotated[
        bool, typer.Option("--simple", help="A plain background: half the work.")
    ] = False,
    size: Annotated[str, typer.Option(metavar="WxH", help="In pixels.")] = "1280x720",
    fps: Annotated[int, typer.Option(help="Frames a second.", min=1, max=60)] = 30,
    duration: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds; by reading speed without it.")
    ] = None,
    preset: Annotated[str, typer.Option(help="Of x264: slower makes smaller.")] = "veryfast",
    threads: Annotated[
        int | None, typer.Option(help="Of ffmpeg; all cores by default.", min=1, max=64)
    ] = None,
    font: Annotated[Path | None, typer.Option(metavar="TTF", help="A font to use.")] = None,
    speech: Annotated[
        str | None, typer.Option(metavar="LANG", help="Have it said by espeak-ng.")
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write captions, .srt or .vtt, too.")
    ] = None,
) -> None:
    """Make a video of a script: scenes with readable text, captions and sound."""
    from headrace.cli.video_run import Choices, run

    run(
        Choices(
            file=file,
            output=output,
            title=title,
            simple=simple,
            size=size,
            fps=fps,
            duration_s=duration,
            preset=preset,
            threads=threads,
            font=font,
            speech=speech,
            captions=captions,
        )
    )
