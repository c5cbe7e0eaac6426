"""How many tokens the parts of a request take, as far as what is left out goes by it. Pure.

Text is counted by whoever is given for that. What is no text is estimated: an image by its size, a
document and a sound by their bytes. A base64 string is never counted as text.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headrace.model import DialectName
from headrace.prompt.counting.count import CountText
from headrace.prompt.counting.images import Image, ImageRule, read_image

Message = dict[str, Any]

# What the chat format puts around a message, a call of a tool, and the whole.
_MESSAGE_TOKENS: Final = 4
_CALL_TOKENS: Final = 8
_PRIMING_TOKENS: Final = 3
# Of an image, where no rule of the model is given: much, as these things go.
_IMAGE_TOKENS: Final[Mapping[DialectName, int]] = {"openai": 1105, "anthropic": 1600}
_IMAGE_TOKENS_LOW: Final = 85
# Of a PDF: a page takes about so many bytes, and its text and its picture so many tokens.
_PAGE_BYTES: Final = 50_000
_PAGE_TOKENS: Final = 3000
_PAGES_MAX: Final = 100  # the most that is taken of one document
_SOUND_BYTES_PER_TOKEN: Final = 1600
# Of what is encrypted, characters in place of text.
_SEALED_CHARS_PER_TOKEN: Final = 5
_DEPTH_MAX: Final = 8
_IMAGES: Final = frozenset({"image", "image_url", "input_image"})
_DOCUMENTS: Final = frozenset({"document", "file", "input_file"})
_TEXTS: Final[Mapping[str, str]] = {"text": "text", "thinking": "thinking", "refusal": "refusal"}
_EXTRAS: Final = ("name", "refusal", "reasoning_content", "reasoning", "function_call")


class Scale:
    """Weighs messages of one dialect, each text once. For one request.

    Args:
        count: tokens of a text.
        dialect: how requests are written.
        image: tokens of an image; `None`: one is like another.
    """

    __slots__ = ("_counter", "_image_rule", "_image_tokens", "_known")

    def __init__(
        self, count: CountText, dialect: DialectName, image: ImageRule | None = None
    ) -> None:
        self._counter = count
        self._known: dict[str, int] = {}
        self._image_tokens = _IMAGE_TOKENS[dialect]
        self._image_rule = image or self._flat

    def text(self, text: str) -> int:
        """Tokens of a text."""
        tokens = self._known.get(text)
        if tokens is None:
            tokens = self._known[text] = self._counter(text) if text else 0
        return tokens

    def message(self, message: Message) -> int:
        """Tokens of a message, with what the chat format puts around it."""
        tokens = _MESSAGE_TOKENS + self.content(message.get("content"))
        calls = message.get("tool_calls")
        if calls:
            tokens += self._calls(calls)
        for name in _EXTRAS:
            if (value := message.get(name)) is not None:
                tokens += self._any(value)
        return tokens

    def content(self, content: object, depth: int = 0) -> int:
        """Tokens of a content: a text, or a list of blocks."""
        if type(content) is str:
            return self.text(content)
        if type(content) is list and depth < _DEPTH_MAX:
            return sum(self._block(block, depth) for block in content)
        return 0 if content is None else self._any(content)

    def frame(self, document: Message) -> int:
        """Tokens of a request apart from its messages: system text, tools, wanted format."""
        tokens = _PRIMING_TOKENS + self.content(document.get("system"))
        for name in ("tools", "functions", "response_format", "output_config"):
            if value := document.get(name):
                tokens += self._any(value)
        return tokens

    def _block(self, block: object, depth: int) -> int:
        if type(block) is not dict:
            return self.content(block, depth + 1) if type(block) is str else self._any(block)
        kind = block.get("type")
        if type(kind) is not str:
            return self._any(block)
        field = _TEXTS.get(kind)
        if field is not None and type(text := block.get(field)) is str:
            return self.text(text)
        if kind in _IMAGES:
            return self._image(block)
        if kind in _DOCUMENTS:
            return self._document(block, depth)
        if kind == "input_audio":
            return 1 + _base64_bytes(_inner(block, kind).get("data")) // _SOUND_BYTES_PER_TOKEN
        if kind == "redacted_thinking":
            return 1 + len(str(block.get("data"))) // _SEALED_CHARS_PER_TOKEN
        if kind == "tool_result":
            return _CALL_TOKENS + self.content(block.get("content"), depth + 1)
        if kind == "tool_use":
            name = block.get("name")
            return _CALL_TOKENS + self._any(name) + self._any(block.get("input"))
        return self._any(block)

    def _calls(self, calls: object) -> int:
        if type(calls) is not list:
            return self._any(calls)
        tokens = 0
        for call in calls:
            called = _inner(call, "function") or _inner(call, "custom")
            tokens += _CALL_TOKENS + self._any(called.get("name"))
            tokens += self._any(called.get("arguments", called.get("input")))
        return tokens

    def _image(self, block: Message) -> int:
        told = _inner(block, "image_url") or _inner(block, "source")
        is_low = told.get("detail") == "low"
        return self._image_rule(read_image(told.get("url", told.get("data")), is_low=is_low))

    def _flat(self, image: Image) -> int:
        return _IMAGE_TOKENS_LOW if image.is_low else self._image_tokens

    def _document(self, block: Message, depth: int) -> int:
        source = _inner(block, "source")
        if source.get("type") == "text":
            return self.content(source.get("data"), depth + 1)
        if source.get("type") == "content":
            return self.content(source.get("content"), depth + 1)
        data = source.get("data") or _inner(block, "file").get("file_data")
        pages = 1 + _base64_bytes(data) // _PAGE_BYTES
        return _PAGE_TOKENS * min(pages, _PAGES_MAX)

    def _any(self, value: object) -> int:
        if value is None:
            return 0
        return self.text(value if type(value) is str else json_text(value))


def json_text(value: object) -> str:
    """A value as JSON, whatever halves of characters its strings hold; about that, of a very deep
    one."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    except RecursionError:
        return _flat(value)


def _flat(value: object) -> str:
    """What is said in a value that is nested too deeply to be written: about as many tokens."""
    said: list[str] = []
    rest = [value]
    while rest:
        each = rest.pop()
        if type(each) is dict:
            rest += [*each.values(), *each]
        elif type(each) is list:
            rest += each
        else:
            said.append(str(each))
    return " ".join(said)


def _inner(block: object, name: str) -> Message:
    """An object in a block, empty where there is none."""
    value = block.get(name) if type(block) is dict else None
    return value if type(value) is dict else {}


def _base64_bytes(data: object) -> int:
    return len(data) * 3 // 4 if type(data) is str else 0
