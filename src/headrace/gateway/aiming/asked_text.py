"""The text by which the intent of a request is told: what the user said last. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def asked_text(document: Mapping[str, Any], chars_max: int) -> str:
    """The last message of the user that holds text; of a long one, both ends.

    Results of tools are not what anybody said, so all requests of an agent's turn have one text.
    Messages were checked to be objects; what is in them was not.

    Args:
        document: a request, decoded.
        chars_max: how much is read of it.
    """
    messages = document.get("messages")
    if type(messages) is not list:
        return ""
    for message in reversed(messages):
        if message.get("role") == "user":
            text = _ends([*_texts(message.get("content"))], chars_max)
            if text:
                return text
    return ""


def _texts(content: object) -> Iterator[str]:
    if type(content) is str:
        yield content
    elif type(content) is list:
        for part in content:
            if type(part) is dict and part.get("type") == "text" and type(part.get("text")) is str:
                yield part["text"]


def _ends(texts: Sequence[str], chars_max: int) -> str:
    """The texts as one, without copying what lies in the middle of long ones."""
    if sum(map(len, texts)) <= chars_max:
        return "\n".join(texts)
    half = chars_max // 2
    head: list[str] = []
    tail: list[str] = []
    left = half
    for text in texts:
        head.append(text[:left])
        left -= len(head[-1])
        if left <= 0:
            break
    left = half
    for text in reversed(texts):
        tail.append(text[-left:])
        left -= len(tail[-1])
        if left <= 0:
            break
    return "\n".join((*head, *reversed(tail)))
