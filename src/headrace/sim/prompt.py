"""Reading requests: JSON into typed bodies, messages into tokens, errors that name the field."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from headrace.errors import InvalidRequest, NotFound
from headrace.sim.answer import ToolWish, canonical
from headrace.sim.text import count_tokens

IMAGE_TOKENS = 85
MESSAGE_TOKENS = 3
_MISSING = re.compile(r"missing required field `([^`]+)`")
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING_MODEL = "no-such-model"

Body = TypeVar("Body")
Count = Callable[[str], int]


def decode(body: bytes, kind: type[Body]) -> Body:
    """Decode a JSON body; unknown fields are let through.

    Raises:
        InvalidRequest: it is no JSON, or a field is missing or has the wrong type.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _wrong_field(str(error)) from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}", code="invalid_json") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body is not valid UTF-8", code="invalid_json") from error


def _wrong_field(complaint: str) -> InvalidRequest:
    place = _PLACE.search(complaint)
    path = place.group(1) if place else ""
    missing = _MISSING.search(complaint)
    if missing is None:
        return InvalidRequest(complaint, code="invalid_type", param=path or None)
    param = f"{path}.{missing.group(1)}" if path else missing.group(1)
    return InvalidRequest(
        f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param
    )


def require_model(model: str) -> None:
    """Refuse names that contain `no-such-model`.

    Raises:
        NotFound: the name is one of those.
    """
    if _MISSING_MODEL in model:
        raise NotFound(
            f"The model '{model}' does not exist or you do not have access to it.",
            code="model_not_found",
            param="model",
        )


def messages_tokens(
    messages: list[dict[str, Any]], roles: frozenset[str], count: Count = count_tokens
) -> int:
    """Tokens of `messages`: their text, 3 for each message and 85 for each image.

    Raises:
        InvalidRequest: there is no message, or one has no role or content of the right type.
    """
    if not messages:
        raise InvalidRequest("'messages' must hold at least one message.", param="messages")
    total = 0
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in roles:
            raise InvalidRequest(
                f"'messages[{index}].role' must be one of {', '.join(sorted(roles))}.",
                param=f"messages[{index}].role",
            )
        total += MESSAGE_TOKENS
        if message.get("content") is None and role == "assistant":
            total += count(canonical(message.get("tool_calls")).decode())
        else:
            total += content_tokens(message.get("content"), f"messages[{index}].content", count)
    return total


def content_tokens(content: Any, param: str, count: Count = count_tokens) -> int:
    """Tokens of a message's content, a string or a list of parts.

    Raises:
        InvalidRequest: it is neither; `param` names it.
    """
    if isinstance(content, str):
        return count(content)
    if not isinstance(content, list):
        raise InvalidRequest(f"'{param}' must be a string or a list of parts.", param=param)
    return sum(part_tokens(part, f"{param}[{at}]", count) for at, part in enumerate(content))


def part_tokens(part: Any, param: str, count: Count = count_tokens) -> int:
    """Tokens of one part of a message's content.

    Raises:
        InvalidRequest: it is no part; `param` names it.
    """
    if isinstance(part, str):
        return count(part)
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise InvalidRequest(f"'{param}.type' is required.", param=f"{param}.type")
    kind = part["type"]
    if kind in ("image_url", "image"):
        if not isinstance(part.get("image_url") or part.get("source"), dict):
            raise InvalidRequest(f"'{param}' has no image.", param=param)
        return IMAGE_TOKENS
    if kind == "text":
        return content_tokens(part.get("text"), f"{param}.text", count)
    if kind == "tool_result" and part.get("content") is not None:
        return content_tokens(part["content"], f"{param}.content", count)
    return count(canonical(part).decode())


def pick_tool(tools: dict[str, Any], name: str | None) -> ToolWish:
    """The tool called `name`, or the first one without a name.

    Raises:
        InvalidRequest: there is no such tool.
    """
    if name is None and tools:
        name = next(iter(tools))
    if name is None or name not in tools:
        raise InvalidRequest(f"'tool_choice' names no tool of 'tools': {name}", param="tool_choice")
    parameters = tools[name]
    return ToolWish(name, parameters if isinstance(parameters, dict) else {"type": "object"})
