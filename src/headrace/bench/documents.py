"""YAML of users as typed structs: what is wrong with it is told by its line."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
import yaml

from headrace.bench.load.faults import PlanInvalid

_BYTES_MAX: Final = 256 * 1024
# What the parser takes for a document grows with the square of its depth.
_DEPTH_MAX: Final = 50
_PLACE: Final = re.compile(r" - at `\$(.*)`$")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_Read = TypeVar("_Read")


class Document(NamedTuple, Generic[_Read]):
    """What was read, and where it stood.

    Attributes:
        value: what was read.
        name: of the text, as messages call it.
        node: its root, which knows lines.
    """

    value: _Read
    name: str
    node: yaml.Node

    def fault(self, path: str, message: str) -> PlanInvalid:
        """What to raise about a value that no type forbids.

        Args:
            path: where it stands, such as `.phases[1].seconds`.
            message: what is wrong with it.
        """
        line = _line(self.node, path)
        return PlanInvalid(f"{self.name}:{line}: {path.lstrip('.')}: {message}")


def text_of(path: Path, what: str) -> str:
    """The text of a file.

    Args:
        path: of the file.
        what: it should be, such as `plan`.

    Raises:
        PlanInvalid: it is no text, or larger than such a thing can be.
        OSError: it cannot be read.
    """
    raw = path.read_bytes()
    if len(raw) > _BYTES_MAX:
        raise PlanInvalid(f"{path}: is larger than a {what} can be, {_BYTES_MAX >> 10} KiB.")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise PlanInvalid(f"{path}:{line}: is not UTF-8 text.") from None


def read(text: str, name: str, kind: type[_Read], what: str) -> Document[_Read]:
    """A typed value from its text.

    Args:
        text: YAML.
        name: what messages call it.
        kind: what it has to be.
        what: it should be, in a word such as `plan`.

    Raises:
        PlanInvalid: it is none; the message tells the line and the field.
    """
    node = _composed(text, name, what)
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # Composing took it, but a value is none, such as the 31st of February.
        raise PlanInvalid(f"{name}: {_in_one_line(error)}") from None
    try:
        return Document(msgspec.convert(document, kind), name, node)
    except msgspec.ValidationError as error:
        message = str(error)
        found = _PLACE.search(message)
        path = found[1] if found else ""
        problem = _PLACE.sub("", message)
        field = path.lstrip(".") or f"the {what}"
        raise PlanInvalid(f"{name}:{_line(node, path)}: {field}: {problem}") from None


def _composed(text: str, name: str, what: str) -> yaml.Node:
    """The document as nodes that know their lines, without aliases and names given twice."""
    try:
        _look_through(text, name, what)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark
        place = f":{mark.line + 1}" if mark else ""
        raise PlanInvalid(f"{name}{place}: {error.problem or 'is not YAML'}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise PlanInvalid(f"{name}: {_in_one_line(error)}") from None
    if node is None:
        raise PlanInvalid(f"{name}: is empty, and should be a {what}.")
    for key in _repeated(node):
        line = key.start_mark.line + 1
        raise PlanInvalid(f"{name}:{line}: {key.value} is written twice in one place.")
    return node


def _look_through(text: str, name: str, what: str) -> None:
    """Read a document without making anything of it, as far as it can be one."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        start: Any = event.start_mark
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH_MAX:
            raise PlanInvalid(f"{name}:{start.line + 1}: is nested too deeply.")
        if isinstance(event, yaml.AliasEvent):
            raise PlanInvalid(f"{name}:{start.line + 1}: a {what} has no aliases: write it out.")


def _repeated(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key
                seen.add(key.value)
            yield from _repeated(value)


def _line(node: yaml.Node, path: str) -> int:
    """Where a path such as `.phases[1].seconds` is, or as much of it as there is."""
    for step in _STEP.finditer(path):
        below = _below(node, step[1], step[2])
        if below is None:
            break
        node = below
    return int(node.start_mark.line) + 1


def _below(node: yaml.Node, key: str | None, place: str | None) -> yaml.Node | None:
    if place is not None and isinstance(node, yaml.SequenceNode) and int(place) < len(node.value):
        return node.value[int(place)]  # type: ignore[no-any-return]
    if key is not None and isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value  # type: ignore[no-any-return]
    return None


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
