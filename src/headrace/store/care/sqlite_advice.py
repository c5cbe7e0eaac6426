"""What a SQLite file's answers mean, and what helps."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from headrace.store.care.findings import Finding

Row = Mapping[str, Any]

_FREE_SHARE_MAX: Final = 0.25
_FREE_PAGES_MIN: Final = 256
_LOG_BYTES_MAX: Final = 256 * 1024 * 1024
_ROWS_LARGE: Final = 10_000


def of_file(file: Row, log_bytes: int, name: str) -> Iterator[Finding]:
    """How it is written, and what of it is empty.

    Args:
        file: what it tells.
        log_bytes: of the log beside it.
        name: the path.
    """
    if file["journal_mode"] != "wal":
        yield Finding(
            level="hint",
            about="journal_mode",
            what=f"{file['journal_mode']}: readers and the writer wait for each other",
            advice="the gateway sets wal when it opens the file; is this a network disk?",
        )
    if file["free_pages"] > max(_FREE_PAGES_MIN, _FREE_SHARE_MAX * file["pages"]):
        share = file["free_pages"] / file["pages"]
        yield Finding(
            level="hint",
            about="free pages",
            what=f"{share:.0%} of the file is empty",
            advice=f"they are used again; to give them back, stop the gateway: "
            f"sqlite3 '{name}' VACUUM",
        )
    if log_bytes > _LOG_BYTES_MAX:
        yield Finding(
            level="warning",
            about="log",
            what=f"{log_bytes / 1024**2:.0f} MiB: somebody has been reading for long",
            advice="end whatever has the file open beside the gateway",
        )


def of_numbers(found: int, rows_most: int) -> Iterator[Finding]:
    """Whether the planner knows what tables hold."""
    if not found and rows_most >= _ROWS_LARGE:
        yield Finding(
            level="hint",
            about="ANALYZE",
            what="never run, so plans are guesses",
            advice="headrace db migrate runs it",
        )


def of_integrity(problems: list[str], orphans: Sequence[Row], name: str) -> Iterator[Finding]:
    """What SQLite finds wrong with the file."""
    if problems == ["ok"] and not orphans:
        yield Finding(level="ok", about="integrity", what="the file fits together")
    for problem in problems:
        if problem != "ok":
            yield Finding(
                level="problem",
                about="integrity",
                what=problem,
                advice=f"put a copy in its place, or: sqlite3 '{name}' .recover",
            )
    for row in orphans:
        yield Finding(
            level="problem",
            about=str(row["name"]),
            what=f"{row['rows']} rows belong to others that are not there",
            advice="keep a copy of the file, and tell us",
        )
