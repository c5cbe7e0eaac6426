"""Arguments are lists, texts are files: nothing of a script is ever part of a filter."""

import msgspec

from headrace.video.commands import (
    Clip,
    Layer,
    clip_command,
    loudness_filter,
    whole_command,
)
from headrace.video.layout import Area, Block, Line
from headrace.video.look import Look
from headrace.video.program import Ffmpeg

FFMPEG = Ffmpeg("/bin/ffmpeg", "ffmpeg version 9", has_baseline=True)
OLD = msgspec.structs.replace(FFMPEG, has_baseline=False)
LAYER = Layer(
    Block((Line("50% {x}", 10, 100, is_rtl=False),), 20, Area(5, 5, 90, 40)),
    ("t.line",),
    "font-1",
    "#1b2a49",
)
LOOK = Look(width=320, height=180, fps=25, background="flat", threads=3)


def graph(command: list[str]) -> str:
    return command[command.index("-filter_complex") + 1]


def after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_a_text_goes_in_as_a_file_without_expansion() -> None:
    drawn = graph(clip_command(FFMPEG, LOOK, Clip(LAYER, None, 0, 0, 50), "out"))
    assert "50%" not in drawn
    assert "fontfile=font-1:textfile=t.line:expansion=none:fontsize=20" in drawn
    assert "y=27:y_align=baseline" in drawn


def test_an_ffmpeg_without_baselines_places_lines_by_their_tops() -> None:
    drawn = graph(clip_command(OLD, LOOK, Clip(LAYER, None, 0, 0, 50), "out"))
    assert "y_align" not in drawn
    assert ":y=5" in drawn


def test_a_clip_is_as_long_as_its_frames_say() -> None:
    command = clip_command(FFMPEG, LOOK, Clip(LAYER, None, 0, 0, 50), "out")
    assert after(command, "-frames:v") == "50"
    assert after(command, "-threads") == after(command, "-filter_complex_threads") == "3"
    assert after(command, "-pix_fmt") == "yuv420p"
    assert command[-1] == "out"
    assert "xfade" not in graph(command)


def test_a_scene_goes_over_from_the_one_before() -> None:
    before = msgspec.structs.replace(LAYER, color="#24414f")
    drawn = graph(clip_command(FFMPEG, LOOK, Clip(LAYER, before, 10, 100, 50), "out"))
    one, other, rest = drawn.split("[a];")[0], *drawn.split("[a];")[1].split("[b];")
    assert "0x24414f" in one
    assert "trim=end_frame=10" in one
    assert "0x1b2a49" in other
    assert "trim=end_frame=10" in other
    assert "0x1b2a49" in rest
    assert "trim=end_frame=40[c]" in rest
    assert "[a][b]xfade=transition=fade:duration=0.400000:offset=0" in rest
    assert rest.endswith("[ab][c]concat=n=2[v]")


def test_a_moving_background_goes_on_where_it_was() -> None:
    look = msgspec.structs.replace(LOOK, background="gradient")
    drawn = graph(clip_command(FFMPEG, look, Clip(LAYER, LAYER, 10, 100, 50), "out"))
    assert drawn.count("sin((t+4.000000)*0.35)") == 2
    assert drawn.count("sin((t+4.400000)*0.35)") == 1


def whole(**changes: object) -> list[str]:
    usual = {
        "clips": "list",
        "captions": None,
        "sound": None,
        "loudness": None,
        "title": "",
        "seconds": 2.0,
        "output": "out",
    }
    return whole_command(FFMPEG, **{**usual, **changes})  # type: ignore[arg-type]


def test_without_speech_there_is_silence() -> None:
    command = whole()
    assert "anullsrc=r=48000:cl=stereo" in command
    assert after(command, "-c:v") == "copy"
    assert after(command, "-movflags") == "+faststart"
    assert "mov_text" not in command
    assert "-metadata" not in command


def test_speech_captions_and_title_have_their_places() -> None:
    title = "x\" -y; $(id)'="
    command = whole(sound="a.wav", loudness="loudnorm", captions="c.ass", title=title)
    assert after(command, "-af") == "loudnorm"
    assert after(command, "-c:s") == "mov_text"
    assert after(command, "-metadata") == f"title={title}"
    assert "anullsrc=r=48000:cl=stereo" not in command


def test_the_second_pass_is_told_what_the_first_measured() -> None:
    measured = {
        "input_i": -20.57,
        "input_tp": -1.32,
        "input_lra": 2.0,
        "input_thresh": -30.89,
        "target_offset": 1.08,
    }
    told = loudness_filter(measured)
    assert "loudnorm=I=-16" in told
    assert "measured_I=-20.57:measured_TP=-1.32:measured_LRA=2:measured_thresh=-30.89" in told
    assert told.endswith("offset=1.08:linear=true")
