"""What makes no sense is refused where it comes in, and what it was is said."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import AdaptiveCache, Cache, SimpleCache, cached

Make = Callable[[], Any]

REFUSED: tuple[tuple[Make, type[Exception], str], ...] = (
    (lambda: cached(60), TypeError, r"@cached\(ttl=60\)"),
    (lambda: cached(ttl=None), TypeError, "ttl has to be a number, and is None"),
    (lambda: cached(stale="1"), TypeError, "stale has to be a number, and is '1'"),
    (lambda: cached(backend={})(len), TypeError, "dict is neither"),
    (lambda: Cache(max_size="5"), TypeError, "max_size has to be a number"),
    (lambda: Cache(max_bytes=math.nan), ValueError, "max_bytes is nan"),
    (lambda: Cache(max_size=5, ttl=None), TypeError, "ttl has to be a number"),
    (lambda: Cache(max_size=5).set(1, 1, ttl="x"), TypeError, "ttl has to be a number"),
    (lambda: Cache(max_size=5, policy=None), TypeError, "policy is a name or a Policy"),
    (lambda: Cache(max_size=5, weigh=lambda _: -1).set(1, 1), ValueError, "weigh said -1"),
    (lambda: Cache(max_size=5, weigh=lambda _: math.nan).set(1, 1), ValueError, "weigh said nan"),
    (lambda: AdaptiveCache(max_size=5, stale=None), TypeError, "stale has to be a number"),
    (lambda: SimpleCache(None), TypeError, "ttl_seconds has to be a number"),
    (lambda: SimpleCache(60, "5"), TypeError, "max_size_mb has to be a number"),
    (lambda: SimpleCache(60, math.inf), ValueError, "max_size_mb is inf"),
    (lambda: SimpleCache(60, 5, "a"), TypeError, "eviction_percentage has to be a number"),
)


@pytest.mark.parametrize(("make", "error", "told"), REFUSED)
def test_it_is_refused(
    make: Make, error: type[Exception], told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(error, match=told):
        make()


@pytest.mark.parametrize("ttl", [-1, math.nan])
def test_a_time_that_makes_no_sense_is_refused_on_reading_too(tmp_path: Path, ttl: float) -> None:
    with SimpleCache(path=tmp_path / "cache.db") as cache:
        cache.set("a", 1)
        with pytest.raises(ValueError, match="ttl_override"):
            cache.get("a", ttl_override=ttl)


def test_numbers_of_other_libraries_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    cache: Cache[int, int] = Cache(max_size=numpy.int64(5), ttl=numpy.float32(60))
    assert cache.set(1, 1, ttl=numpy.int32(5))
    assert cache.get(1) == 1
