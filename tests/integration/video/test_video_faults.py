"""What goes wrong around a video is told in words, and leaves nothing half done."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from tests.support.headrace_process import SOURCES
from tests.support.waiting import eventually

from headrace import VideoCreator, VideoFault
from headrace.clock import SystemClock
from headrace.video.ffmpeg import Cancellation, Runner, find_ffmpeg

SMALL: Any = {"width": 160, "height": 90, "fps": 10, "preset": "ultrafast"}
SCRIPT = "One scene.\n\nAnother scene."


def program(path: Path, script: str) -> Path:
    path.write_text("#!/bin/sh\n" + textwrap.dedent(script))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def fault(output_dir: Path, **options: Any) -> VideoFault:
    """How making a small video fails."""
    creator = VideoCreator(1, output_dir=output_dir, **{**SMALL, **options})
    with creator, pytest.raises(VideoFault) as raised:
        creator.create_video(SCRIPT, use_simple_bg=True)
    assert not list(output_dir.glob("*.mp4"))
    return raised.value


def test_an_ffmpeg_that_is_not_there(tmp_path: Path) -> None:
    told = fault(tmp_path, ffmpeg=tmp_path / "nowhere")
    assert told.cause == told.code == "ffmpeg_missing"
    assert "nowhere" in told.message


def test_the_environment_names_an_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_FFMPEG", str(tmp_path / "elsewhere"))
    told = fault(tmp_path)
    assert "HEADRACE_FFMPEG" in told.message
    assert "elsewhere" in told.message


def test_no_ffmpeg_at_all_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "pip install 'headrace[video]'" in fault(tmp_path).message


def test_an_ffmpeg_without_drawtext_is_told(tmp_path: Path) -> None:
    poor = program(
        tmp_path / "ffmpeg", "echo ffmpeg version 5; echo 'configuration: --enable-libx264'"
    )
    told = fault(tmp_path, ffmpeg=poor)
    assert "built without drawtext" in told.message


def test_an_ffmpeg_that_hangs_or_fails_when_asked_is_told(tmp_path: Path) -> None:
    told = fault(tmp_path, ffmpeg=program(tmp_path / "ffmpeg", "exit 3"))
    assert told.cause == "ffmpeg_missing"
    assert "exit status 3" in told.message


def wrapped(tmp_path: Path, when_rendering: str) -> Path:
    """An ffmpeg that does something else where a scene is to be rendered."""
    real = imageio_ffmpeg.get_ffmpeg_exe()
    return program(
        tmp_path / "ffmpeg",
        f'case "$*" in *libx264*-filter_complex*|*-filter_complex*) {when_rendering} ;; esac\n'
        f'exec {real} "$@"\n',
    )


def test_an_ffmpeg_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    told = fault(tmp_path, ffmpeg=wrapped(tmp_path, "echo 'no such luck' >&2; exit 7"))
    assert told.cause == "ffmpeg_failed"
    assert "ended with 7: no such luck" in told.message
    assert not told.may_pass


def test_an_ffmpeg_that_is_killed_is_told(tmp_path: Path) -> None:
    told = fault(tmp_path, ffmpeg=wrapped(tmp_path, "kill -9 $$"))
    assert told.cause == "ffmpeg_killed"
    assert "SIGKILL" in told.message
    assert told.may_pass


def test_a_disk_that_is_full_is_told(tmp_path: Path) -> None:
    words = "echo 'Error writing trailer: No space left on device'; exit 228"
    told = fault(tmp_path, ffmpeg=wrapped(tmp_path, words))
    assert told.cause == "disk_full"
    assert told.may_pass


@pytest.mark.heavy
def test_a_limit_of_file_sizes_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    """For real: files of more than 8 blocks cannot be written."""
    (tmp_path / "s.txt").write_text(SCRIPT)
    command = f"ulimit -f 8; exec {sys.executable} -m headrace video s.txt --simple"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, timeout=60, env=os.environ
    )
    assert done.returncode == 1
    assert b"the disk is full" in done.stderr
    assert b"Traceback" not in done.stderr
    assert not (tmp_path / "s.mp4").exists()


def test_a_folder_that_cannot_be_made_is_the_machines_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with VideoCreator(1, output_dir=tmp_path / "file", **SMALL) as creator:
        with pytest.raises(OSError, match="file"):
            creator.create_video(SCRIPT)
        (result,) = creator.create_videos_batch([{"script": SCRIPT}])
        assert isinstance(result.error, OSError)


def test_no_font_is_told(tmp_path: Path) -> None:
    told = fault(tmp_path, font=tmp_path / "none.ttf")
    assert told.cause == "font_missing"


def test_a_script_that_no_font_can_show_is_told(tmp_path: Path) -> None:
    from headrace.video.fonts import packaged_fonts

    with VideoCreator(1, output_dir=tmp_path, font=packaged_fonts()[0], **SMALL) as creator:
        with pytest.raises(VideoFault, match=r"CJK UNIFIED IDEOGRAPH-4E2D.*too much") as raised:
            creator.create_video("中文没有字体")
        assert raised.value.cause == "font_missing"
        mixed = creator.create_video("Mostly Latin 中", use_simple_bg=True, duration_s=0.5)
        assert "中 (U+4E2D" in mixed.warnings[0]


def test_without_its_packages_a_video_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uharfbuzz", None)
    told = fault(tmp_path)
    assert told.cause == "packages_missing"
    assert "pip install 'headrace[video]'" in told.message


def runner(cancellation: Cancellation, **options: Any) -> Runner:
    return Runner(cancellation, SystemClock(), **options)


def test_a_child_that_says_nothing_is_ended_with_its_children(tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 60 & echo $! > pid; wait"]
    with pytest.raises(VideoFault, match="said nothing") as raised:
        runner(Cancellation(), stall_s=2).run(command, tmp_path)
    assert raised.value.cause == "ffmpeg_stalled"
    assert_gone(int((tmp_path / "pid").read_text()))


def test_cancelling_ends_a_child_with_its_children(tmp_path: Path) -> None:
    import threading

    stop = Cancellation()

    def cancel() -> None:
        eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        stop.cancel()

    threading.Thread(target=cancel).start()
    with pytest.raises(VideoFault, match="cancelled"):
        runner(stop).run(["sh", "-c", "sleep 60 & echo $! > pid; wait"], tmp_path)
    assert_gone(int((tmp_path / "pid").read_text()))
    with pytest.raises(VideoFault, match="cancelled"):
        runner(stop).run(["true"], tmp_path)


def assert_gone(pid: int) -> None:
    def is_gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
        except FileNotFoundError:
            return True

    eventually(is_gone)


def test_a_child_yields_where_it_is_asked_to(tmp_path: Path) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    for wanted in (7, 1):  # and no less than the process that asks
        least = max(wanted, own)
        command = ["sh", "-c", f"until [ $(nice) -ge {least} ]; do sleep 0.01; done; nice"]
        (line,) = runner(Cancellation(), niceness=wanted).run(command, tmp_path)
        assert line == str(least)


def test_the_packaged_ffmpeg_can_do_what_is_needed() -> None:
    found = find_ffmpeg()
    assert found.version.startswith("ffmpeg version")
    assert found.has_baseline


@pytest.mark.heavy
def test_a_worker_that_is_killed_leaves_parts_that_the_next_one_uses(tmp_path: Path) -> None:
    """kill -9 of the process, between its scenes."""
    (tmp_path / "s.txt").write_text("\n\n".join(f"Scene {number}." for number in range(6)))
    command = [sys.executable, "-m", "headrace", "video", "s.txt", "--simple", "--size", "640x360"]
    parts = tmp_path / ".s.mp4.parts"

    def finished() -> dict[str, int]:
        return {
            path.name: path.stat().st_mtime_ns
            for path in parts.glob("*.mp4")
            if "unfinished" not in path.name
        }

    first = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    eventually(finished, 120)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = finished()
    assert len(before) > 0
    assert not (tmp_path / "s.mp4").exists()
    seen: dict[str, int] = {}
    second = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    eventually(lambda: seen.update(finished()) or second.poll() is not None, 240)
    assert second.returncode == 0
    assert (tmp_path / "s.mp4").exists()
    assert not parts.exists()
    assert before.items() <= seen.items(), "what was finished was not made again"


STARTS = """
import pathlib, threading, time
from headrace.video.ffmpeg import Cancellation

def start():
    child = Cancellation().start(["sleep", "600"], pathlib.Path())
    print(child.pid, flush=True)
    child.wait()

threading.Thread(target=start).start()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system cannot end a child by itself")
def test_a_child_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": SOURCES}
    with subprocess.Popen(
        [sys.executable, "-c", STARTS], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    ) as parent:
        try:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            eventually(lambda: "".join(command_of(child)[:1]).endswith("/sleep"))
        finally:
            parent.kill()
    eventually(lambda: command_of(child) == [])


def command_of(pid: int) -> list[str]:
    """What a process runs; nothing where it has ended, whether or not anybody looked."""
    try:
        said = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return said.decode().split("\0")[:-1]
