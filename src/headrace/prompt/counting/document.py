"""What of a request counts: its texts, messages, images and tools, in either dialect. Pure.

Nothing here raises: what has the wrong type counts nothing, and the provider will say so.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headrace.prompt.counting.images import Image, read_image
from headrace.prompt.counting.tool_schemas import tools_json

_DEPTH_MAX: Final = 6


class Parts(msgspec.Struct):
    """What was found.

    Attributes:
        texts: what is said.
        messages: how many there are.
        roles: who speaks, once for each message.
        names: messages that say a name.
        calls: calls of tools in messages, and what was said of them.
        images: pictures.
        unread: parts whose tokens nobody knows from outside: files, sounds.
        tools: what is offered.
    """

    texts: list[str] = msgspec.field(default_factory=list)
    messages: int = 0
    roles: dict[str, int] = msgspec.field(default_factory=dict)
    names: int = 0
    calls: int = 0
    images: list[Image] = msgspec.field(default_factory=list)
    unread: int = 0
    tools: Sequence[Any] = ()

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but messages of text."""
        return not (self.calls or self.images or self.unread or self.tools)


def read_document(document: Mapping[str, Any]) -> Parts:
    """The parts of a request to chat, to Anthropic's messages, or for embeddings."""
    parts = Parts()
    if (system := document.get("system")) is not None:
        _read_content(system, parts, 0)
        parts.messages += 1
    messages = document.get("messages")
    if isinstance(messages, list | tuple):
        for message in messages:
            if isinstance(message, Mapping):
                _read_message(message, parts)
    if "input" in document:
        _read_input(document["input"], parts)
    tools = document.get("tools")
    if isinstance(tools, list | tuple):
        parts.tools = tools
    if isinstance(functions := document.get("functions"), list | tuple):
        parts.tools = [*parts.tools, *functions]
    response_format = document.get("response_format")
    if isinstance(response_format, Mapping) and "json_schema" in response_format:
        parts.texts.append(tools_json([response_format["json_schema"]]))
        parts.calls += 1
    return parts


def _read_message(message: Mapping[str, Any], parts: Parts) -> None:
    parts.messages += 1
    role = message.get("role")
    if isinstance(role, str):
        parts.roles[role] = parts.roles.get(role, 0) + 1
    if isinstance(name := message.get("name"), str):
        parts.names += 1
        parts.texts.append(name)
    _read_content(message.get("content"), parts, 0)
    if isinstance(refusal := message.get("refusal"), str):
        parts.texts.append(refusal)
    calls = message.get("tool_calls")
    if isinstance(calls, list | tuple):
        for call in calls:
            _read_function(call.get("function") if isinstance(call, Mapping) else None, parts)
    if message.get("function_call") is not None:
        _read_function(message["function_call"], parts)
    if role == "tool":
        parts.calls += 1


def _read_function(function: Any, parts: Parts) -> None:
    parts.calls += 1
    if isinstance(function, Mapping):
        for field in ("name", "arguments"):
            if isinstance(text := function.get(field), str):
                parts.texts.append(text)


def _read_content(content: Any, parts: Parts, depth: int) -> None:
    if isinstance(content, str):
        parts.texts.append(content)
    elif isinstance(content, list | tuple) and depth < _DEPTH_MAX:
        for part in content:
            if isinstance(part, str):
                parts.texts.append(part)
            elif isinstance(part, Mapping):
                _read_part(part, parts, depth)


def _read_part(part: Mapping[str, Any], parts: Parts, depth: int) -> None:
    kind = part.get("type")
    if isinstance(text := part.get("text"), str):
        parts.texts.append(text)
    elif kind == "image_url" or kind == "image":
        parts.images.append(_image(part))
    elif kind == "tool_use":
        parts.calls += 1
        if isinstance(name := part.get("name"), str):
            parts.texts.append(name)
        parts.texts.append(tools_json([part.get("input")])[1:-1])
    elif kind == "tool_result":
        parts.calls += 1
        _read_content(part.get("content"), parts, depth + 1)
    elif kind == "thinking" and isinstance(thought := part.get("thinking"), str):
        parts.texts.append(thought)
    elif kind == "refusal" and isinstance(refusal := part.get("refusal"), str):
        parts.texts.append(refusal)
    elif kind == "document":
        _read_file(part.get("source"), parts, depth)
    else:
        parts.unread += 1


def _read_file(source: Any, parts: Parts, depth: int) -> None:
    if isinstance(source, Mapping) and source.get("type") == "text":
        _read_content(source.get("data"), parts, depth + 1)
    elif isinstance(source, Mapping) and source.get("type") == "content":
        _read_content(source.get("content"), parts, depth + 1)
    else:
        parts.unread += 1


def _image(part: Mapping[str, Any]) -> Image:
    told = part.get("image_url", part.get("source"))
    if isinstance(told, str):
        return read_image(told)
    if not isinstance(told, Mapping):
        return Image()
    data = told.get("url", told.get("data"))
    return read_image(data, is_low=told.get("detail") == "low")


def _read_input(given: Any, parts: Parts) -> None:
    """The input of embeddings: a text, texts, or tokens that are counted already."""
    if isinstance(given, str):
        parts.texts.append(given)
    elif isinstance(given, list | tuple):
        parts.texts.extend(each for each in given if isinstance(each, str))
