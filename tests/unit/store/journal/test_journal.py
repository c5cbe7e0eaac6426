"""The journal of a process: what is appended is there, whoever dies, and it has a bound."""

import os
import resource
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from headrace.clock import ManualClock
from headrace.store.journal.frames import RECORD_BYTES_MAX
from headrace.store.journal.journal import Journal, folder_bytes, segment_paths
from headrace.store.journal.segment import (
    NEW_SUFFIX,
    START,
    NotASegment,
    SegmentReader,
    create_segment,
)

SIZE = 4096


def tokens(first: int = 1) -> Iterator[bytes]:
    return (number.to_bytes(16, "big") for number in count(first))


def journal(
    folder: Path, bytes_max: int = 1 << 20, clock: ManualClock | None = None, first: int = 1
) -> Journal:
    names = tokens(first)
    return Journal(folder, bytes_max, clock or ManualClock(), lambda _: next(names), SIZE)


def read_segment(path: Path) -> list[bytes]:
    reader = SegmentReader(path)
    found: list[bytes] = []
    position = START
    while True:
        portion = reader.read(position, 3)
        if portion.end == position:
            break
        found += portion.records
        position = portion.end
    reader.close()
    return found


def read_all(folder: Path) -> list[bytes]:
    paths = sorted(segment_paths(folder))
    return [record for path in paths for record in read_segment(path)]


def test_records_go_from_segment_to_segment(tmp_path: Path) -> None:
    written = [b"record %d" % number * 10 for number in range(200)]
    whole = journal(tmp_path)
    assert all(map(whole.append, written))
    assert len(segment_paths(tmp_path)) > 3
    assert read_all(tmp_path) == written  # also while it is being written
    whole.close()
    assert read_all(tmp_path) == written


def test_who_writes_holds_the_segment(tmp_path: Path) -> None:
    writing = journal(tmp_path)
    writing.append(b"a")
    (path,) = segment_paths(tmp_path)
    reader = SegmentReader(path)
    assert not reader.is_finished()
    assert not reader.is_read(reader.read(START, 9).end)
    writing.close()
    assert reader.is_finished()
    assert reader.is_read(reader.read(START, 9).end)
    assert path.stat().st_size < SIZE
    reader.close()


def test_what_was_appended_outlives_the_process(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        writing = journal(tmp_path)
        for number in range(500):
            writing.append(b"record %d" % number)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert read_all(tmp_path) == [b"record %d" % number for number in range(500)]
    reader = SegmentReader(segment_paths(tmp_path)[0])
    assert reader.is_finished()
    reader.close()


def test_a_full_journal_takes_nothing_until_there_is_room(tmp_path: Path) -> None:
    clock = ManualClock()
    writing = journal(tmp_path, 2 * SIZE, clock)
    record = b"x" * 1000
    taken = [writing.append(record) for _ in range(10)]
    assert taken == [True] * 6 + [False] * 4
    assert "full" in writing.problem
    assert folder_bytes(tmp_path) <= 2 * SIZE
    min(segment_paths(tmp_path)).unlink()
    assert not writing.append(record)  # not looked for yet
    clock.advance(2.0)
    assert writing.append(record)
    assert writing.problem == ""
    writing.close()


def test_a_disk_that_is_full_is_no_signal(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        clock = ManualClock()
        writing = journal(tmp_path, 1 << 20, clock)
        resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE - 1, SIZE - 1))
        taken = [writing.append(b"x" * 1000) for _ in range(6)]
        os._exit(0 if taken == [True] * 3 + [False] * 3 and writing.problem else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert read_all(tmp_path) == [b"x" * 1000] * 3
    assert not list(tmp_path.glob("*" + NEW_SUFFIX))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        journal(tmp_path / "file" / "ledger")


def test_a_record_may_be_too_long(tmp_path: Path) -> None:
    names = tokens()
    writing = Journal(tmp_path, 8 << 20, ManualClock(), lambda _: next(names), 2 << 20)
    assert not writing.append(b"x" * (RECORD_BYTES_MAX + 1))
    assert "too long" in writing.problem
    assert writing.append(b"x" * RECORD_BYTES_MAX)
    assert writing.append(b"y")
    assert read_all(tmp_path) == [b"x" * RECORD_BYTES_MAX, b"y"]


def test_the_next_segment_may_be_made_ahead(tmp_path: Path) -> None:
    writing = journal(tmp_path)
    assert not writing.wants_spare
    while not writing.wants_spare:
        writing.append(b"x" * 100)
    writing.prepare()
    assert not writing.wants_spare
    assert len(segment_paths(tmp_path)) == 2
    for _ in range(40):
        writing.append(b"x" * 100)
    assert len(segment_paths(tmp_path)) == 2
    while not writing.wants_spare:
        writing.append(b"x" * 100)
    writing.prepare()
    writing.sync()
    writing.close()
    assert all(path.stat().st_size > START for path in segment_paths(tmp_path))


def test_what_others_left_unfinished_is_removed(tmp_path: Path) -> None:
    left, young = (tmp_path / (digit * 32 + NEW_SUFFIX) for digit in "01")
    clock = ManualClock()
    for path, age_s in ((left, 61), (young, 0)):
        path.write_bytes(b"")
        os.utime(path, (0.0, clock.wall_s() - age_s))
    held = journal(tmp_path, clock=clock)
    # The young one may be that of a process which has opened it, and not locked it yet.
    assert list(tmp_path.glob("*" + NEW_SUFFIX)) == [young]
    held.close()


def test_a_journal_that_is_full_at_the_start_takes_records_later(tmp_path: Path) -> None:
    clock = ManualClock()
    before = journal(tmp_path, 2 * SIZE, clock)
    while before.append(b"x" * 1000):
        pass
    before.close()
    after = journal(tmp_path, 2 * SIZE, clock, first=1000)
    assert "full" in after.problem
    assert not after.append(b"y")
    min(segment_paths(tmp_path)).unlink()
    clock.advance(2.0)
    assert after.append(b"y")
    after.close()


def test_finished_segments_are_synced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: set[int] = set()
    really_sync = os.fdatasync

    def sync(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        really_sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", sync)
    names = tokens()
    writing = Journal(tmp_path, 1 << 20, ManualClock(), lambda _: next(names), SIZE, syncs=True)
    for _ in range(10):
        writing.append(b"x" * 1000)
    written = segment_paths(tmp_path)
    assert len(written) > 2
    inodes = {path.stat().st_ino for path in (*written[1:], tmp_path)}
    written[0].unlink()  # the store has it
    writing.sync()
    assert inodes <= synced
    synced.clear()
    writing.sync()
    assert len(synced) == 2  # the one under way, and the folder
    writing.close()


def test_two_journals_in_one_folder(tmp_path: Path) -> None:
    one, other = journal(tmp_path, 2 * SIZE), journal(tmp_path, 2 * SIZE, first=1000)
    one.append(b"one")
    other.append(b"other")
    assert sorted(read_all(tmp_path)) == [b"one", b"other"]
    assert not one.append(b"x" * SIZE)


@pytest.mark.parametrize(
    "content", [b"", b"short", b"SQLite format 3\0" + bytes(200), bytes(SIZE)], ids=repr
)
def test_a_foreign_file_is_no_segment(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(content)
    with pytest.raises(NotASegment):
        SegmentReader(path)


@pytest.mark.parametrize("at", [0, 8, 12, 20, 28, 40])
def test_a_damaged_beginning_is_no_segment(tmp_path: Path, at: int) -> None:
    segment = create_segment(tmp_path, bytes(16), SIZE)
    segment.close(SIZE)
    data = bytearray(segment.path.read_bytes())
    data[at] ^= 1
    segment.path.write_bytes(data)
    with pytest.raises(NotASegment):
        SegmentReader(segment.path)


def test_damage_in_a_finished_segment_is_passed_over(tmp_path: Path) -> None:
    writing = journal(tmp_path)
    for number in range(20):
        writing.append(b"record %02d" % number)
    (path,) = segment_paths(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.find(b"record 07")] ^= 1
    path.write_bytes(data)
    assert len(read_all(tmp_path)) == 7  # somebody may be in the middle of it
    writing.close()
    assert len(read_all(tmp_path)) == 19
