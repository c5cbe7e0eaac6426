"""The files of a showcase are whole or what they were, and a terminal has the figures anyway."""

import errno
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from tests.support.showcases import make_showcase

from headrace.bench.trials.trial import Trial
from headrace.cli.showcase import showcase
from headrace.cli.showcase_files import write
from headrace.cli.showcase_view import show, show_so_far
from headrace.errors import SettingsInvalid


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that is full: nothing can be written beyond."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_page_a_summary_and_the_figures(tmp_path: Path) -> None:
    paths = write(tmp_path, make_showcase())
    assert [path.name for path in paths] == ["showcase.html", "showcase.md", "showcase.json"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert json.loads(paths[2].read_bytes())["main"]["a"] == "everything off"


def test_a_full_disk_leaves_what_was_there_and_nothing_half(tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in write(tmp_path, make_showcase())}
    with files_of_at_most(20_000), pytest.raises(OSError, match=r"showcase\.html: File too large"):
        write(tmp_path, make_showcase(6))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_a_killed_one_left_is_written_over(tmp_path: Path) -> None:
    left = tmp_path / ".showcase.html.unfinished"
    left.write_bytes(b"<!doctype html><p>half a page" * 10_000)
    paths = write(tmp_path, make_showcase())
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert b"half a page" not in paths[0].read_bytes()


def test_a_name_that_is_taken_is_told(tmp_path: Path) -> None:
    (tmp_path / "showcase.md").mkdir()
    with pytest.raises(OSError, match=r"showcase\.md: .*shown above") as found:
        write(tmp_path, make_showcase())
    assert found.value.errno == errno.EISDIR
    assert sorted(each.name for each in tmp_path.iterdir()) == ["showcase.html", "showcase.md"]


_WHERE_NOTHING_CAN_BE_WRITTEN = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
from headrace.cli.main import main
main()
"""


def test_a_machine_without_room_for_trials_is_told_in_words(tmp_path: Path) -> None:
    command = ("showcase", "--quick", "--blocks", "1", "--out", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", _WHERE_NOTHING_CAN_BE_WRITTEN, *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "No usable temporary directory" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("folder", ["/proc/self", "/dev/null", "/dev/null/below"])
def test_a_folder_for_no_files_is_told_before_the_trials(folder: str) -> None:
    command = ("showcase", "--quick", "--blocks", "1", "--out", folder)
    done = subprocess.run(
        [sys.executable, "-m", "headrace.cli.main", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert f"{folder}: " in done.stderr
    assert "; name another folder by --out" in done.stderr
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)


def test_a_terminal_has_verdicts_promises_and_money() -> None:
    told = StringIO()
    show(Console(file=told, width=200), make_showcase(name="[bold]x[/]"))
    text = told.getvalue()
    assert "mean latency, by day" in text
    assert "20 to 50 % lower latency from caching" in text
    assert "1,000 good requests" in text
    assert "[bold]x[/]" in text


def test_a_terminal_has_no_empty_table_of_parts() -> None:
    told = StringIO()
    show(Console(file=told, width=200), msgspec.structs.replace(make_showcase(), alone=()))
    assert "No part was measured alone" in told.getvalue()
    assert "optimisation" not in told.getvalue()


def test_trials_so_far_are_told_by_arm() -> None:
    told = StringIO()
    trials = [Trial(arm="on", block=n, metrics={"p50_ms": 10.0 + n}) for n in range(3)]
    lost = Trial(arm="off", block=0, metrics={"p50_ms": None}, why="it died")
    show_so_far(Console(file=told, width=200), [("day", trial) for trial in (*trials, lost)])
    rows = [" ".join(line.split()) for line in told.getvalue().splitlines()]
    assert rows[2:] == ["day on 3 11 - - -", "day off 1 - - - -"]
    nothing = StringIO()
    show_so_far(Console(file=nothing), [])
    assert nothing.getvalue() == ""


def test_what_is_missing_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    for name in [name for name in sys.modules if name.startswith("headrace.bench.exhibit")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "headrace.cli.showcase_run", raising=False)
    with pytest.raises(SettingsInvalid, match=r"numpy is not installed.*headrace\[bench\]"):
        showcase(out=Path("nowhere"))
    assert not Path("nowhere").exists()
