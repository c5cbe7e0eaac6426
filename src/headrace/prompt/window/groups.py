"""What of a conversation stays or goes together: a call of tools with all its results. Pure.

A group is a message, or an assistant's message that calls tools with everything that answers it.
Leaving out whole groups never parts a result from its call, nor a signed thought from its turn.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from headrace.dialects.fields import wrong
from headrace.model import DialectName
from headrace.prompt.window.weights import Message

PIN: Final = "headrace_pin"
"""The field of a message that is never left out; providers do not get to see it."""

_SYSTEM: Final = frozenset({"system", "developer"})
_ANSWERS: Final = frozenset({"tool", "function"})
_FUNCTION: Final = "function "  # in front of the name that a legacy call is known by


class Group(msgspec.Struct, frozen=True, gc=False):
    """Messages that stay or go together.

    Attributes:
        start: number of its first message.
        end: number of the message behind its last one.
        results: numbers of the messages that hold results of tools.
        speaks: whether it is what a user says: a turn begins.
        is_fixed: whether it is never left out: system text, roles that nobody knows, pins.
        is_broken: whether a call has no result or a result no call, so that no provider takes it.
    """

    start: int
    end: int
    results: tuple[int, ...] = ()
    speaks: bool = False
    is_fixed: bool = False
    is_broken: bool = False


def grouped(messages: list[Message], dialect: DialectName) -> list[Group]:
    """The groups of a conversation, in their order; every message is in one.

    Raises:
        InvalidRequest: a pin is neither true nor false.
    """
    read = _openai_group if dialect == "openai" else _anthropic_group
    return list(_groups(messages, read))


def _groups(
    messages: list[Message], read: Callable[[list[Message], int], Group]
) -> Iterator[Group]:
    place = 0
    while place < len(messages):
        group = read(messages, place)
        if _is_pinned(messages, group):
            group = msgspec.structs.replace(group, is_fixed=True)
        yield group
        place = group.end


def _is_pinned(messages: list[Message], group: Group) -> bool:
    is_pinned = False
    for place in range(group.start, group.end):
        pin = messages[place].get(PIN)
        if pin is not None and type(pin) is not bool:
            raise wrong(f"messages[{place}].{PIN}", pin, "`true` or `false`")
        is_pinned = is_pinned or pin is True
    return is_pinned


def _openai_group(messages: list[Message], start: int) -> Group:
    message = messages[start]
    role, end = message["role"], start + 1
    if role == "user":
        return Group(start, end, speaks=True)
    if role in _ANSWERS:
        return Group(start, end, (start,), is_broken=True)
    if role != "assistant":
        return Group(start, end, is_fixed=True)
    waiting = _calls(message)
    while waiting and end < len(messages) and messages[end]["role"] in _ANSWERS:
        answered = _answered(messages[end])
        if answered not in waiting:
            break
        waiting.remove(answered)
        end += 1
    return Group(start, end, tuple(range(start + 1, end)), is_broken=bool(waiting))


def _calls(message: Message) -> set[str]:
    """What has to be answered after a message of the assistant's: ids of calls, or a name."""
    calls, called = message.get("tool_calls"), message.get("function_call")
    if type(calls) is not list:
        calls = []
    waiting = {_id(call, "id") for call in calls if type(call) is dict}
    if type(called) is dict:
        waiting.add(_FUNCTION + _id(called, "name"))
    return waiting


def _answered(message: Message) -> str:
    """What a message of a tool answers."""
    if message["role"] == "tool":
        return _id(message, "tool_call_id")
    return _FUNCTION + _id(message, "name")


def _id(value: dict[str, Any], name: str) -> str:
    return str(value.get(name))


def _anthropic_group(messages: list[Message], start: int) -> Group:
    role, end = messages[start]["role"], start + 1
    if role == "user":
        has_results = bool(_results(messages[start]))
        results = (start,) if has_results else ()
        return Group(start, end, results, speaks=not has_results, is_broken=has_results)
    if role != "assistant":
        return Group(start, end, is_fixed=True)
    while end < len(messages) and messages[end]["role"] == "assistant":
        end += 1  # the API reads them as one
    first_result = end
    waiting = {
        _id(block, "id")
        for message in messages[start:end]
        for block in blocks(message)
        if block.get("type") == "tool_use"
    }
    is_broken = False
    while waiting and end < len(messages) and (found := _results(messages[end])):
        answered = {_id(block, "tool_use_id") for block in found}
        is_broken = is_broken or not answered <= waiting
        waiting -= answered
        end += 1
    is_broken = is_broken or bool(waiting)
    return Group(start, end, tuple(range(first_result, end)), is_broken=is_broken)


def _results(message: Message) -> list[Message]:
    if message["role"] != "user":
        return []
    return [block for block in blocks(message) if block.get("type") == "tool_result"]


def blocks(message: Message) -> list[dict[str, Any]]:
    """The blocks of a message's content; none where that is a text."""
    content = message.get("content")
    if type(content) is not list:
        return []
    return [block for block in content if type(block) is dict]


def is_system(message: Message) -> bool:
    """Whether a message stands outside the turns of user and assistant."""
    return message["role"] in _SYSTEM
