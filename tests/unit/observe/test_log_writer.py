"""The thread that writes logs: order, bounds, failures, rotation."""

import threading
from pathlib import Path

import pytest

from headrace.observe.log_writer import LogWriter
from headrace.observe.sinks import FileSink


class ScriptedSink:
    """Takes a few bytes at a time, fails as often as told, and can be held up."""

    is_terminal = False

    def __init__(self, failures: int = 0, bytes_max: int = 1 << 20, held: bool = False) -> None:
        self.taken = b""
        self.failures = failures
        self.bytes_max = bytes_max
        self.closed = False
        self.go = threading.Event()
        self.reached = threading.Event()
        self.recovered = threading.Event()
        if not held:
            self.go.set()

    def write(self, data: memoryview) -> int:
        self.reached.set()
        self.go.wait(60.0)
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        part = bytes(data[: self.bytes_max])
        self.taken += part
        self.recovered.set()
        return len(part)

    def reopen(self) -> None:
        self.failures = 0

    def close(self) -> None:
        self.closed = True


def test_everything_is_written_in_order_before_it_closes() -> None:
    sink = ScriptedSink(bytes_max=3)
    writer = LogWriter(sink)
    lines = [f"line {n}\n".encode() for n in range(100)]
    assert all(writer.put(line) for line in lines)
    assert writer.close()
    assert sink.taken == b"".join(lines)
    assert sink.closed


def test_failed_writes_are_tried_again_counted_and_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sink = ScriptedSink(failures=3)
    writer = LogWriter(sink, retry_s=0.0)
    writer.put(b"one\n")
    writer.put(b"two\n")
    assert sink.recovered.wait(60.0)
    assert writer.close()
    assert sink.taken == b"one\ntwo\n"
    assert writer.take_errors() == 3
    assert writer.take_errors() == 0
    assert capsys.readouterr().err.count("cannot write to the log") == 1


def test_a_sink_that_blocks_fills_the_queue_and_nothing_else() -> None:
    sink = ScriptedSink(held=True)
    writer = LogWriter(sink, queue_bytes_max=10)
    assert writer.put(b"12345678")
    assert writer.put(b"12345678")
    assert not writer.has_room
    assert not writer.put(b"too much")
    sink.go.set()
    assert writer.close()
    assert sink.taken == b"12345678" * 2


def test_the_last_bytes_are_taken_whether_there_is_room_or_not() -> None:
    sink = ScriptedSink(held=True)
    writer = LogWriter(sink, queue_bytes_max=4)
    writer.put(b"1234")
    sink.reached.wait(60.0)
    sink.go.set()
    assert writer.close(b"5678")
    assert sink.taken == b"12345678"


def test_closing_does_not_wait_for_ever_for_a_sink_that_blocks() -> None:
    sink = ScriptedSink(held=True)
    writer = LogWriter(sink)
    writer.put(b"never\n")
    sink.reached.wait(60.0)
    assert not writer.close(timeout_s=0.01)
    assert not writer.put(b"late\n")
    sink.go.set()


def test_a_full_disk_neither_blocks_nor_raises(capsys: pytest.CaptureFixture[str]) -> None:
    writer = LogWriter(FileSink(Path("/dev/full")))
    assert writer.put(b"nowhere to go\n")
    assert not writer.close()
    assert writer.take_errors() >= 1
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_a_file_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    moved = tmp_path / "access.log.1"
    first = LogWriter(FileSink(path))
    first.put(b"before\n")
    first.close()
    path.rename(moved)
    sink = FileSink(moved)
    sink._path = path
    writer = LogWriter(sink)
    writer.reopen()
    writer.put(b"after\n")
    assert writer.close()
    assert moved.read_bytes() == b"before\n"
    assert path.read_bytes() == b"after\n"


def test_a_reopen_that_fails_keeps_the_old_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    sink = FileSink(folder / "access.log")
    moved = tmp_path / "moved"
    folder.rename(moved)
    writer = LogWriter(sink)
    writer.reopen()
    writer.put(b"kept\n")
    assert writer.close()
    assert (moved / "access.log").read_bytes() == b"kept\n"
    assert "cannot reopen the log" in capsys.readouterr().err
    assert writer.take_errors() == 1


def test_reopening_ends_the_wait_after_a_failure() -> None:
    sink = ScriptedSink(failures=1_000_000)
    writer = LogWriter(sink, retry_s=3_600.0)
    writer.put(b"line\n")
    sink.reached.wait(60.0)
    writer.reopen()
    assert writer.close()
    assert sink.taken == b"line\n"


def test_an_unused_writer_closes_its_sink_without_a_thread() -> None:
    sink = ScriptedSink()
    before = threading.active_count()
    assert LogWriter(sink).close()
    assert sink.closed
    assert threading.active_count() == before
