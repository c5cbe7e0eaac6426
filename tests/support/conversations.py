"""Random conversations, each one as a provider takes it: tools in parallel, images, thoughts."""

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

Message = dict[str, Any]

WORDS = ("river", "stone", "the", "of", "seven", "lamp", "was", "north", "kept", "never", "a", "it")


class Talker:
    """Makes conversations up.

    Args:
        dialect: `openai` or `anthropic`.
        seed: what tells them apart.
        words_max: of the longest text.
        images: whether there are any.
    """

    def __init__(
        self, dialect: str, seed: int, words_max: int = 60, *, images: bool = True
    ) -> None:
        self.dialect = dialect
        self._random = Random(seed)
        self._words_max = words_max
        self._images = images
        self._ids = count()

    def conversation(self, turns: int, *, pins: float = 0.0, whole: bool = True) -> list[Message]:
        """As many turns; the last one may end in a result, or with what the user said."""
        messages: list[Message] = []
        if self.dialect == "openai" and self._random.random() < 0.7:
            role = self._random.choice(("system", "developer"))
            messages.append({"role": role, "content": self.text()})
        for turn in range(turns):
            messages += self.turn(ends=whole or turn < turns - 1)
        for message in messages:
            if self._random.random() < pins:
                message["headrace_pin"] = self._random.random() < 0.8
        return messages

    def turn(self, *, ends: bool = True) -> list[Message]:
        """What the user says, rounds of tools, and what the assistant says to it."""
        messages = [self.user()]
        if not ends and self._random.random() < 0.5:
            return messages
        for _ in range(self._random.choice((0, 0, 1, 2, 4))):
            messages += self.tools()
        if ends or len(messages) == 1:
            if ends:
                messages.append(self.assistant())
            if self.dialect == "openai" and self._random.random() < 0.05:
                messages.append({"role": "system", "content": self.text()})
        return messages

    def text(self) -> str:
        """At least a word."""
        size = self._random.randint(1, self._words_max)
        return " ".join(self._random.choices(WORDS, k=size))

    def user(self) -> Message:
        """A text, or one with an image or a document."""
        kind = self._random.choice(("text", "text", "parts", "image", "named"))
        if kind == "image" and not self._images:
            kind = "parts"
        if kind == "named" and self.dialect == "openai":
            return {"role": "user", "content": self.text(), "name": self._random.choice("ab")}
        if kind in ("text", "named"):
            return {"role": "user", "content": self.text()}
        content: list[Message] = [{"type": "text", "text": self.text()}]
        if kind == "image":
            content.insert(self._random.randint(0, 1), self.image())
        return {"role": "user", "content": content}

    def image(self) -> Message:
        """An image, as the dialect writes it."""
        data = "QUJD" * 1000
        if self.dialect == "openai":
            return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
        return {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": data},
        }

    def assistant(self) -> Message:
        """A text; with thoughts, where the dialect has any."""
        if self.dialect == "openai" or self._random.random() < 0.5:
            return {"role": "assistant", "content": self.text()}
        return {"role": "assistant", "content": [*self.thoughts(), self._text_block()]}

    def thoughts(self) -> list[Message]:
        """Thoughts, signed or sealed."""
        if self._random.random() < 0.2:
            return [{"type": "redacted_thinking", "data": "c2VhbGVk" * 5}]
        return [{"type": "thinking", "thinking": self.text(), "signature": f"sig{next(self._ids)}"}]

    def tools(self) -> list[Message]:
        """Calls in parallel, and all their results."""
        ids = [f"call{next(self._ids)}" for _ in range(self._random.randint(1, 3))]
        if self.dialect == "anthropic":
            return list(self._anthropic_tools(ids))
        if self._random.random() < 0.15:
            called = {"name": "look", "arguments": "{}"}
            return [
                {"role": "assistant", "content": None, "function_call": called},
                {"role": "function", "name": "look", "content": self.text()},
            ]
        calls = [
            {"id": each, "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
            for each in ids
        ]
        self._random.shuffle(ids)
        return [
            {"role": "assistant", "content": None, "tool_calls": calls},
            *({"role": "tool", "tool_call_id": each, "content": self.text()} for each in ids),
        ]

    def _anthropic_tools(self, ids: list[str]) -> Iterator[Message]:
        calls = [
            {"type": "tool_use", "id": each, "name": "look", "input": {"a": 1}} for each in ids
        ]
        thoughts = self.thoughts() if self._random.random() < 0.5 else []
        said = [self._text_block()] if self._random.random() < 0.3 else []
        yield {"role": "assistant", "content": [*thoughts, *said, *calls]}
        results: list[Message] = []
        for each in ids:
            content: object = self.text()
            if self._images and self._random.random() < 0.2:
                content = [self._text_block(), self.image()]
            results.append({"type": "tool_result", "tool_use_id": each, "content": content})
        if self._random.random() < 0.2:
            results.append(self._text_block())
        yield {"role": "user", "content": results}

    def _text_block(self) -> Message:
        return {"type": "text", "text": self.text()}
