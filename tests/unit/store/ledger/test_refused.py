"""Rows that the database refused: how many are kept, and how they come back."""

from pathlib import Path

import pytest

from headrace.store.journal.journal import segment_paths
from headrace.store.journal.segment import NEW_SUFFIX, START, Segment, SegmentReader
from headrace.store.ledger import refused
from headrace.store.ledger.refused import Aside, look_aside, put_aside, retry


def records_in(folder: Path) -> list[bytes]:
    found = []
    for path in segment_paths(folder):
        reader = SegmentReader(path)
        found += reader.read(START, 100).records
        reader.close()
    return sorted(found)


def test_nothing_was_refused(tmp_path: Path) -> None:
    assert look_aside(tmp_path / "none") == Aside(0, 0, 0)
    assert retry(tmp_path / "none") == 0


def test_what_is_put_aside_comes_back_once(tmp_path: Path) -> None:
    for segment, record in (("a", b"one"), ("a", b"two"), ("b", b"three")):
        assert put_aside(tmp_path / f"{segment}.journal", [record])
    assert look_aside(tmp_path).rows == 3
    assert retry(tmp_path) == 3
    assert records_in(tmp_path) == [b"one", b"three", b"two"]
    assert look_aside(tmp_path) == Aside(0, 0, 0)


def test_who_dies_before_it_says_so_puts_nothing_aside_twice(tmp_path: Path) -> None:
    for _ in range(3):
        assert put_aside(tmp_path / "a.journal", [b"one"])
    assert look_aside(tmp_path).rows == 1


def test_a_retry_that_was_cut_off_makes_the_same_segment_again(tmp_path: Path) -> None:
    put_aside(tmp_path / "a.journal", [b"one"])
    before = (tmp_path / "a.refused").read_bytes()
    retry(tmp_path)
    (first,) = segment_paths(tmp_path)
    (tmp_path / "a.retried").write_bytes(before)  # it died before it removed that
    put_aside(tmp_path / "a.journal", [b"two"])
    assert retry(tmp_path) == 2
    assert len(segment_paths(tmp_path)) == 2
    assert first in segment_paths(tmp_path)
    assert records_in(tmp_path) == [b"one", b"two"]


def test_a_retry_killed_while_it_made_the_segment_is_done_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(tmp_path / "a.journal", [b"one"])

    def killed(folder: Path, name: bytes, size: int) -> Segment:
        (folder / (name.hex() + NEW_SUFFIX)).write_bytes(b"\0" * size)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(refused, "create_segment", killed)
        with pytest.raises(KeyboardInterrupt):
            retry(tmp_path)
    assert retry(tmp_path) == 1
    assert records_in(tmp_path) == [b"one"]


def test_no_more_is_kept_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused, "REFUSED_BYTES_MAX", 100)
    kept = [put_aside(tmp_path / f"{n}.journal", [b"x" * 30]) for n in range(4)]
    assert kept == [True, True, False, False]
    assert look_aside(tmp_path).bytes <= 100


def test_journals_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.unreadable").write_bytes(b"?")
    assert look_aside(tmp_path) == Aside(0, 0, 1)
