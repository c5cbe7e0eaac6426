"""A disk of a test's own that is soon full."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(tmp_path: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes, in memory; the test is skipped where nobody may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    if subprocess.run(mounting, capture_output=True).returncode != 0:
        pytest.skip("this root cannot mount")
    try:
        yield folder
    finally:
        # Whoever is slow to close a file on it holds up nobody.
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """Leave no room on a disk, to the last byte; returns the file that takes it."""
    path = disk / "large"
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return path
