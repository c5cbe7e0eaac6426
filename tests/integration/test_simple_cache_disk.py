"""A `SimpleCache` on a disk that is full."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.small_disk import small_disk

from headrace import SimpleCache, StoreFault, StoreFull, cached

ROOT = Path(__file__).resolve().parents[2]
DISK_BYTES = 2 * 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, DISK_BYTES) as folder:
        yield folder


def fill(cache: SimpleCache) -> int:
    written: list[int] = []

    def write() -> None:
        for number in range(10_000):
            cache.set(f"{number}", os.urandom(4000))
            written.append(number)

    with pytest.raises(StoreFull, match="the disk is full"):
        write()
    return len(written)


def test_a_full_disk_fails_writes_clearly_and_reads_go_on(disk: Path) -> None:
    with SimpleCache(path=disk / "cache.db") as cache:
        written = fill(cache)
        cache.book._front.clear()
        assert all(cache.get(f"{number}") is not None for number in range(written))
        with pytest.raises(StoreFull):
            cache.set("large", os.urandom(DISK_BYTES))
        assert cache.get("0") is not None


def test_a_cached_function_goes_on_with_a_full_disk(disk: Path) -> None:
    with SimpleCache(path=disk / "cache.db") as cache:
        fill(cache)

        @cached(backend=cache)
        def text(number: int) -> str:
            return f"{number}" * 5000

        assert [text(1), text(1)] == ["1" * 5000] * 2
        errors = text.cache_errors()
        assert errors.backend_errors == 2
        assert "the disk is full" in errors.last_backend_error


def test_a_cache_that_cannot_be_begun_says_why(disk: Path) -> None:
    (disk / "filler").write_bytes(bytes(DISK_BYTES - 4096))
    with pytest.raises(StoreFault, match=r"No space left|disk is full|disk I/O"):
        SimpleCache(path=disk / "cache.db")


LIMITED = """
import os, resource, sys
from headrace import SimpleCache, StoreFault
cache = SimpleCache(path=sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    for written in range(10_000):
        cache.set(f"{{written}}", os.urandom(4000))
except StoreFault as fault:
    print(fault)
cache.book._front.clear()
assert 0 < written < 9_999
assert all(cache.get(f"{{number}}") is not None for number in range(written))
"""


def test_a_file_that_may_not_grow_fails_writes_and_not_reads(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED.format(limit=DISK_BYTES), tmp_path / "cache.db"],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stderr
    assert "could not be used" in done.stdout
