"""One order for tools and for the keys of their schemas, whoever wrote them down."""

from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def ordered(document: dict[str, Any]) -> dict[str, Any]:
    """The same request with its tools in the order of their names and all of their keys sorted.

    What is marked stays where it was: a breakpoint of the caller's on a tool means the tools up to
    it, so then only keys are sorted. What is in order already comes back as it is.
    """
    tools = document.get("tools")
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        return document
    in_order: list[dict[str, Any]] = msgspec.json.decode(_encode_sorted(tools))
    if not any("cache_control" in tool for tool in tools):
        in_order.sort(key=_name)
    # Dictionaries are equal whatever the order of their keys; what is sent is not.
    return document if _encode(in_order) == _encode(tools) else {**document, "tools": in_order}


def _name(tool: dict[str, Any]) -> str:
    function = tool.get("function")
    named = function if isinstance(function, dict) else tool
    return f"{named.get('name', '')}\0{named.get('type', '')}"
