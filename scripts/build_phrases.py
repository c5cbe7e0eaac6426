# ruff: noqa: INP001 - a script, not part of a package
"""Write the table of phrases: those of scripts/phrases.txt that save tokens, and no other.

A phrase is in the table only where its replacement is shorter on every vocabulary looked at, in
the middle of a sentence and at its beginning. Needs `pip install 'headrace[tokens]'`.

    python scripts/build_phrases.py          # writes the table, tells what was left out
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from headrace.prompt.counting.vocabulary import INSTALL, Vocabulary, encoder

ROOT = Path(__file__).resolve().parents[1]
CANDIDATES = ROOT / "scripts" / "phrases.txt"
TABLE = ROOT / "src" / "headrace" / "prompt" / "compress" / "phrase_table.py"
CONTEXTS = ("We did it {} the others.", "It is known, {} all agree.", "{} this is so.")
VOCABULARIES: tuple[Vocabulary, ...] = ("o200k_base", "cl100k_base")

HEAD = '''"""Phrases and what is said in fewer tokens: written by scripts/build_phrases.py."""

from typing import Final

# Phrase, replacement, tokens saved at least on o200k and cl100k.
PHRASES: Final = (
'''


def candidates() -> Iterator[tuple[str, str]]:
    """The phrases that somebody thought of: `phrase -> replacement`, one to a line."""
    for line in CANDIDATES.read_text("utf-8").splitlines():
        phrase, arrow, replacement = line.partition(" -> ")
        if arrow and not line.startswith("#"):
            yield phrase.strip(), replacement.strip()


def saving(phrase: str, replacement: str, count: Callable[[str], int]) -> int:
    """The fewest tokens that a replacement saves in any context, as written and as a beginning."""
    return min(
        count(context.format(_cased(phrase, context)))
        - count(context.format(_cased(replacement, context)))
        for context in CONTEXTS
    )


def _cased(words: str, context: str) -> str:
    return words[0].upper() + words[1:] if context.startswith("{}") else words


def table() -> str:
    """The module that holds the phrases that win."""
    counters = [_counter(name) for name in VOCABULARIES]
    rows = []
    for phrase, replacement in sorted(set(candidates())):
        least = min(saving(phrase, replacement, count) for count in counters)
        if least > 0:
            rows.append(f'    ("{phrase}", "{replacement}", {least}),\n')
    return HEAD + "".join(rows) + ")\n"


def _counter(name: Vocabulary) -> Callable[[str], int]:
    count = encoder(name)
    if count is None:
        sys.exit(f"the vocabularies are missing: {INSTALL}")
    return count


def main() -> None:
    written = table()
    TABLE.write_text(written, "utf-8")
    kept = written.count("    (")
    sys.stdout.write(f"{kept} of {len(set(candidates()))} phrases save tokens\n")


if __name__ == "__main__":
    main()
