"""A settings file as YAML nodes that know their line and column, and the problems found in it."""

from typing import Final

import msgspec
import yaml

from headrace.settings import references
from headrace.settings.plain_words import explained

_MERGE_KEY: Final = "<<"


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing wrong with a settings file; line and column count from 1."""

    line: int
    column: int
    message: str


class Unreadable(Exception):
    """The text is not a YAML document; holds the one problem that stops the parser."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Entry(msgspec.Struct, frozen=True):
    """One key of a mapping with its value."""

    name: str
    key: yaml.Node
    value: yaml.Node


def compose(text: str) -> yaml.Node:
    """Parse `text` into nodes without building values; an empty text is a null scalar.

    Raises:
        Unreadable: it is not one YAML document.
    """
    try:
        # The safe loader knows no tag that could run code, and composing builds no objects.
        masked = references.mask(text)
        node = yaml.compose(masked, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark, message = explained(error, masked)
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise Unreadable(Problem(*place, message)) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = (before.count("\n") + 1, error.position - before.rfind("\n"))
        raise Unreadable(Problem(*place, "a character that YAML does not allow")) from None
    except RecursionError:
        raise Unreadable(Problem(1, 1, "nested too deeply")) from None
    except (ValueError, OverflowError):
        # The scanner trips over escapes and versions that name numbers out of range.
        raise Unreadable(Problem(1, 1, "holds a number or an escape out of range")) from None
    if node is None:
        start = yaml.Mark("", 0, 0, 0, "", 0)
        return yaml.ScalarNode("tag:yaml.org,2002:null", "", start, start)
    return node


def problem_at(node: yaml.Node, message: str) -> Problem:
    """A problem at the place where `node` begins."""
    return Problem(node.start_mark.line + 1, node.start_mark.column + 1, message)


class Mappings:
    """Reads mappings: merge keys resolved, duplicated keys reported, each mapping once.

    Args:
        problems: where problems are put.
    """

    def __init__(self, problems: set[Problem]) -> None:
        self._problems = problems
        self._read: dict[int, tuple[Entry, ...]] = {}

    def entries(self, node: yaml.MappingNode) -> tuple[Entry, ...]:
        """The entries of `node`, its own before those it merges."""
        known = self._read.get(id(node))
        if known is not None:
            return known
        # A mapping that merges itself finds nothing of itself there.
        self._read[id(node)] = ()
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._problems.add(problem_at(key, "a key must be a text"))
            elif key.value == _MERGE_KEY and key.style is None:
                for entry in self._merged(value):
                    merged.setdefault(entry.name, entry)
            else:
                self._add(own, Entry(references.unmask(key.value), key, value))
        entries = tuple({**merged, **own}.values())
        self._read[id(node)] = entries
        return entries

    def _add(self, own: dict[str, Entry], entry: Entry) -> None:
        first = own.setdefault(entry.name, entry)
        if first is not entry:
            line = first.key.start_mark.line + 1
            message = f"{shown(entry.name)} is written twice; the first is on line {line}"
            self._problems.add(problem_at(entry.key, message))

    def _merged(self, node: yaml.Node) -> list[Entry]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        entries: list[Entry] = []
        for part in parts:
            if isinstance(part, yaml.MappingNode):
                entries.extend(self.entries(part))
            else:
                self._problems.add(problem_at(part, "only a mapping can be merged with <<"))
        return entries


def shown(text: str, length_max: int = 60) -> str:
    """`text` as a message shows it: quoted, escaped and cut."""
    return repr(text if len(text) <= length_max else text[:length_max] + "…")
