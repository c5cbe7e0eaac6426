"""Jobs that make videos, with a recorder in memory: tries that break off, and those after them."""

import asyncio
import gc
import stat
import threading
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from tests.support import video
from tests.support.job_context import PlainRecorder, make_context

from headrace.jobs.built_in import built_in_kinds
from headrace.jobs.context import JobFailed, JobRefused

SMALL: Any = {"width": 160, "height": 90, "fps": 10, "use_simple_bg": True}
SCENES = ["One scene.", "Another scene.", "A third one."]


def make(folder: Path, recorder: PlainRecorder | None = None, **wanted: Any) -> Any:
    kind = built_in_kinds().find("video")
    read = kind.read({"script": SCENES, "title": "T", **SMALL, **wanted})
    return asyncio.run(kind.run(make_context(folder, recorder=recorder), read))  # type: ignore[arg-type]


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "files").iterdir()}


def test_a_script_becomes_files_of_the_job(tmp_path: Path) -> None:
    recorder = PlainRecorder()
    result = make(tmp_path, recorder, duration_s=2)
    assert result["file"] == "video.mp4"
    assert (result["scenes"], result["duration_s"], result["width"]) == (4, 2.0, 160)
    assert names(tmp_path) == {"video.mp4", "captions.vtt", "captions.srt"}
    path = tmp_path / "files" / "video.mp4"
    assert result["size_bytes"] == path.stat().st_size
    assert video.frame_times(path) == list(range(20))
    assert "Another scene." in (tmp_path / "files" / "captions.srt").read_text()
    assert list(recorder.steps) == [f"scene-{number}" for number in range(4)]
    shares = [share for share, _ in recorder.told]
    assert shares == sorted(shares)
    assert recorder.told[1][1] == "scene 2 of 4 is being rendered"


def test_a_topic_becomes_a_script_and_a_video(tmp_path: Path) -> None:
    def answer(path: str, document: Any) -> dict[str, Any]:
        text = '{"title": "Mills", "scenes": [{"text": "Water comes."}]}'
        return {"model": "m-1", "choices": [{"message": {"content": text}}]}

    kind = built_in_kinds().find("content")
    wanted = kind.read({"topic": "Mills", "model": "m", "video": SMALL})
    result: Any = asyncio.run(kind.run(make_context(tmp_path, answer), wanted))  # type: ignore[arg-type]
    assert result["title"] == "Mills"
    assert result["video"]["scenes"] == 2
    assert "title           : Mills" in video.told(tmp_path / "files" / "video.mp4").text


class Killed(BaseException):
    """What a worker that is killed never sees."""


def killed_after(steps: int) -> PlainRecorder:
    """Keeps so many steps; then the worker is gone, in the middle of all."""
    recorder = PlainRecorder()
    keep = recorder.step

    async def step(key: str, work: Any) -> Any:
        if len(recorder.steps) == steps:
            raise Killed
        return await keep(key, work)

    recorder.step = step  # type: ignore[method-assign]
    return recorder


def test_what_an_earlier_try_rendered_is_not_rendered_again(tmp_path: Path) -> None:
    first = killed_after(2)
    with pytest.raises(Killed):
        make(tmp_path, first)
    clips = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mp4")}
    assert len(clips) == 2

    seen: dict[Path, int] = {}

    def look() -> None:
        seen.update({path: path.stat().st_mtime_ns for path in tmp_path.rglob(".parts/*.mp4")})

    second = PlainRecorder()
    second.steps = first.steps
    keep = second.progress

    async def progress(share: float, text: str) -> None:
        look()
        await keep(share, text)

    second.progress = progress  # type: ignore[method-assign]
    assert make(tmp_path, second)["scenes"] == 4
    assert clips.items() <= seen.items()


@pytest.mark.heavy
def test_a_worker_elsewhere_renders_what_it_has_not(tmp_path: Path) -> None:
    """The steps are recorded, but their files are on the machine that is gone."""
    first = killed_after(3)
    with pytest.raises(Killed):
        make(tmp_path / "gone", first)
    second = PlainRecorder()
    second.steps = first.steps
    make(tmp_path / "here", second, duration_s=None)
    assert video.frame_times(tmp_path / "here" / "files" / "video.mp4")


@pytest.mark.parametrize("is_for_good", [True, False])
def test_cancelling_ends_the_child(tmp_path: Path, is_for_good: bool) -> None:
    said: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told: said.append(told["message"]))
        rendering = asyncio.Event()
        recorder = PlainRecorder()
        keep = recorder.progress

        async def progress(share: float, text: str) -> None:
            await keep(share, text)
            rendering.set()

        recorder.progress = progress  # type: ignore[method-assign]
        kind = built_in_kinds().find("video")
        wanted = kind.read({"script": "x", "duration_s": 600, "preset": "slower"})
        context = make_context(tmp_path, recorder=recorder)
        run: Any = kind.run(context, wanted)
        task = asyncio.ensure_future(run)
        await rendering.wait()
        context.end(unwanted=is_for_good)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    gc.collect()
    assert said == [], "no error that nobody asked for"
    # A worker that is stopped leaves what is rendered to the next one.
    assert (tmp_path / "files" / ".parts").exists() is not is_for_good
    assert not [t for t in threading.enumerate() if t.name.startswith("headrace-video")]


def renamed(folder: Path, monkeypatch: pytest.MonkeyPatch, when_rendering: str) -> None:
    """An ffmpeg that does something else where a scene is to be rendered."""
    path = folder / "ffmpeg"
    case = f'case "$*" in *-filter_complex*) {when_rendering} ;; esac'
    path.write_text(f'#!/bin/sh\n{case}\nexec {imageio_ffmpeg.get_ffmpeg_exe()} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("HEADRACE_FFMPEG", str(path))


@pytest.mark.heavy
def test_an_ffmpeg_that_is_killed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = tmp_path / "once"
    renamed(tmp_path, monkeypatch, f"test -e {once} || {{ touch {once}; kill -9 $$; }}")
    recorder = PlainRecorder()
    with pytest.raises(JobRefused, match="SIGKILL"):
        make(tmp_path, recorder)
    assert make(tmp_path, recorder)["scenes"] == 4


def test_a_full_disk_is_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed(tmp_path, monkeypatch, "echo 'No space left on device'; exit 1")
    with pytest.raises(JobRefused) as refused:
        make(tmp_path)
    assert refused.value.retry_after_s == 30.0


def test_what_cannot_be_helped_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_FFMPEG", str(tmp_path / "nowhere"))
    with pytest.raises(JobFailed) as failed:
        make(tmp_path)
    assert failed.value.code == "ffmpeg_missing"
    assert names(tmp_path) == set()


@pytest.mark.heavy
def test_at_most_so_many_children_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three jobs on a place for one: their scenes take turns."""
    from headrace.jobs.rendering import RenderPlace
    from headrace.jobs.video_options import VideoOptions

    log = tmp_path / "log"
    real = f'{imageio_ffmpeg.get_ffmpeg_exe()} "$@"'
    renamed(tmp_path, monkeypatch, f"echo + >> {log}; {real}; echo - >> {log}; exit")

    async def main() -> None:
        place = RenderPlace(1)
        jobs = [
            place.make(make_context(tmp_path / str(n)), "", SCENES, VideoOptions(**SMALL))
            for n in range(3)
        ]
        await asyncio.gather(*jobs)

    asyncio.run(main())
    assert log.read_text().split() == ["+", "-"] * 9
