"""Folders of processes that are killed for real."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace.scratch import Scratch, locked

MAKER = """
import os, sys, types
from headrace.scratch import Scratch
if name := os.environ["MACHINE"]:
    os.uname = lambda: types.SimpleNamespace(nodename=name)
scratch = Scratch(sys.argv[1])
(scratch.path / "file").write_text("kept")
forked = os.fork() if len(sys.argv) > 2 else 1
if forked:
    print(scratch.path, forked, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders for temporary files are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def maker(
    place: Path, *arguments: str, machine: str = ""
) -> Iterator[tuple["subprocess.Popen[str]", Path, int]]:
    """A process with a folder, and what it has forked."""
    with subprocess.Popen(
        (sys.executable, "-c", MAKER, *arguments),
        env={**os.environ, "TMPDIR": str(place), "MACHINE": machine},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        path, _, forked = process.stdout.readline().rpartition(" ")
        yield process, Path(path), int(forked)


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()


def test_it_is_private_and_goes_with_its_context(place: Path) -> None:
    with Scratch("test") as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "below").mkdir()
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_is_swept_by_the_next_and_no_other(place: Path) -> None:
    with maker(place, "test") as (process, left, _):
        with Scratch("test"):
            assert (left / "file").exists()  # its maker lives
        kill(process)
    assert (left / "file").exists()
    with Scratch("other"):
        assert left.exists()
    with Scratch("test") as folder:
        assert list(place.iterdir()) == [folder]


def test_it_stays_while_what_its_maker_forked_lives(place: Path) -> None:
    with maker(place, "test", "forks") as (process, left, forked):
        kill(process)
        with Scratch("test"):
            assert left.exists()
        os.kill(forked, signal.SIGKILL)
        os.close(locked(left, waits=True))  # until it has ended
    with Scratch("test") as folder:
        assert list(place.iterdir()) == [folder]


def test_that_of_another_machine_stays_since_nobody_here_sees_its_lock(place: Path) -> None:
    with maker(place, "test", machine="elsewhere") as (process, left, _):
        kill(process)
    with Scratch("test"):
        assert (left / "file").exists()


def test_what_only_looks_like_one_stays(place: Path) -> None:
    with Scratch("test") as folder:
        prefix = folder.name[:-8]
    (place / f"{prefix}of-somebody").mkdir()
    (place / f"{prefix}aaaaaaaa").touch()
    aim = place / "aim"
    aim.mkdir()
    (place / f"{prefix}bbbbbbbb").symlink_to(aim)
    before = sorted(place.iterdir())
    with Scratch("test"):
        pass
    assert sorted(place.iterdir()) == before
