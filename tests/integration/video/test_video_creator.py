"""The face for applications: one video, many, asynchronous, cancelled."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from headrace import InvalidRequest, NotRunning, VideoCreator, VideoFault, VideoProgress
from headrace.toolkit.video_creator import threads_for

SMALL: Any = {"width": 160, "height": 90, "fps": 10, "preset": "ultrafast"}
# Long enough to be cancelled in the middle of it, on any machine.
LONG: Any = {"width": 1280, "height": 720, "fps": 30, "preset": "slower"}
SCRIPT = "One scene.\n\nAnother scene.\n\nA third."


@pytest.fixture
def creator(tmp_path: Path) -> VideoCreator:
    return VideoCreator(2, output_dir=tmp_path / "out", **SMALL)


def test_a_batch_gives_results_in_order_and_one_failure_ends_no_other(
    creator: VideoCreator, tmp_path: Path
) -> None:
    heard: list[VideoProgress] = []
    with creator:
        results = creator.create_videos_batch(
            [
                {"script": SCRIPT, "title": "First", "use_simple_bg": True},
                {"script": " ", "title": "Empty"},
                {"script": SCRIPT, "title": "Third", "use_simple_bg": True, "duration_s": 2},
                {"script": SCRIPT, "title": "X", "output": "x.avi"},
            ],
            progress=heard.append,
        )
    assert [result.ok for result in results] == [True, False, True, False]
    assert [result.title for result in results if result.ok] == ["First", "Third"]
    assert isinstance(results[1].error, InvalidRequest)
    assert results[1].error.code == "script_empty"
    assert isinstance(results[3].error, InvalidRequest)
    assert results[3].error.param == "output"
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert [name[:-12] for name in files] == ["first-", "third-"]
    for index in (0, 2):
        shares = [told.share for told in heard if told.index == index]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert len(shares) >= 5


def test_equal_items_are_made_once(creator: VideoCreator) -> None:
    item = {"script": SCRIPT, "title": "Same", "use_simple_bg": True}
    heard: list[VideoProgress] = []
    with creator:
        first, second = creator.create_videos_batch([item, dict(item)], progress=heard.append)
    assert first.ok
    assert first is second
    assert {told.index for told in heard} == {0}


def test_one_output_for_two_videos_is_refused(creator: VideoCreator, tmp_path: Path) -> None:
    output = tmp_path / "same.mp4"
    with creator:
        results = creator.create_videos_batch(
            [{"script": "One.", "output": output}, {"script": "Two.", "output": output}]
        )
    assert [result.ok for result in results] == [True, False]
    assert "being made already" in str(results[1].error)


@pytest.mark.parametrize(
    ("video", "words"),
    [
        ({"title": "x"}, "no script"),
        ({"script": "x", "titel": "x"}, "unknown key 'titel'"),
        ("x", "is str"),
    ],
)
def test_a_bad_item_is_told_with_its_place(creator: VideoCreator, video: Any, words: str) -> None:
    with creator, pytest.raises(InvalidRequest, match=words) as refused:
        creator.create_videos_batch([{"script": "x"}, video])
    assert refused.value.param == "videos[1]"


@pytest.mark.parametrize(
    ("video", "param"),
    [
        ({"script": None}, "script"),
        ({"script": 7}, "script"),
        ({"script": ["x", None]}, "script"),
        ({"script": b"x"}, "script"),
        ({"script": "x", "title": None}, "title"),
        ({"script": "x", "output": 7}, "output"),
        ({"script": "x", "duration_s": "long"}, "duration_s"),
        ({"script": "x", "duration_s": True}, "duration_s"),
    ],
)
def test_a_field_of_another_type_is_told(creator: VideoCreator, video: Any, param: str) -> None:
    with creator, pytest.raises(InvalidRequest) as refused:
        creator.create_video(**video)
    assert refused.value.param == param
    with pytest.raises(InvalidRequest) as refused:
        creator.create_videos_batch([video])
    assert refused.value.param == f"videos[0].{param}"


def test_a_title_that_fits_on_no_card_is_told(creator: VideoCreator) -> None:
    with creator, pytest.raises(InvalidRequest, match="too many for one card") as refused:
        creator.create_video("x", "word " * 60)
    assert refused.value.code == "title_too_long"


@pytest.mark.heavy
def test_titles_lead_to_no_other_folder(creator: VideoCreator, tmp_path: Path) -> None:
    titles = ["../../etc/passwd", "/abs\0olute", "C:\\x", "...", "\N{ROCKET}", "a" * 100]
    with creator:
        results = creator.create_videos_batch(
            [{"script": "x", "title": title, "use_simple_bg": True} for title in titles]
        )
    assert all(result.ok for result in results)
    assert {result.path.parent for result in results if result.path} == {tmp_path / "out"}
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".mp4"}


@pytest.mark.heavy
def test_the_asynchronous_face_leaves_the_loop_alone(creator: VideoCreator) -> None:
    async def main() -> None:
        heard: list[VideoProgress] = []
        threads: set[int] = set()

        def tell(told: VideoProgress) -> None:
            threads.add(threading.get_ident())
            heard.append(told)

        async with creator:
            one, many = await asyncio.gather(
                creator.create_video_async(SCRIPT, "A", use_simple_bg=True, progress=tell),
                creator.create_videos_batch_async([{"script": SCRIPT, "title": "B"}]),
            )
        assert one.ok
        assert [each.ok for each in many] == [True]
        assert threads == {threading.get_ident()}
        assert heard[-1].share == 1.0

    asyncio.run(main())


@pytest.mark.heavy
def test_cancelling_a_task_ends_the_child_and_removes_the_parts(tmp_path: Path) -> None:
    async def main() -> None:
        started = asyncio.Event()
        creator = VideoCreator(1, output_dir=tmp_path, **LONG)
        async with creator:
            task = asyncio.ensure_future(
                creator.create_video_async(
                    "Long.", duration_s=600, progress=lambda told: started.set()
                )
            )
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.heavy
def test_cancel_ends_what_runs_and_what_waits(tmp_path: Path) -> None:
    started = threading.Event()
    videos = [{"script": "Long.", "title": str(number), "duration_s": 600} for number in range(3)]
    with VideoCreator(1, output_dir=tmp_path, **LONG) as creator:
        threading.Thread(target=lambda: started.wait(60) and creator.cancel()).start()
        results = creator.create_videos_batch(videos, progress=lambda told: started.set())
        assert [type(result.error) for result in results] == [VideoFault] * 3
        assert [result.error.code for result in results] == ["cancelled"] * 3  # type: ignore[union-attr]
        assert list(tmp_path.iterdir()) == []
        assert creator.create_video("Short.", duration_s=0.2, use_simple_bg=True).ok


def test_a_closed_creator_takes_no_more(creator: VideoCreator) -> None:
    creator.close()
    creator.close()
    with pytest.raises(NotRunning):
        creator.create_video("x")


def test_a_listener_that_fails_is_the_callers_to_know(creator: VideoCreator) -> None:
    def fail(told: VideoProgress) -> None:
        raise ZeroDivisionError

    with creator, pytest.raises(ZeroDivisionError):
        creator.create_video(SCRIPT, progress=fail)


@pytest.mark.parametrize("options", [{"max_workers": 0}, {"max_workers": 65}, {"width": 161}])
def test_bad_options_are_refused_at_once(options: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        VideoCreator(**options)
    assert refused.value.param in options


def test_threads_and_workers_share_the_cores() -> None:
    assert [threads_for(workers, 8) for workers in (1, 2, 3, 8, 9)] == [8, 4, 2, 1, 1]
    assert threads_for(1) >= 1


@pytest.mark.heavy
def test_what_was_finished_before_a_crash_is_not_made_again(tmp_path: Path) -> None:
    """The second creator finds the parts of the first, which died between two scenes."""
    output = tmp_path / "v.mp4"
    parts = tmp_path / ".v.mp4.parts"

    class Crash(Exception):
        pass

    def crash(told: VideoProgress) -> None:
        if told.share > 0.5:
            raise Crash

    with VideoCreator(1, **SMALL) as creator, pytest.raises(Crash):
        creator.create_video(SCRIPT, "T", output=output, progress=crash)
    clips = {path: path.stat().st_mtime_ns for path in parts.glob("*.mp4")}
    assert 0 < len(clips) < 4

    seen: dict[Path, int] = {}

    def note(told: VideoProgress) -> None:
        finished = (path for path in parts.glob("*.mp4") if "unfinished" not in path.name)
        seen.update({path: path.stat().st_mtime_ns for path in finished})

    with VideoCreator(1, **SMALL) as creator:
        assert creator.create_video(SCRIPT, "T", output=output, progress=note).ok
    assert {path: seen[path] for path in clips} == clips
    assert len(seen) == 4
    assert not parts.exists()
