"""Files and streams."""

import os
from pathlib import Path

import pytest

from headrace.observe.sinks import FileSink, StreamSink


def test_two_files_append_to_the_same_place(tmp_path: Path) -> None:
    path = tmp_path / "log"
    one, two = FileSink(path), FileSink(path)
    for sink, text in ((one, b"a\n"), (two, b"b\n"), (one, b"c\n")):
        assert sink.write(memoryview(text)) == 2
    one.close()
    two.close()
    assert path.read_bytes() == b"a\nb\nc\n"


def test_others_may_not_read_the_log(tmp_path: Path) -> None:
    FileSink(tmp_path / "log").close()
    assert (tmp_path / "log").stat().st_mode & 0o007 == 0


def test_a_file_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileSink(tmp_path / "missing" / "log")


def test_reopening_gives_the_old_descriptor_back(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sink = FileSink(path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for turn in range(5):
        path.rename(tmp_path / f"log.{turn}")
        sink.reopen()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    sink.close()


def test_a_stream_is_written_to_and_left_open() -> None:
    reader, writer = os.pipe()
    sink = StreamSink(writer)
    assert not sink.is_terminal
    sink.write(memoryview(b"line\n"))
    sink.reopen()
    sink.close()
    os.close(writer)
    assert os.read(reader, 100) == b"line\n"
    os.close(reader)


def test_a_terminal_is_known_as_one() -> None:
    leader, follower = os.openpty()
    assert StreamSink(follower).is_terminal
    os.close(leader)
    os.close(follower)
