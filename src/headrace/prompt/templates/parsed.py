"""One `.prompt` file, read: what its front matter says, and its body in pieces. Pure."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from headrace.prompt.templates.config import parse_config
from headrace.prompt.templates.front import read_yaml, split_front
from headrace.prompt.templates.lexer import Piece, pieces_of
from headrace.prompt.templates.problems import Unusable, nearest
from headrace.prompt.templates.schema import Shape, parse_variables

_KEYS: Final = frozenset(("description", "model", "config", "input", "output", "metadata"))
# Of dotprompt's, said by the file's own path here, or about things that are the caller's.
_ELSEWHERE: Final[Mapping[str, str]] = {
    "name": "the name is the file's path",
    "variant": "a variant is a template of its own here, or a version with a label",
    "version": "the number is the file's name: name/3.prompt",
    "tools": "tools are given by the caller, in the request",
    "toolDefs": "tools are given by the caller, in the request",
}
_DIGEST_BYTES: Final = 16


class Source(msgspec.Struct, frozen=True):
    """A file as it was found.

    Attributes:
        path: below the directory of templates.
        name: of the template.
        version: its number; 0 where it has none.
        text: all of it.
    """

    path: str
    name: str
    version: int
    text: str


class Parsed(msgspec.Struct, frozen=True):
    """A file that was read.

    Attributes:
        source: the file.
        description: what it is for.
        model: who is asked where the caller does not say.
        config: request fields that hold where the caller does not say.
        variables: what they have to be; `None` where nothing is said of them.
        defaults: what stands in for variables that are left out.
        body: what follows the front matter.
        pieces: the same, taken apart.
        digest: of the whole file.
    """

    source: Source
    description: str
    model: str
    config: Mapping[str, Any]
    variables: Shape | None
    defaults: Mapping[str, Any]
    body: str
    pieces: tuple[Piece, ...]
    digest: bytes


def parse_source(source: Source) -> Parsed:
    """Read a file.

    Raises:
        Unusable: it cannot be used.
    """
    front_text, body, body_line = split_front(source.text)
    front = read_yaml(front_text, 2) if front_text else {}
    _check_keys(front)
    variables, defaults = _read_input(front.get("input"))
    if not body.strip():
        raise Unusable("the body is empty", body_line)
    pieces = pieces_of(body, body_line)
    return Parsed(
        source,
        _read_text(front, "description"),
        _read_text(front, "model"),
        parse_config(_with_output(front)),
        variables,
        defaults,
        body,
        tuple(pieces),
        blake2b(source.text.encode(), digest_size=_DIGEST_BYTES).digest(),
    )


def _check_keys(front: Mapping[str, Any]) -> None:
    for key in front:
        if key in _KEYS or "." in key:  # dotted names are dotprompt's room for extensions
            continue
        if key in _ELSEWHERE:
            raise Unusable(f"{key}: {_ELSEWHERE[key]}; leave it out", 1)
        raise Unusable(f"{key!r} is not known in front matter{nearest(key, _KEYS)}", 1)


def _read_text(front: Mapping[str, Any], key: str) -> str:
    value = front.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unusable(f"{key}: expected a text", 1)
    return value.strip()


def _read_input(raw: object) -> tuple[Shape | None, Mapping[str, Any]]:
    if raw is None:
        return None, {}
    if not isinstance(raw, dict):
        raise Unusable("input: expected a mapping with schema, and default if need be", 1)
    unknown = sorted(set(raw) - {"schema", "default"})
    if unknown:
        raise Unusable(
            f"input.{unknown[0]} is not known{nearest(unknown[0], ('schema', 'default'))}", 1
        )
    shape = parse_variables(raw["schema"]) if raw.get("schema") is not None else None
    defaults = raw.get("default") or {}
    if not isinstance(defaults, dict):
        raise Unusable("input.default: expected a mapping of variables and values", 1)
    if shape is not None:
        for name in defaults:
            if name not in shape.fields:
                hint = nearest(name, shape.fields)
                raise Unusable(f"input.default.{name}: input.schema has no such variable{hint}", 1)
    return shape, defaults


def _with_output(front: Mapping[str, Any]) -> object:
    """`config`, with what `output` asks for as the request field it stands for."""
    output, config = front.get("output"), front.get("config")
    if output is None:
        return config
    if not isinstance(output, dict) or set(output) - {"format", "schema"}:
        raise Unusable("output: expected a mapping with format, and schema if need be", 1)
    form = output.get("format", "json" if "schema" in output else "text")
    if form not in ("json", "text"):
        raise Unusable(f"output.format: expected json or text, found {form!r}", 1)
    if form == "text":
        return config
    if config is not None and not isinstance(config, dict):
        return config
    wish: dict[str, Any] = {"type": "json_object"}
    if output.get("schema") is not None:
        schema = _json_schema(output["schema"])
        wish = {"type": "json_schema", "json_schema": {"name": "output", "schema": schema}}
    return {"response_format": wish, **(config or {})}


def _json_schema(raw: object) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise Unusable("output.schema: expected a mapping", 1)
    if "properties" in raw:  # JSON Schema already, of which providers take more than is read here
        return raw
    return written_out(parse_variables(raw))


def written_out(shape: Shape) -> dict[str, Any]:
    """A shape as JSON Schema."""
    schema: dict[str, Any] = {}
    if shape.kind == "enum":
        schema["enum"] = list(shape.choices)
    elif shape.kind != "any":
        schema["type"] = shape.kind
    if shape.description:
        schema["description"] = shape.description
    if shape.kind == "array" and shape.items is not None:
        schema["items"] = written_out(shape.items)
    if shape.kind == "object":
        schema["properties"] = {name: written_out(each) for name, each in shape.fields.items()}
        schema["required"] = [name for name, each in shape.fields.items() if not each.is_optional]
        schema["additionalProperties"] = written_out(shape.rest) if shape.rest else shape.is_open
    return schema
