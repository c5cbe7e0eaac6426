"""Files on the disk by their ids."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from headrace.batches.shelf import Shelf

FILE = f"file_{'0' * 26}"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """One with a file."""
    shelf = Shelf(tmp_path)
    shelf.place()
    shelf.path(FILE).write_bytes(b"{}")
    return shelf


def open_files() -> set[Path]:
    """Descriptors of this process."""
    return set(Path("/proc/self/fd").iterdir())


def test_a_file_is_held_so_that_network_file_systems_hold_it_too(shelf: Shelf) -> None:
    held = shelf.claim(FILE)
    assert held is not None
    assert fcntl.fcntl(held, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
    assert shelf.claim(FILE) is None
    os.close(held)
    shelf.remove(FILE)
    assert shelf.claim(FILE) is None


def test_a_file_that_cannot_be_held_is_not_left_open(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_fd: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")  # as a server of files without them does

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = open_files()
    with pytest.raises(OSError, match="No locks"):
        shelf.claim(FILE)
    assert open_files() == before
