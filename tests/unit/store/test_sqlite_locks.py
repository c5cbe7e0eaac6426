"""Opening a SQLite file leaves the locks alone that the process has on it already."""

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

from headrace.store.sqlite_ways import make_private

TRY_LOCK = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def is_locked_for_others(path: Path) -> bool:
    done = subprocess.run([sys.executable, "-c", TRY_LOCK, str(path)], capture_output=True)
    assert done.returncode == 0 or b"BlockingIOError" in done.stderr, done.stderr
    return done.returncode != 0


def test_a_file_that_is_there_keeps_its_locks(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite3"
    make_private(path)
    with path.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert is_locked_for_others(path)

        make_private(path)

        assert is_locked_for_others(path)


def test_a_new_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite3"
    before = os.umask(0)
    try:
        make_private(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
