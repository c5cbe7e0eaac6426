"""Texts of many kinds, of what any machine with this repository and Debian's manual pages has.

Manual pages that are not installed are left out; the rest is the repository itself and JSON made
from it. Half of the files are kept apart, so that nothing is measured on what was learnt from.
"""

import gzip
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from headrace.prompt.counting.content import Content

ROOT: Final = Path(__file__).resolve().parents[2]
MANUALS: Final = Path("/usr/share/man")
CHARS_MIN: Final = 400
FILES_MAX: Final = 120

_LANGUAGES: Final[Mapping[Content, Sequence[str]]] = {
    Content.LATIN: ("de", "fr", "es", "pl", "it", "nl", "pt_BR", "tr"),
    Content.CYRILLIC: ("ru", "uk", "sr"),
    Content.CJK: ("zh_CN", "zh_TW", "ja", "ko"),
}
_ROFF: Final = re.compile(r"^[.'].*$|\\\S+", re.MULTILINE)
_GAP: Final = re.compile(r"\n{3,}")
_FENCE: Final = re.compile(r"^```.*?^```$|^\|.*$", re.MULTILINE | re.DOTALL)


def texts() -> Mapping[Content, tuple[Sequence[str], Sequence[str]]]:
    """Two halves of texts of each kind; kinds of which there is nothing are left out."""
    found: dict[Content, Sequence[str]] = {
        Content.ENGLISH: [_prose(page) for page in sorted((ROOT / "docs").rglob("*.md"))]
        + _manuals("."),
        Content.CODE: [
            path.read_text("utf-8") for path in sorted((ROOT / "src").rglob("*.py"))[:FILES_MAX]
        ],
        Content.JSON: _documents(),
    }
    for kind, languages in _LANGUAGES.items():
        found[kind] = [text for language in languages for text in _manuals(language)]
    kept = {kind: [t for t in some if len(t) >= CHARS_MIN] for kind, some in found.items()}
    return {kind: (some[::2], some[1::2]) for kind, some in kept.items() if len(some) >= 4}


def _prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text("utf-8"))


def _manuals(language: str) -> list[str]:
    pages = sorted((MANUALS / language / "man1").glob("*.1.gz"))[:FILES_MAX]
    return [_page(gzip.decompress(page.read_bytes()).decode("utf-8", "replace")) for page in pages]


def _page(text: str) -> str:
    """What a page says, without what it is set with."""
    return _GAP.sub("\n\n", _ROFF.sub("", text)).strip()


def _documents() -> list[str]:
    prices = json.loads((ROOT / "src/headrace/routing/prices.json").read_text("utf-8"))
    made = []
    for number, (name, provider) in enumerate(prices["providers"].items()):
        rows = [{"provider": name, "model": m, "row": row} for m, row in provider["models"].items()]
        for start in range(0, min(len(rows), 200), 20):
            part = rows[start : start + 20]
            made.append(json.dumps(part, indent=2 if (number + start // 20) % 2 else None))
    return made
