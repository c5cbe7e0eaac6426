"""What results of tools are made of: documents, source and figures of this repository."""

import json
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
CLIENTS: Final = ("10.0.3.17", "10.0.3.18", "10.0.4.2", "192.168.7.44")
WORDS: Final = (
    "cache", "flight", "stream", "provider", "model", "limit", "token", "budget", "worker",
    "request", "answer", "tenant", "header", "queue", "breaker", "retry", "window", "prompt",
    "session", "target", "pool", "key", "digest", "event", "metric", "log",
)  # fmt: skip


@lru_cache(maxsize=1)
def paragraphs() -> tuple[str, ...]:
    """Paragraphs of prose out of docs/, tables and code left out."""
    texts = (page.read_text("utf-8") for page in sorted((ROOT / "docs").rglob("*.md")))
    found = (part.strip() for text in texts for part in text.split("\n\n"))
    return tuple(each for each in found if len(each) > 200 and each[0] not in "|`#-{")


@lru_cache(maxsize=1)
def sources() -> tuple[tuple[str, str], ...]:
    """Modules of the package: path and text."""
    files = sorted((ROOT / "src" / "headrace").rglob("*.py"))
    found = ((file.relative_to(ROOT).as_posix(), file.read_text("utf-8")) for file in files)
    return tuple(each for each in found if len(each[1]) > 2000)


@lru_cache(maxsize=1)
def prices() -> tuple[dict[str, Any], ...]:
    """The price list, a model to a row."""
    text = (ROOT / "src/headrace/routing/prices.json").read_text("utf-8")
    return tuple(
        {"provider": provider, "model": name, "input": row[0], "cached": row[1], "output": row[2]}
        for provider, listed in json.loads(text)["providers"].items()
        for name, row in listed["models"].items()
        if len(row) > 2
    )


def some(random: Random, rows: tuple[Any, ...], low: int, high: int) -> list[Any]:
    """A run of rows that stand together."""
    count = min(random.randint(low, high), len(rows))
    start = random.randint(0, len(rows) - count)
    return list(rows[start : start + count])


def clock_ms(random: Random, start_ms: int, step_ms: int) -> int:
    """A little later than `start_ms`."""
    return start_ms + random.randint(1, step_ms)
