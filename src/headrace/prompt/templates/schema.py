"""What the variables of a template have to be: dotprompt's Picoschema, or JSON Schema. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from headrace.prompt.templates.bounds import VALUE_DEPTH_MAX, VARIABLES_MAX
from headrace.prompt.templates.problems import Unusable, nearest

Kind = Literal["string", "number", "integer", "boolean", "null", "any", "array", "object", "enum"]

SCALARS: Final[tuple[Kind, ...]] = ("string", "number", "integer", "boolean", "null", "any")
_SCALARS: Final[Mapping[str, Kind]] = {kind: kind for kind in SCALARS}
RESERVED: Final = frozenset(("role", "history", "media", "loop", "range", "self", "super"))
"""Names that mean something in bodies."""

_PICO: Final = re.compile(r"([^\s?()]+)(\?)?(?:\((\w+)(?:,\s*(.*))?\))?", re.DOTALL)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_JSON_KEYS: Final = frozenset(
    (
        *("$schema", "title", "description", "type", "properties", "required", "items", "enum"),
        *("additionalProperties", "default", "examples"),
    )
)


class Shape(msgspec.Struct, frozen=True):
    """What one value has to be.

    Attributes:
        kind: what it is.
        description: what it is for.
        is_optional: whether it may be left out.
        items: of an array, what each of its values has to be.
        fields: of an object, what each of its values has to be.
        is_open: of an object, whether it may hold others.
        rest: what these have to be.
        choices: of an enumeration, what it may be.
    """

    kind: Kind
    description: str = ""
    is_optional: bool = False
    items: "Shape | None" = None
    fields: Mapping[str, "Shape"] = {}
    is_open: bool = False
    rest: "Shape | None" = None
    choices: tuple[Any, ...] = ()

    @property
    def is_scalar(self) -> bool:
        """Whether a value of it is printed as what it is, whatever it is."""
        return self.kind in ("string", "number", "integer", "boolean", "enum")

    @property
    def told(self) -> str:
        """What is expected, in words."""
        if self.kind == "enum":
            return "one of " + ", ".join(map(repr, self.choices))
        if self.kind == "array" and self.items is not None:
            return f"a list, each {self.items.told}"
        return _TOLD[self.kind]


_TOLD: Final[Mapping[Kind, str]] = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
    "any": "plain data",
    "array": "a list",
    "object": "an object",
    "enum": "one of a list",
}


def parse_variables(raw: object) -> Shape:
    """What `input.schema` says of a template's variables.

    Raises:
        Unusable: it is neither Picoschema nor JSON Schema, or uses what is not supported.
    """
    if not isinstance(raw, dict):
        raise Unusable("input.schema: expected a mapping of names and types")
    shape = parse_shape(raw, "input.schema", 0)
    if shape.kind != "object":
        raise Unusable("input.schema: expected an object, whose fields are the variables")
    if len(shape.fields) > VARIABLES_MAX:
        raise Unusable(f"input.schema: above {VARIABLES_MAX} variables")
    for name in shape.fields:
        if not _VARIABLE.fullmatch(name):
            raise Unusable(f"input.schema: {name!r} cannot be the name of a variable")
        if name in RESERVED:
            raise Unusable(f"input.schema: {name} has a meaning in bodies; call it otherwise")
    return shape


def parse_shape(raw: object, path: str, depth: int) -> Shape:
    """One level of a schema.

    Raises:
        Unusable: it cannot be read.
    """
    if depth > VALUE_DEPTH_MAX:
        raise Unusable(f"{path}: too deep")
    if isinstance(raw, str):
        return _pico_scalar(raw, path)
    if not isinstance(raw, dict):
        raise Unusable(f"{path}: expected a type such as string, or a mapping")
    if isinstance(raw.get("type"), str) and raw["type"] in (*SCALARS, "array", "object"):
        if set(raw) <= _JSON_KEYS:
            return _json_shape(raw, path, depth)
        if "properties" in raw or "items" in raw or "enum" in raw:
            unknown = min(set(raw) - _JSON_KEYS)
            raise Unusable(f"{path}: JSON Schema's {unknown!r} is not supported")
    is_bare = isinstance(raw.get("properties"), dict) or isinstance(raw.get("enum"), list)
    if is_bare and set(raw) <= _JSON_KEYS:
        return _json_shape(raw, path, depth)
    return _pico_object(raw, path, depth)


def _pico_scalar(raw: str, path: str) -> Shape:
    kind, _, description = raw.partition(",")
    kind = kind.strip()
    if kind in _SCALARS:
        return Shape(_SCALARS[kind], description.strip())
    raise Unusable(f"{path}: {kind!r} is no type{nearest(kind, SCALARS)}")


def _pico_object(raw: dict[str, Any], path: str, depth: int) -> Shape:
    fields: dict[str, Shape] = {}
    rest: Shape | None = None
    for key, value in raw.items():
        if key.isidentifier() and type(value) is str:  # nearly always
            fields[key] = _pico_scalar(value, f"{path}.{key}")
            continue
        if key == "(*)":
            rest = parse_shape(value, f"{path}.(*)", depth + 1)
            continue
        found = _PICO.fullmatch(key)
        if found is None:
            raise Unusable(f"{path}: {key!r} is no name, nor name?, nor name(array)")
        name, optional, kind, description = found.groups()
        if name in fields:
            raise Unusable(f"{path}.{name}: declared twice")
        shape = _pico_field(kind, value, f"{path}.{name}", depth)
        fields[name] = msgspec.structs.replace(
            shape,
            is_optional=optional is not None,
            description=(description or shape.description).strip(),
        )
    return Shape("object", fields=fields, is_open=rest is not None, rest=rest)


def _pico_field(kind: str | None, value: object, path: str, depth: int) -> Shape:
    match kind:
        case None:
            return parse_shape(value, path, depth + 1)
        case "array":
            return Shape("array", items=parse_shape(value, path, depth + 1))
        case "object":
            return parse_shape(value, path, depth + 1)
        case "enum":
            return _enumeration(value, path)
        case _:
            raise Unusable(f"{path}: ({kind}) is none of (array), (object), (enum)")


def _enumeration(values: object, path: str) -> Shape:
    if not isinstance(values, list) or not values:
        raise Unusable(f"{path}: expected a list of what it may be")
    if not all(isinstance(each, str | int | float) or each is None for each in values):
        raise Unusable(f"{path}: choices are texts, numbers, true, false or null")
    return Shape("enum", choices=tuple(values))


def _json_shape(raw: dict[str, Any], path: str, depth: int) -> Shape:
    description = str(raw.get("description", ""))
    if "enum" in raw:
        return msgspec.structs.replace(_enumeration(raw["enum"], path), description=description)
    kind: Kind = raw.get("type", "object")
    if kind == "array":
        items = parse_shape(raw["items"], f"{path}[]", depth + 1) if "items" in raw else None
        return Shape("array", description, items=items)
    if kind == "object":
        return _json_object(raw, path, depth, description)
    return Shape(kind, description)


def _json_object(raw: dict[str, Any], path: str, depth: int, description: str) -> Shape:
    properties, required = raw.get("properties", {}), raw.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise Unusable(f"{path}: expected properties as a mapping and required as a list")
    lacking = [name for name in required if name not in properties]
    if lacking:
        raise Unusable(f"{path}: required names {lacking[0]!r}, which is no property")
    fields = {
        name: msgspec.structs.replace(
            parse_shape(each, f"{path}.{name}", depth + 1), is_optional=name not in required
        )
        for name, each in properties.items()
    }
    # Stricter than JSON Schema: where properties are named, others are slips of the pen.
    more = raw.get("additionalProperties", not properties)
    rest = parse_shape(more, f"{path}.(*)", depth + 1) if isinstance(more, dict) else None
    return Shape("object", description, fields=fields, is_open=bool(more), rest=rest)
