"""Real texts that a Debian machine has, and what can be made of them, by kind."""

import gzip
import html
import json
import os
import subprocess
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.prompt import seen_tools
from benchmarks.prompt.materials import ROOT

CHARS_MAX: Final = 24_000
CHARS_MIN: Final = 2000
_MANUAL_PAGES: Final = (
    "awk", "bash", "cat", "chmod", "cp", "curl", "cut", "date", "dd", "df", "diff", "du", "find",
    "gcc", "git", "grep", "gzip", "head", "join", "less", "ln", "ls", "make", "mount", "mv",
    "paste", "perl", "printf", "ps", "rm", "rsync", "sed", "sort", "ssh", "stat", "tail", "tar",
    "tee", "test", "touch", "tr", "uniq", "wc", "xargs",
)  # fmt: skip
_DOCUMENTS: Final = Path("/usr/share/doc")


def manual_pages() -> Iterator[str]:
    """Pages of the manual, as a terminal shows them."""
    environment = {**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""}
    for name in _MANUAL_PAGES:
        try:
            shown = subprocess.run(
                ["man", name], capture_output=True, env=environment, timeout=20, check=False
            )
        except FileNotFoundError:
            return
        yield shown.stdout.decode("utf-8", "replace")


def licences() -> Iterator[str]:
    """Licences, and what packages say of theirs."""
    for path in (
        *sorted(Path("/usr/share/common-licenses").glob("*")),
        *sorted(_DOCUMENTS.glob("*/copyright"))[::12],
    ):
        yield path.read_text("utf-8", "replace")


def changelogs() -> Iterator[str]:
    """What packages say has changed."""
    for path in sorted(_DOCUMENTS.glob("*/changelog.Debian.gz"))[::12]:
        yield gzip.decompress(path.read_bytes()).decode("utf-8", "replace")


def markdown() -> Iterator[str]:
    """The documents of this repository, a line to a paragraph."""
    for path in sorted((ROOT / "docs").rglob("*.md")):
        yield path.read_text("utf-8")


def source() -> Iterator[str]:
    """Source in Python, as a shell prints it."""
    for path in sorted((ROOT / "src").rglob("*.py"))[::8]:
        yield path.read_text("utf-8")


def indented_json() -> Iterator[str]:
    """Control files of packages as objects, with the indentation that most tools print."""
    for rows in _packages():
        yield json.dumps({"packages": rows}, indent=2)


def compact_json() -> Iterator[str]:
    """The same without white space."""
    for rows in _packages():
        yield json.dumps({"packages": rows}, separators=(",", ":"))


def _packages() -> Iterator[list[dict[str, str]]]:
    status = Path("/var/lib/dpkg/status")
    if not status.exists():
        return
    blocks = status.read_text("utf-8", "replace").split("\n\n")
    rows = [
        dict(
            line.split(": ", 1) for line in block.split("\n") if line[:1].isalpha() and ": " in line
        )
        for block in blocks
    ]
    names = ("Package", "Version", "Architecture", "Section", "Installed-Size", "Status")
    slim = [{name: row[name] for name in names if name in row} for row in rows if "Package" in row]
    for start in range(0, len(slim) - 40, 40):
        yield slim[start : start + 40]


def pages() -> Iterator[str]:
    """Pages of the manual as web pages."""
    for text in manual_pages():
        parts = [part for part in text.split("\n\n") if part.strip()]
        body = "\n".join(
            f'<p class="Pp">{html.escape(textwrap.dedent(part))}</p>' for part in parts
        )
        head = '<head><meta charset="utf-8"><style>p{margin:1em}</style></head>'
        inner = f'<body><div class="manual">\n{body}\n</div></body>'
        yield f"<!DOCTYPE html>\n<html>{head}{inner}</html>"


def own_logs() -> Iterator[str]:
    """Lines as this gateway logs them."""
    for seed in range(20):
        yield seen_tools.get_logs(Random(seed))


def server_logs() -> Iterator[str]:
    """Lines as servers log them for people."""
    for seed in range(20):
        yield seen_tools.tail_server(Random(seed))


KINDS: Final[Mapping[str, Callable[[], Iterator[str]]]] = {
    "prose: manual pages": manual_pages,
    "prose: licences": licences,
    "prose: changelogs": changelogs,
    "prose: markdown": markdown,
    "source": source,
    "JSON, indented": indented_json,
    "JSON, compact": compact_json,
    "HTML": pages,
    "logs in JSON": own_logs,
    "logs for people": server_logs,
}


def texts(kind: str) -> list[str]:
    """The texts of a kind that are long enough, cut where they are too long."""
    return [text[:CHARS_MAX] for text in KINDS[kind]() if len(text) >= CHARS_MIN]
