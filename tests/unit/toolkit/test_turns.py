"""The numbers that tell processes whether what they remember is still true."""

import os
import threading
from pathlib import Path

import pytest
from tests.support.waiting import eventually

from headrace.store.disk_cache_file import Address
from headrace.toolkit.turns import FILE_BYTES, SLOTS, Turns

A = Address(0, 5, b"")
B = Address(0, 6, b"")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "turns"


def test_a_change_is_seen_by_all_who_have_the_file(path: Path) -> None:
    one, other = Turns(path), Turns(path)
    slot = one.slot(A)
    before = other.settled(slot)
    begun = one.begin(A)
    assert other.settled(slot) is None
    assert other.begun[slot] != before
    one.end(begun)
    assert other.settled(slot) == one.begun[slot] != before
    assert other.settled(one.slot(B)) == 0


def test_changes_that_overlap_are_settled_when_the_last_has_ended(path: Path) -> None:
    turns = Turns(path)
    slot = turns.slot(A)
    first = turns.begin(A)
    second = turns.begin(A)
    turns.end(first)
    assert turns.settled(slot) is None
    turns.end(second)
    assert turns.settled(slot) == second.turn


def test_one_that_ends_late_never_says_too_much(path: Path) -> None:
    turns = Turns(path)
    first, second = turns.begin(A), turns.begin(A)
    turns.end(second)
    turns.end(first)
    assert turns.settled(turns.slot(A)) is None


def test_a_change_of_all_keys_is_one_of_each(path: Path) -> None:
    turns = Turns(path)
    turns.end(turns.begin(A))
    begun = turns.begin(None)
    later = turns.begin(B)
    turns.end(begun)
    assert turns.settled(turns.slot(A)) == 2
    assert turns.settled(turns.slot(B)) is None
    turns.end(later)
    assert turns.settled(turns.slot(B)) == 2
    assert {turns.settled(slot) for slot in range(SLOTS)} == {1, 2}


def test_what_was_left_half_way_is_settled_when_nobody_writes(path: Path) -> None:
    Turns(path).begin(A)
    turns = Turns(path)
    assert turns.settled(turns.slot(A)) is None
    turns.settle()
    assert turns.settled(turns.slot(A)) == 1


def test_numbers_go_round(path: Path) -> None:
    turns = Turns(path)
    slot = turns.slot(A)
    turns.begun[slot] = 2**32 - 1
    turns.end(turns.begin(A))
    assert turns.settled(slot) == 0


def test_a_new_book_makes_everybody_look_again(path: Path) -> None:
    one, other = Turns(path), Turns(path)
    one.begin_book()
    assert other.book == 1
    assert {other.settled(slot) for slot in range(SLOTS)} == {1}


def test_the_file_is_whole_and_its_owners_alone(path: Path) -> None:
    Turns(path)
    assert path.stat().st_size == FILE_BYTES
    assert path.stat().st_blocks * 512 >= FILE_BYTES  # no holes, whose filling could fail later
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_one_opens_at_a_time(path: Path) -> None:
    one, other = Turns(path), Turns(path)
    order = []

    def open_too() -> None:
        order.append("asks")
        with other.opening():
            order.append("opens")

    with one.opening():
        thread = threading.Thread(target=open_too)
        thread.start()
        eventually(lambda: order == ["asks"])
        order.append("still open")
    thread.join(60)
    assert order == ["asks", "still open", "opens"]


def test_a_disk_without_room_is_an_error_and_no_sudden_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: len(data) // 2)
    with pytest.raises(OSError, match="No space left"):
        Turns(path)
