"""Calls of tools and their results, in either dialect."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

Call = tuple[str, str, str]
"""Id, name of the tool, and arguments as a text that is the same for the same call."""

_SHOWN_CHARS: Final = 100
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class Calls:
    """The calls that a conversation has made so far, by id."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str]] = {}

    def note(self, message: Mapping[str, Any]) -> None:
        """Take in the calls of an assistant's message."""
        self._known.update((call, (name, given)) for call, name, given in calls_of(message))

    def name(self, call: str) -> str:
        """The tool that was called, empty where that is not known."""
        return self._known.get(call, ("", ""))[0]

    def shown(self, call: str) -> str:
        """A call as a reader would find it again."""
        name, given = self._known.get(call, ("", ""))
        if not name:
            return "an earlier result"
        return f"{name}({given if len(given) <= _SHOWN_CHARS else given[:_SHOWN_CHARS] + '…'})"


def calls_of(message: Mapping[str, Any]) -> Iterator[Call]:
    """The calls that an assistant's message makes."""
    for call in _dicts(message.get("tool_calls")):
        function = call.get("function")
        if isinstance(function, dict):
            name, arguments = function.get("name"), function.get("arguments")
            yield str(call.get("id") or ""), str(name or ""), _spelled(arguments)
    for block in _dicts(message.get("content")):
        if block.get("type") == "tool_use":
            name, arguments = block.get("name"), block.get("input")
            yield str(block.get("id") or ""), str(name or ""), _spelled(arguments)


def results_of(message: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The results a message carries: the id of the call, and the content."""
    if message.get("role") == "tool":
        yield str(message.get("tool_call_id") or ""), message.get("content")
    elif message.get("role") == "user":
        for block in _dicts(message.get("content")):
            if block.get("type") == "tool_result":
                yield str(block.get("tool_use_id") or ""), block.get("content")


def result_text(content: Any) -> str | None:
    """The text of a result that is text and nothing else; `None` for any other."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], dict):
        return None
    text = content[0].get("text")
    return text if content[0].get("type") == "text" and isinstance(text, str) else None


def with_result_text(content: Any, text: str) -> Any:
    """The same content with another text; what stands beside the text stays.

    Args:
        content: one that `result_text` gives a text for.
        text: what it is to say.
    """
    return text if isinstance(content, str) else [{**content[0], "text": text}]


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def _spelled(arguments: Any) -> str:
    """Arguments as one text; what cannot be written as JSON equals nothing else."""
    if isinstance(arguments, str):
        return arguments
    try:
        return _ENCODER.encode(arguments).decode()
    except (TypeError, ValueError, RecursionError):
        return f"{id(arguments)}"
