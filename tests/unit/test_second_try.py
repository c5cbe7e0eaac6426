"""What fails on CI is tried a second time: only where all of it is known."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
FAILED: Final = 1
INTERRUPTED: Final = 2
KILLED: Final = 137


@pytest.mark.parametrize(
    ("status", "is_known"), [(FAILED, True), (INTERRUPTED, False), (KILLED, False)]
)
def test_of_a_run_that_broke_off_no_list_of_failures_is_left(
    tmp_path: Path, status: int, is_known: bool
) -> None:
    """Modules that could not be imported, or a signal: what never ran has not failed either."""
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexit {status}\n")
    program.chmod(0o700)
    failures = tmp_path / ".pytest_cache" / "v" / "cache" / "lastfailed"
    failures.parent.mkdir(parents=True)
    failures.write_text("{}")
    stamp = tmp_path / ".stamp-dev"
    stamp.touch()
    ended = subprocess.run(
        ["make", "-s", "-f", ROOT / "Makefile", "-o", stamp, f"VENV={tmp_path}", "test-all"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"Error {status}" in ended.stderr
    assert failures.exists() == is_known
