"""What a user said last, and a template in its place. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headrace.prompt.templates.template import Message
from headrace.prompt.templates.words import SYSTEM_ROLES


class Turn(msgspec.Struct, frozen=True):
    """The last message of a user that holds words.

    Attributes:
        before: the messages before it.
        text: its words.
        parts: what else it holds, such as images and results of tools.
        after: the messages behind it: calls of tools and their results.
    """

    before: Sequence[Any]
    text: str
    parts: Sequence[Any]
    after: Sequence[Any]


def last_turn(document: Mapping[str, Any]) -> Turn | None:
    """What the user said last; `None` where no user said anything.

    Args:
        document: a request whose messages were checked to be objects; what is in them was not.
    """
    messages = document.get("messages")
    if type(messages) is not list:
        return None
    for at in range(len(messages) - 1, -1, -1):
        if messages[at].get("role") == "user":
            text, parts = _parted(messages[at].get("content"))
            if text:
                return Turn(messages[:at], text, parts, messages[at + 1 :])
    return None


def in_place(turn: Turn, parts: Sequence[Message], *, keeps_system: bool) -> list[Any]:
    """The conversation with a template in the place of a turn.

    What came before goes where the template has its `history`, or else behind its system text.
    What the turn held besides words goes with the template's last words of a user.

    Args:
        turn: what the template says in other words.
        parts: what was rendered.
        keeps_system: whether system text is a message in this dialect.
    """
    kept = [each for each in parts if keeps_system or each.role not in SYSTEM_ROLES]
    if not any(each.role == "history" for each in kept):
        begun = next((n for n, each in enumerate(kept) if each.role not in SYSTEM_ROLES), len(kept))
        kept.insert(begun, Message("history", ""))
    messages: list[Any] = []
    spoken = -1
    is_placed = False
    for each in kept:
        if each.role == "history":
            messages += () if is_placed else turn.before
            is_placed = True
            continue
        if each.role == "user":
            spoken = len(messages)
        messages.append({"role": each.role, "content": each.content})
    if turn.parts and spoken >= 0:
        words = {"type": "text", "text": messages[spoken]["content"]}
        messages[spoken]["content"] = [*turn.parts, words]
    elif turn.parts:
        messages.append({"role": "user", "content": [*turn.parts]})
    return [*messages, *turn.after]


def _parted(content: object) -> tuple[str, list[Any]]:
    """The words of a message, and what else it holds."""
    if type(content) is str:
        return content, []
    words: list[str] = []
    others: list[Any] = []
    for part in content if type(content) is list else ():
        is_text = type(part) is dict and part.get("type") == "text"
        if is_text and type(part.get("text")) is str:
            words.append(part["text"])
        else:
            others.append(part)
    return "\n".join(words), others
