"""Reads nodes into settings, guided by the types of the schema; collects every problem.

A plain scalar is read as what the schema wants there: `name: 123` is a text, `format: off` too.
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

import msgspec
import yaml
from msgspec import UNSET, inspect

from headrace.settings import references
from headrace.settings.document import Mappings, Problem, problem_at, shown
from headrace.settings.kinds import bound_problem, holds_secret, parsed, unusable_problem, wanted

Path = tuple[str | int, ...]
Check = Callable[[str], str | None]

_NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))
# What does not look like the name of a setting may be a credential in the wrong place.
_SETTING_NAME: Final = re.compile(r"[A-Za-z_-]{1,32}")
# A number and its unit, too short to be one.
_AMOUNT: Final = re.compile(r"[0-9]{1,6}[a-z]{0,2}")


class Found(msgspec.Struct, frozen=True):
    """A value that was read, and its node."""

    value: Any
    node: yaml.Node


class Reader:
    """One pass over one document.

    Args:
        environment: what references read.

    Attributes:
        problems: everything wrong so far.
        found: every value that could be read, by its path.
        places: every node that was seen, by its path.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: set[Problem] = set()
        self.found: dict[Path, Found] = {}
        self.places: dict[Path, yaml.Node] = {}
        self._mappings = Mappings(self.problems)

    def read(self, kind: inspect.Type, node: yaml.Node, path: Path = ()) -> Any:
        """The value of `node` as `kind`, `UNSET` where it cannot be one."""
        self.places[path] = node
        check: Check | None = None
        if isinstance(kind, inspect.UnionType):
            if self._is_null(node):
                return self._keep(None, node, path)
            kind = next(kind for kind in kind.types if not isinstance(kind, inspect.NoneType))
        if isinstance(kind, inspect.Metadata):
            check = (kind.extra or {})["check"]
            kind = kind.type
        match kind:
            case inspect.StructType():
                value = self._struct(kind, node, path)
            case inspect.DictType():
                value = self._dict(kind, node, path)
            case inspect.VarTupleType():
                value = self._tuple(kind, node, path)
            case _:
                value = self._scalar(kind, check, node, path)
        return UNSET if value is UNSET else self._keep(value, node, path)

    def complain(self, path: Path, message: str) -> None:
        """Note a problem at `path`, or at the nearest place above it that is in the document."""
        place = path
        while place and place not in self.places:
            place = place[:-1]
        self._complain(self.places[place], path, message)

    def _struct(self, kind: inspect.StructType, node: yaml.Node, path: Path) -> Any:
        shorthand = getattr(kind.cls, "shorthand", None)
        if shorthand is not None and isinstance(node, yaml.ScalarNode):
            short = next(field for field in kind.fields if field.name == shorthand)
            value = self.read(short.type, node, path)
            return UNSET if value is UNSET else kind.cls(**{shorthand: value})
        if not self._is_mapping(node, kind, path):
            return UNSET
        fields = {field.encode_name: field for field in kind.fields}
        values: dict[str, Any] = {}
        for entry in self._entries(node):
            field = fields.get(entry.name)
            if field is None:
                self._unknown(entry.name, tuple(fields), entry.key, path)
            else:
                values[entry.name] = self.read(field.type, entry.value, (*path, entry.name))
        for name, field in fields.items():
            if field.required and name not in values:
                self._complain(node, path, f"the key {name} is missing: {wanted(field.type)}")
        read = {name: value for name, value in values.items() if value is not UNSET}
        if any(field.required and name not in read for name, field in fields.items()):
            return UNSET
        return kind.cls(**read)

    def _dict(self, kind: inspect.DictType, node: yaml.Node, path: Path) -> Any:
        if not self._is_mapping(node, kind, path):
            return UNSET
        check: Check = kind.key_type.extra["check"]  # type: ignore[attr-defined]
        entries = self._entries(node)
        self._check_length(len(entries), kind.min_length, node, path)
        values: dict[str, Any] = {}
        for entry in entries:
            problem = check(entry.name)
            if problem is not None:
                self._complain(entry.key, path, problem)
            value = self.read(kind.value_type, entry.value, (*path, entry.name))
            if problem is None and value is not UNSET:
                values[entry.name] = value
        return values

    def _tuple(self, kind: inspect.VarTupleType, node: yaml.Node, path: Path) -> Any:
        if self._is_null(node):
            items: list[yaml.Node] = []
        elif isinstance(node, yaml.SequenceNode):
            items = node.value
        else:
            return self._wrong(kind, node, path)
        self._check_length(len(items), kind.min_length, node, path)
        values = [self.read(kind.item_type, item, (*path, at)) for at, item in enumerate(items)]
        return tuple(value for value in values if value is not UNSET)

    def _scalar(self, kind: inspect.Type, check: Check | None, node: yaml.Node, path: Path) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return self._wrong(kind, node, path)
        text = references.expand(references.unmask(node.value), self._environment)
        problem = text.problem or unusable_problem(text.value)
        if problem is None and check is not None and not self._is_null(node):
            problem = check(text.value)
        if problem is not None:
            self._complain(node, path, problem)
            return UNSET
        is_text = isinstance(kind, inspect.StrType | inspect.CustomType | inspect.LiteralType)
        if self._is_null(node) or (node.style is not None and not (is_text or text.has_reference)):
            return self._wrong(kind, node, path)
        value = parsed(kind, text.value)
        if value is UNSET:
            return self._wrong(kind, node, path)
        bound = bound_problem(kind, value)
        if bound is not None:
            self._complain(node, path, f"{bound}, found {self._shown(kind, node)}")
            return UNSET
        return value

    def _is_null(self, node: yaml.Node) -> bool:
        if not isinstance(node, yaml.ScalarNode):
            return False
        text = references.expand(references.unmask(node.value), self._environment)
        if text.problem is not None:
            return False
        if text.has_reference:
            return not text.value
        return node.style is None and text.value in _NULLS

    def _is_mapping(self, node: yaml.Node, kind: inspect.Type, path: Path) -> bool:
        if isinstance(node, yaml.MappingNode) or self._is_null(node):
            return True
        self._wrong(kind, node, path)
        return False

    def _entries(self, node: yaml.Node) -> Any:
        return self._mappings.entries(node) if isinstance(node, yaml.MappingNode) else ()

    def _check_length(self, length: int, minimum: int | None, node: yaml.Node, path: Path) -> None:
        if minimum is not None and length < minimum:
            self._complain(node, path, f"expected at least {minimum} entry")

    def _unknown(self, name: str, known: tuple[str, ...], node: yaml.Node, path: Path) -> None:
        near = get_close_matches(name, known, n=1)
        if near:
            message = f"unknown key {shown(name)}; did you mean {near[0]}?"
        else:
            what = shown(name) if _SETTING_NAME.fullmatch(name) else "(not shown)"
            message = f"unknown key {what}; the keys here are {', '.join(known)}"
        self._complain(node, path, message)

    def _wrong(self, kind: inspect.Type, node: yaml.Node, path: Path) -> Any:
        message = f"{wanted(kind)}, found {self._shown(kind, node)}"
        if isinstance(kind, inspect.LiteralType) and isinstance(node, yaml.ScalarNode):
            near = get_close_matches(node.value.lower(), map(str, kind.values), n=1)
            message += f"; did you mean {near[0]}?" if near else ""
        self._complain(node, path, message)
        return UNSET

    def _shown(self, kind: inspect.Type, node: yaml.Node) -> str:
        if isinstance(node, yaml.MappingNode):
            return "a mapping"
        if isinstance(node, yaml.SequenceNode):
            return "a list"
        if self._is_null(node):
            return "nothing"
        # The source is shown, never what the environment holds.
        source = references.unmask(node.value)
        is_word = any(each.fullmatch(source) for each in (_SETTING_NAME, _AMOUNT))
        hides = holds_secret(kind) or (isinstance(kind, inspect.LiteralType) and not is_word)
        return "a text" if hides else shown(source)

    def _keep(self, value: Any, node: yaml.Node, path: Path) -> Any:
        self.found[path] = Found(value, node)
        return value

    def _complain(self, node: yaml.Node, path: Path, message: str) -> None:
        where = _dotted(path)
        self.problems.add(problem_at(node, f"{where}: {message}" if where else message))


def _dotted(path: Path) -> str:
    dotted = ""
    for part in path:
        if isinstance(part, int):
            dotted += f"[{part}]"
        else:
            name = part if part.isprintable() and len(part) <= 60 else shown(part)
            dotted += f".{name}" if dotted else name
    return dotted
