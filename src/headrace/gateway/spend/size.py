"""How large a request is, as far as it tells what it will cost. Pure.

What is not sure to be a picture counts by its bytes: text that only looks like one would pass a
budget otherwise. So pictures are looked for where providers look for them, and nowhere else.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from headrace.dialects.decoding import decode_or_none
from headrace.gateway.gates.quota_needs import output_asked

# Anthropic's word for it; what only looks like it makes the guess a little higher.
_AN_HOUR: Final = b'"1h"'
# Begins the types of parts that are pictures, in either dialect.
_PICTURE: Final = b'"image'
_INLINE: Final = "data:image/"


class _Talk(msgspec.Struct, gc=False):
    messages: Any = None


_TALK: Final = msgspec.json.Decoder(_Talk)


class Size(NamedTuple):
    """What counts of a request.

    Attributes:
        text_bytes: how much of its body is no picture; files count as they are.
        pictures: how many there are.
        choices: how many answers are asked for.
        output_tokens: the most output that it allows; `None` where it does not say.
        has_output: whether tokens are produced; not so for embeddings.
        keeps_long: whether the provider may be asked to keep the prompt for an hour.
    """

    text_bytes: int
    pictures: int = 0
    choices: int = 1
    output_tokens: float | None = None
    has_output: bool = True
    keeps_long: bool = False


def size_of(body: bytes, choices: int, *, has_output: bool) -> Size:
    """What counts of a request.

    Args:
        body: its JSON.
        choices: how many answers are asked for.
        has_output: whether tokens are produced; not so for embeddings.
    """
    if not has_output:
        return Size(len(body), choices=choices, has_output=False)
    inline = list(_pictures(body)) if _PICTURE in body else []
    asked = output_asked(body, choices)
    return Size(len(body) - sum(inline), len(inline), choices, asked, True, _AN_HOUR in body)


def _pictures(body: bytes) -> Iterator[int]:
    """Of each picture of a conversation, how much of the body it is."""
    talk = decode_or_none(body, _TALK)
    messages = talk.messages if talk is not None else None
    for message in messages if isinstance(messages, list) else ():
        for part in _parts(message):
            yield from _picture(part)
            for inner in _parts(part) if part.get("type") == "tool_result" else ():
                yield from _picture(inner)


def _parts(whole: Any) -> Iterator[dict[str, Any]]:
    """The parts of a message, or of what a tool said."""
    parts = whole.get("content") if isinstance(whole, dict) else None
    return (part for part in (parts if isinstance(parts, list) else ()) if isinstance(part, dict))


def _picture(part: dict[str, Any]) -> Iterator[int]:
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            yield len(url) if url.startswith(_INLINE) else 0
        case {"type": "image", "source": {"type": "base64", "data": str(data)}}:
            yield len(data)
        case {"type": "image", "source": {}}:
            yield 0
        case _:
            pass
