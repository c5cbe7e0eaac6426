"""What tools add to a prompt.

OpenAI: as its cookbook counts them (`num_tokens_for_tools` in "How to count tokens with tiktoken"),
a line for each function and for each of its properties, and fixed numbers around them. Of objects
within objects the cookbook says nothing; their properties are counted like those above them. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

_PROPERTIES: Final = 3
_PROPERTY: Final = 3
_ENUM: Final = -3
_ENUM_ITEM: Final = 3
_END: Final = 12
_DEPTH_MAX: Final = 8
_PROPERTIES_MAX: Final = 20_000


class ToolsText(msgspec.Struct, frozen=True):
    """Texts that are counted, and tokens that are added."""

    texts: list[str]
    tokens: int


def openai_tools(tools: Sequence[Any], function_tokens: int) -> ToolsText:
    """Tools by OpenAI's rule.

    Args:
        tools: in either dialect's words; what makes no sense counts nothing.
        function_tokens: what a function takes beside its texts.
    """
    texts: list[str] = []
    tokens = 0
    for tool in tools:
        function = _function(tool)
        if function is None:
            continue
        tokens += function_tokens
        texts.append(f"{_text(function, 'name')}:{_sentence(_text(function, 'description'))}")
        schema = function.get("parameters", function.get("input_schema"))
        for text, more in _schema_lines(schema):
            tokens += more
            if text:
                texts.append(text)
    return ToolsText(texts, tokens + _END) if texts else ToolsText([], 0)


def tools_json(tools: Sequence[Any]) -> str:
    """Tools as one JSON text; empty where they cannot be written."""
    try:
        return msgspec.json.encode(tools).decode()
    except (TypeError, ValueError, RecursionError, UnicodeError, OverflowError):
        return ""


def _function(tool: Any) -> Mapping[str, Any] | None:
    if not isinstance(tool, Mapping):
        return None
    function = tool.get("function", tool)
    return function if isinstance(function, Mapping) else None


def _text(holder: Mapping[str, Any], field: str) -> str:
    value = holder.get(field)
    return value if isinstance(value, str) else ""


def _sentence(text: str) -> str:
    return text.removesuffix(".")


def _schema_lines(schema: Any) -> Iterator[tuple[str, int]]:
    """Texts, and tokens besides, of the properties of a schema."""
    waiting: list[tuple[Any, int]] = [(schema, 0)]
    left = _PROPERTIES_MAX
    while waiting:
        schema, depth = waiting.pop()
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        if not isinstance(properties, Mapping) or not properties:
            continue
        yield "", _PROPERTIES
        for name, value in properties.items():
            left -= 1
            if left < 0:
                return
            value = value if isinstance(value, Mapping) else {}
            yield f"{name}:{_kind(value)}:{_sentence(_text(value, 'description'))}", _PROPERTY
            yield from _enum_items(value.get("enum"))
            if depth < _DEPTH_MAX:
                items = value.get("items")
                waiting.extend((inner, depth + 1) for inner in (value, items) if inner)


def _enum_items(items: Any) -> Iterator[tuple[str, int]]:
    if isinstance(items, list | tuple):
        yield "", _ENUM
        for item in items[:_PROPERTIES_MAX]:
            yield str(item) if isinstance(item, str | int | float) else "", _ENUM_ITEM


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    if isinstance(kind, list | tuple):
        return ",".join(each for each in kind if isinstance(each, str))
    return ""
