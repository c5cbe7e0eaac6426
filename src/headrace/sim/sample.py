"""A value that fits a JSON schema, for tool arguments and JSON answers."""

from collections.abc import Iterator, Mapping
from typing import Any

from headrace.sim.text import WORDS

_DEPTH_MAX = 8

Schema = Mapping[str, Any]
FREE_FORM: Mapping[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "score": {"type": "integer", "maximum": 100}},
}


def sample(schema: Schema, drawn: Iterator[int]) -> Any:
    """A JSON value that `schema` allows, decided by the bytes `drawn`.

    Knows types, `properties`, `items`, `enum`, `const`, `anyOf`, `oneOf`, `allOf`, local `$ref`
    and number bounds; what it does not know it does not obey.
    """
    return _value(schema, schema, drawn, 0)


def _value(schema: Any, root: Schema, drawn: Iterator[int], depth: int) -> Any:
    schema = _resolved(schema, root)
    if depth > _DEPTH_MAX:
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][_next(drawn) % len(schema["enum"])]
    for several in ("anyOf", "oneOf", "allOf"):
        if schema.get(several):
            return _value(schema[several][0], root, drawn, depth + 1)
    kind = _kind(schema)
    if kind == "object":
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return {}
        return {k: _value(v, root, drawn, depth + 1) for k, v in properties.items()}
    if kind == "array":
        count = _whole(schema.get("minItems")) or 1
        return [_value(schema.get("items"), root, drawn, depth + 1) for _ in range(min(count, 64))]
    return _scalar(kind, schema, drawn)


def _scalar(kind: str, schema: Schema, drawn: Iterator[int]) -> Any:
    if kind in ("integer", "number"):
        low, high = _whole(schema.get("minimum")), _whole(schema.get("maximum"))
        low = low if low is not None else min(0, high or 0)
        value = low + _next(drawn) % (max(0, (high if high is not None else low + 99) - low) + 1)
        return value if kind == "integer" else value + 0.0
    if kind == "boolean":
        return _next(drawn) % 2 == 0
    if kind == "null":
        return None
    return f"{WORDS[_next(drawn) & 127]} {WORDS[_next(drawn) & 127]}"


def _resolved(schema: Any, root: Schema) -> Schema:
    for _ in range(_DEPTH_MAX):
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        schema = root
        for step in reference[2:].split("/"):
            schema = schema.get(step) if isinstance(schema, dict) else None
    return schema if isinstance(schema, dict) else {}


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "string"


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value)


def _next(drawn: Iterator[int]) -> int:
    return next(drawn, 0)
