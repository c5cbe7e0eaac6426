"""The same in short, as Markdown: verdicts, promises, money. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from headrace.bench.exhibit.results import Showcase
from headrace.bench.report import parts
from headrace.bench.report.parts import Table

# What a reader of Markdown could take for markup: none of it comes from us.
_MARKUP: Final = re.compile(r"([\\`*_\[\]<>|#])")


def summary(found: Showcase) -> str:
    """The summary. Whatever stands in what was found is text, and never markup."""
    arms, alone = (found.main.a, found.main.b), parts.alone(found.alone)
    blocks = [
        f"# {_text(found.title)}",
        _text(parts.lead(found)),
        _table(parts.verdicts(found.main, "Measure by measure", "")),
        "\n".join(f"- {_text(each)}" for each in parts.reasons(found.main)),
        "\n".join(f"- {_text(f'{name}: {what}')}" for name, what in parts.glossary(found.main)),
        _text(parts.control(found.control)),
        _table(parts.promises(found.promises)),
        _table(alone) if alone.rows else _text(parts.NONE_ALONE),
    ]
    if found.impact is not None:
        blocks.append(_table(parts.business(found.impact, arms)))
    facts = "\n".join(f"- {_text(name)}: {_text(value)}" for name, value in found.facts.items())
    blocks += ["## How it was made", facts, "\n".join(f"- {_text(n)}" for n in found.notes)]
    command = re.sub(r"[`\r\n]", " ", found.command)
    blocks.append(f"```sh\n{command}\n```")
    return "\n\n".join(filter(None, blocks)) + "\n"


def _table(table: Table) -> str:
    lines = [_row(table.heads), _row(["---"] * len(table.heads), is_rule=True)]
    lines += [_row(row) for row in table.rows]
    about = f"{_text(table.about)}\n\n" if table.about else ""
    return f"## {_text(table.title)}\n\n{about}" + "\n".join(lines)


def _row(cells: Sequence[str], *, is_rule: bool = False) -> str:
    return "| " + " | ".join(each if is_rule else _text(each) for each in cells) + " |"


def _text(text: str) -> str:
    """One line without markup."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
