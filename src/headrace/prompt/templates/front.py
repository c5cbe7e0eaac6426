"""The front matter of a `.prompt` file: YAML between two lines of `---`. Pure.

Most front matter is plain lines of `name: words`, which are read here at once; whatever else is
in it is given to YAML as a whole. Both give the same values.
"""

import re
from typing import Any, Final

import yaml

from headrace.prompt.templates.problems import Unusable
from headrace.settings.plain_words import explained

_FENCE: Final = re.compile(r"---[ \t]*\n")
_END: Final = re.compile(r"^---[ \t]*(?:\n|\Z)", re.MULTILINE)
_COLLECTIONS: Final = frozenset(("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"))
_DEPTH_MAX: Final = 20
_NODES_MAX: Final = 20_000

# Lines that YAML reads in one way only: `name:` or `name: words`.
_LINE: Final = re.compile(
    r"( *)([A-Za-z_][A-Za-z0-9_]*(?:\??\([a-z]+(?:, [A-Za-z0-9 ]+)?\)|\?)?):"
    r"(?: ([A-Za-z_][A-Za-z0-9_ ,.;()'/?!+*=-]*[A-Za-z0-9_.)'/?!]|[A-Za-z]|-?[1-9][0-9]{0,8}"
    r"|[0-9]\.[0-9]{1,6}))?",
    re.ASCII,
)
_COMMENT: Final = re.compile(r" *(?:#.*)?")
_DIGITS: Final = frozenset("-0123456789")
# What YAML takes for something else than a text.
_WORDS: Final = frozenset(("true", "false", "yes", "no", "on", "off", "null", "y", "n"))
_WORD_CHARS: Final = 6


def split_front(text: str) -> tuple[str, str, int]:
    """Front matter and body of a file, and the line at which the body begins.

    Raises:
        Unusable: the front matter has no end.
    """
    text = text.replace("\r\n", "\n")
    opened = _FENCE.match(text)
    if opened is None:
        return "", text, 1
    closed = _END.search(text, opened.end())
    if closed is None:
        raise Unusable("the front matter has no end: a line of --- is missing", 1)
    front, body = text[opened.end() : closed.start()], text[closed.end() :]
    return front, body, 1 + text.count("\n", 0, closed.end())


def read_yaml(text: str, first_line: int = 1) -> dict[str, Any]:
    """Read YAML that is plain data: texts, numbers, true and false, null, lists, mappings.

    Args:
        text: one document; an empty one is an empty mapping.
        first_line: what the first of its lines is called in problems.

    Raises:
        Unusable: it is not YAML, no mapping, or holds more than plain data.
    """
    plain = _plain_lines(text)
    return plain if plain is not None else _Composed(text, first_line).value()


def _plain_lines(text: str) -> dict[str, Any] | None:
    """The value of plain lines; `None` where there is anything else among them."""
    root: dict[str, Any] = {}
    open_maps: list[tuple[int, dict[str, Any]]] = [(0, root)]
    waiting: tuple[dict[str, Any], str] | None = None  # a name whose mapping should follow
    read = _LINE.fullmatch
    for line in text.split("\n"):
        found = read(line)
        if found is None:
            if _COMMENT.fullmatch(line):
                continue
            return None
        before, name, words = found.groups()
        indent = len(before)
        if waiting is not None:
            if indent <= open_maps[-1][0]:
                return None
            inner: dict[str, Any] = {}
            waiting[0][waiting[1]] = inner
            open_maps.append((indent, inner))
            waiting = None
        while indent < open_maps[-1][0]:
            open_maps.pop()
        depth, current = open_maps[-1]
        if indent != depth or name in current or name.lower() in _WORDS:
            return None
        if words is None:
            current[name] = None
            waiting = (current, name)
        elif len(words) < _WORD_CHARS and words.lower() in _WORDS:
            return None
        else:
            current[name] = _number(words) if words[0] in _DIGITS else words
    return root if waiting is None else None


def _number(words: str) -> int | float:
    return float(words) if "." in words else int(words)


class _Composed:
    """A document that YAML's own parser reads into nodes, and its values."""

    def __init__(self, text: str, first_line: int) -> None:
        self._first_line = first_line
        self._seen: set[int] = set()
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            self._root = yaml.compose(text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            mark, message = explained(error, text)
            raise Unusable(message, first_line + (mark.line if mark else 0)) from None
        except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
            raise Unusable(f"the YAML cannot be read: {error}", first_line) from None

    def value(self) -> dict[str, Any]:
        if self._root is None:
            return {}
        value = self._of(self._root, 0)
        if not isinstance(value, dict):
            raise Unusable("expected a mapping: lines of `name: value`", self._first_line)
        return value

    def _of(self, node: yaml.Node, depth: int) -> Any:
        if id(node) in self._seen:
            raise self._refused(node, "anchors and aliases are not read; write the value again")
        self._seen.add(id(node))
        if depth > _DEPTH_MAX or len(self._seen) > _NODES_MAX:
            raise self._refused(node, "too deep or too large for front matter")
        if not (isinstance(node, yaml.ScalarNode) or node.tag in _COLLECTIONS):
            raise self._refused(node, f"{node.tag[:60]} is no plain data")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self._of(each, depth + 1) for each in node.value]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._refused(key, "a name must be a text")
            if key.value in values:
                raise self._refused(key, f"{key.value!r} is written twice")
            values[key.value] = self._of(value, depth + 1)
        return values

    def _scalar(self, node: yaml.Node) -> Any:
        kind = node.tag.rpartition(":")[2]
        text: str = node.value
        try:
            if kind == "int":
                return int(text.replace("_", ""), 0)
            if kind == "float":
                return float(text.replace("_", ""))
        except ValueError:
            return text  # an old spelling, such as 1:30 for ninety; no one means a number by it
        if kind == "bool":
            return text.lower() in ("true", "yes", "on")
        if kind == "null":
            return None
        if kind in ("str", "timestamp", "value"):
            return text
        raise self._refused(node, f"a {kind} is no plain data")

    def _refused(self, node: yaml.Node, message: str) -> Unusable:
        return Unusable(message, self._first_line + node.start_mark.line)
