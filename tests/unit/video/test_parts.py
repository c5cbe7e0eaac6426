from pathlib import Path

import pytest

from headrace.video.faults import VideoFault
from headrace.video.parts import PartsFolder, digest, needed_bytes


def test_a_part_is_made_once(tmp_path: Path) -> None:
    parts = PartsFolder(tmp_path)
    made = []

    def write(unfinished: str) -> None:
        made.append(unfinished)
        (tmp_path / unfinished).write_text("x")

    assert parts.make("a.mp4", write) is True
    assert parts.make("a.mp4", write) is False
    assert len(made) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_part_that_breaks_off_is_not_there(tmp_path: Path) -> None:
    parts = PartsFolder(tmp_path)

    def write(unfinished: str) -> None:
        (tmp_path / unfinished).write_text("half")
        raise VideoFault("ffmpeg_killed", "killed")

    with pytest.raises(VideoFault, match="killed"):
        parts.make("a.mp4", write)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_made(tmp_path: Path) -> None:
    parts = PartsFolder(tmp_path / "new", free_bytes=lambda path: 1_000_000)
    with pytest.raises(VideoFault, match=r"may need 50 MB in .*1 MB are free") as full:
        parts.open(50_000_000)
    assert full.value.cause == "disk_full"


def test_data_is_kept_under_its_digest(tmp_path: Path) -> None:
    parts = PartsFolder(tmp_path)
    assert parts.keep(b"a", "txt") == parts.keep(b"a", "txt") != parts.keep(b"b", "txt")
    assert (tmp_path / parts.keep(b"a", "txt")).read_bytes() == b"a"


def test_a_digest_knows_where_texts_end() -> None:
    assert digest(["a", "b"]) != digest(["ab"]) != digest(["ab", ""])
    assert digest(["\ud800"])


def test_a_folder_is_absolute_whatever_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert PartsFolder(Path("parts")).path == tmp_path / "parts"


def test_longer_and_larger_needs_more_room() -> None:
    small = needed_bytes(320, 180, 30, 2)
    assert small < needed_bytes(1280, 720, 30, 2) < needed_bytes(1280, 720, 30, 60)
    assert needed_bytes(1280, 720, 30, 3600) < 3_000_000_000
