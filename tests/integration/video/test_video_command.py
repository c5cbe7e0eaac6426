"""`headrace video`, as it is typed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import headrace_process, video
from tests.support.waiting import eventually

from headrace.video.fonts import packaged_fonts

SMALL = ("--size", "160x90", "--fps", "10", "--simple")


def run(folder: Path, *arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    return headrace_process.run(
        "video", *arguments, environment=os.environ, folder=folder, stdin=text.encode()
    )


def test_a_file_becomes_a_video_with_captions(tmp_path: Path) -> None:
    (tmp_path / "talk.v1.md").write_text("# The mill\n\nWater <turns> it.\n\nIt grinds.")
    done = run(tmp_path, "talk.v1.md", *SMALL, "--captions", "talk.vtt", "--duration", "2")
    assert done.returncode == 0, done.stderr
    assert "talk.v1.mp4: 2.0 s, 3 scenes, 160x90" in done.stdout
    assert "title           : The mill" in video.told(tmp_path / "talk.v1.mp4").text
    assert "Water &lt;turns&gt; it." in (tmp_path / "talk.vtt").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "talk.v1.md",
        "talk.v1.mp4",
        "talk.vtt",
    ]


def test_a_script_may_come_by_standard_input(tmp_path: Path) -> None:
    given = ("-o", "a.mp4", "--captions", "a.srt", "--font", str(packaged_fonts()[0]))
    done = run(tmp_path, "-", *given, *SMALL, text="Emoji \U0001f680")
    assert done.returncode == 0, done.stderr
    assert "note: no font here has" in done.stderr
    assert (tmp_path / "a.srt").read_text().startswith("1\n00:00:00,000 --> ")


@pytest.mark.parametrize(
    ("arguments", "text", "words"),
    [
        ((), "", "the script is empty"),
        (("--size", "big"), "x", "write it as 1280x720"),
        (("--size", "161x90"), "x", "even number"),
        (("--preset", "warp"), "x", "preset is 'warp'"),
        (("-o", "x.avi"), "x", "has to end in .mp4"),
        (("--font", "none.ttf"), "x", "none.ttf"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    tmp_path: Path, arguments: tuple[str, ...], text: str, words: str
) -> None:
    done = run(tmp_path, "-", *arguments, text=text)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.startswith("headrace: ")
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe\x00")
    assert "no UTF-8 text" in run(tmp_path, "x.txt").stderr
    assert "nowhere.txt" in run(tmp_path, "nowhere.txt").stderr


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_an_interrupt_ends_ffmpeg_and_removes_what_was_not_finished(
    tmp_path: Path, number: int, status: int
) -> None:
    (tmp_path / "s.txt").write_text("Long.")
    command = [sys.executable, "-m", "headrace", "video", "s.txt", "--duration", "600"]
    child = subprocess.Popen([*command, "--preset", "slower"], cwd=tmp_path, stderr=subprocess.PIPE)
    ffmpeg = eventually(lambda: running(tmp_path / ".s.mp4.parts"))
    child.send_signal(number)
    _, said = child.communicate(timeout=30)
    assert child.returncode == status, said
    assert b"Traceback" not in said
    eventually(lambda: not running(tmp_path / ".s.mp4.parts"))
    assert ffmpeg
    assert [path.name for path in tmp_path.iterdir()] == ["s.txt"]


def running(folder: Path) -> list[int]:
    """Processes that work in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            where = (place / "cwd").readlink()
        except OSError:
            continue
        if where == folder or str(where) == f"{folder} (deleted)":
            found.append(int(place.name))
    return found
