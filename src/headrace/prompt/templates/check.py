"""Whether variables are what a template wants, and plain data throughout. Pure."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from sys import intern
from typing import Any, Final

import msgspec

from headrace.errors import InvalidRequest
from headrace.prompt.templates.bounds import VALUE_DEPTH_MAX, VALUES_MAX
from headrace.prompt.templates.names import shown
from headrace.prompt.templates.problems import nearest
from headrace.prompt.templates.schema import Kind, Shape

_PROBLEMS_TOLD_MAX: Final = 10
_PATH_CHARS_MAX: Final = 120
_ANY: Final = Shape("any")
_EMPTY: Final[Mapping[Kind, Any]] = {"array": (), "object": {}}
_TYPES: Final[Mapping[Kind, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


Checked = tuple[dict[str, Any], int]
"""Variables that can be rendered, those left out included, and how long their texts are."""


class Wanted(msgspec.Struct, frozen=True):
    """What a template wants of its caller.

    Attributes:
        shape: of all variables together, an object.
        defaults: what stands in for those that are left out.
        pick: gives the values of all variables, where each is a text and none may be left out.
        kinds: of what type they are then.
    """

    shape: Shape
    defaults: Mapping[str, Any] = {}
    pick: Callable[[Mapping[str, Any]], tuple[Any, ...]] | None = None
    kinds: Sequence[type] = ()

    def check(self, name: str, given: Mapping[str, Any]) -> Checked:
        """Check what the caller of template `name` gives.

        Raises:
            InvalidRequest: a variable is missing, unknown, or not what it has to be; the message
                names each of them, and `param` the first.
        """
        pick, kinds = self.pick, self.kinds
        # All at once, without a loop of our own: most templates take texts and nothing else.
        if pick is not None and type(given) is dict and len(given) == len(kinds):
            try:
                values = pick(given)
            except KeyError:
                values = ()
            if [*map(type, values)] == kinds:
                joined = "".join(values)
                if joined.isascii():
                    return given, len(joined)
        return _Check(name, self.shape).run(given, self.defaults)

    def check_defaults(self) -> None:
        """Check what stands in for variables that are left out.

        Raises:
            InvalidRequest: a value is not what it has to be.
        """
        fields = {
            name: self.shape.fields[name] for name in self.defaults if name in self.shape.fields
        }
        Wanted(Shape("object", fields=fields)).check("itself", self.defaults)


def wanted(shape: Shape, defaults: Mapping[str, Any]) -> Wanted:
    """What is wanted of callers where the schema and its defaults are these."""
    fields = shape.fields
    plain = all(each.kind == "string" and not each.is_optional for each in fields.values())
    is_plain = plain and not defaults and not shape.is_open
    if not (is_plain and fields):
        return Wanted(shape, defaults)
    # Interned, as names in a program's text are: then to compare them is to compare addresses.
    names = tuple(map(intern, fields))
    return Wanted(shape, defaults, _picker(names), [str] * len(names))


def _picker(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    (name,) = names  # of which an itemgetter would not make a tuple
    return lambda given: (given[name],)


class _Check:
    """Checks the variables of one call and notes everything that is wrong with them."""

    def __init__(self, name: str, shape: Shape) -> None:
        self._name = name
        self._shape = shape
        self._wrong: list[tuple[str, str]] = []
        self._chars = 0
        self._values = 0

    def run(self, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Checked:
        values: dict[str, Any] = {}
        fields = self._shape.fields
        for name, field in fields.items():
            value = given.get(name)
            if value is None and (field.is_optional or name in defaults or name not in given):
                if name in defaults:
                    values[name] = defaults[name]
                elif field.is_optional:
                    values[name] = _EMPTY.get(field.kind, "")
                else:
                    self._wrong.append((name, f"is missing: expected {field.told}"))
                continue
            values[name] = self._value(value, field, name, 0)
        for name, value in given.items():
            if name not in fields:
                self._more(name, value, values)
        if self._wrong:
            raise self._refusal()
        return values, self._chars

    def _more(self, name: object, value: Any, values: dict[str, Any]) -> None:
        if isinstance(name, str) and self._shape.is_open and name.isidentifier():
            values[name] = self._value(value, self._shape.rest or _ANY, name, 0)
            return
        hint = nearest(str(name), self._shape.fields) or "; it takes none"
        self._wrong.append((str(name), "is none of its variables" + hint))

    def _value(self, value: Any, shape: Shape, path: str, depth: int) -> Any:
        """The value as it is rendered; what is wrong with it is noted."""
        self._values += 1
        if depth > VALUE_DEPTH_MAX or self._values > VALUES_MAX:
            if len(self._wrong) <= _PROBLEMS_TOLD_MAX:
                self._wrong.append((path, f"is too deep, or holds above {VALUES_MAX} values"))
            return None
        kind = shape.kind
        if kind == "array":
            return self._array(value, shape, path, depth)
        if kind == "object":
            return self._object(value, shape, path, depth)
        if kind == "enum":
            is_one = any(value == each and type(value) is type(each) for each in shape.choices)
            return value if is_one else self._expected(shape, value, path)
        if kind == "any":
            return self._anything(value, path, depth)
        if type(value) not in _TYPES[kind]:
            return self._expected(shape, value, path)
        return self._text(value, path) if kind == "string" else value

    def _anything(self, value: Any, path: str, depth: int) -> Any:
        if type(value) is str:
            return self._text(value, path)
        if value is None or type(value) in (bool, int, float):
            return value
        if isinstance(value, Mapping):
            return self._object(value, Shape("object", is_open=True), path, depth)
        if type(value) in (list, tuple):
            return self._array(value, Shape("array"), path, depth)
        return self._expected(_ANY, value, path)

    def _text(self, value: str, path: str) -> str:
        self._chars += len(value)
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                self._wrong.append(
                    (path, f"holds half of a character (a lone surrogate, at {error.start})")
                )
        return value

    def _array(self, value: Any, shape: Shape, path: str, depth: int) -> Any:
        if type(value) not in (list, tuple):
            return self._expected(shape, value, path)
        items: Sequence[Any] = value
        each = shape.items or _ANY
        return [
            self._value(item, each, f"{path}[{at}]", depth + 1) for at, item in enumerate(items)
        ]

    def _object(self, value: Any, shape: Shape, path: str, depth: int) -> Any:
        if not isinstance(value, Mapping):
            return self._expected(shape, value, path)
        is_open = shape.is_open or not shape.fields
        values: dict[str, Any] = {}
        for name, each in value.items():
            field = shape.fields.get(name) if type(name) is str else None
            if field is None and (not is_open or type(name) is not str):
                hint = nearest(str(name), shape.fields)
                self._wrong.append((f"{path}.{name}", "is none of its fields" + hint))
            elif each is None and field is not None and field.is_optional:
                continue
            else:
                self._text(name, path)
                values[name] = self._value(
                    each, field or shape.rest or _ANY, f"{path}.{name}", depth + 1
                )
        for name, field in shape.fields.items():
            if name not in values and field.is_optional:
                values[name] = _EMPTY.get(field.kind, "")
            elif name not in value:
                self._wrong.append((f"{path}.{name}", f"is missing: expected {field.told}"))
        return values

    def _expected(self, shape: Shape, value: Any, path: str) -> None:
        self._wrong.append((path, f"expected {shape.told}, found {_found(value)}"))

    def _refusal(self) -> InvalidRequest:
        told = [f"`{_plain(path)}` {what}" for path, what in self._wrong[:_PROBLEMS_TOLD_MAX]]
        if len(self._wrong) > _PROBLEMS_TOLD_MAX:
            told.append(f"and {len(self._wrong) - _PROBLEMS_TOLD_MAX} more")
        return InvalidRequest(
            f"The variables do not suit template {self._name}: {'; '.join(told)}.",
            param=f"variables.{_plain(self._wrong[0][0])}",
            code="invalid_variables",
        )


def _plain(path: str) -> str:
    """A path that can be told, whatever callers call their variables."""
    return path[:_PATH_CHARS_MAX].encode(errors="backslashreplace").decode()


def _found(value: Any) -> str:
    if value is None:
        return "null"
    if type(value) is str:
        return f"the text {shown(value)}"
    if type(value) in (bool, int, float):
        return f"{str(value).lower():.40}"
    if type(value) in (list, tuple):
        return "a list"
    if isinstance(value, Mapping):
        return "an object"
    return f"a {type(value).__name__}, which is not plain data"
