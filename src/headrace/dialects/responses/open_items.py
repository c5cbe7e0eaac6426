"""Items of a response while they are being made, and the events that tell of them.

Each gives events without their sequence numbers, in the order in which OpenAI sends them: an item
is added, then each part of it; what comes is told piece by piece; then every part is done, and
then the item. One part or item ends only after all of it has come.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from headrace.dialects.responses.items import Item
from headrace.dialects.responses.output import (
    call_item,
    message_item,
    reasoning_item,
    text_part,
)

Json = dict[str, Any]

_HIGH: Final = ("\ud800", "\udbff")  # first halves of characters beyond the first 65,536


class Pieces:
    """A text that comes in pieces.

    Halves of a character that come apart are joined; one that stays alone becomes U+FFFD, since
    UTF-8 has no way to write it.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._half = ""

    def add(self, piece: str) -> str:
        """The next piece; gives what may be told of it now."""
        piece, self._half = self._half + piece, ""
        if piece and _HIGH[0] <= piece[-1] <= _HIGH[1]:
            piece, self._half = piece[:-1], piece[-1]
        if not piece.isascii():
            piece = sound(piece)
        self._pieces.append(piece)
        return piece

    def rest(self) -> str:
        """What was held back, now that nothing more comes."""
        if not self._half:
            return ""
        self._half = ""
        self._pieces.append("\ufffd")
        return "\ufffd"

    @property
    def text(self) -> str:
        """All that has come."""
        return "".join(self._pieces)


def sound(text: str) -> str:
    """A text that UTF-8 can write: pairs of surrogates joined, single ones replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class OpenMessage:
    """A message that is being said.

    Args:
        item_id: its id.
        at: its place in the output.
    """

    def __init__(self, item_id: str, at: int) -> None:
        self.item_id = item_id
        self._at = at
        self._kinds: list[str] = []
        self._pieces: dict[str, Pieces] = {}
        self._logprobs: list[Json] = []
        self._annotations: list[Json] = []

    def opened(self) -> Iterator[Json]:
        yield _item_event("added", self._at, message_item(self.item_id, (), "in_progress"))

    def say(self, kind: str, piece: str, logprobs: Sequence[Json] = ()) -> Iterator[Json]:
        """More of its text (`output_text`) or of its refusal (`refusal`)."""
        if kind not in self._pieces:
            self._kinds.append(kind)
            self._pieces[kind] = Pieces()
            empty = {"type": kind, "refusal": ""} if kind == "refusal" else text_part()
            yield self._part_event("added", kind, empty)
        self._logprobs += logprobs
        told = self._pieces[kind].add(piece)
        if told:
            yield self._delta(kind, told, logprobs)

    def cite(self, annotations: Sequence[Json]) -> Iterator[Json]:
        """Where some of its text comes from."""
        if annotations and "output_text" not in self._pieces:
            yield from self.say("output_text", "")
        for annotation in annotations:
            yield {
                "type": "response.output_text.annotation.added",
                **self._place("output_text"),
                "annotation_index": len(self._annotations),
                "annotation": annotation,
            }
            self._annotations.append(annotation)

    def closed(self, status: str) -> Iterator[Json]:
        for kind in self._kinds:
            rest = self._pieces[kind].rest()
            if rest:
                yield self._delta(kind, rest, ())
            yield self._done(kind)
            yield self._part_event("done", kind, self._part(kind))
        yield _item_event("done", self._at, self.item(status))

    def item(self, status: str) -> Item:
        parts = [self._part(kind) for kind in self._kinds]
        return message_item(self.item_id, parts, status)

    def _place(self, kind: str) -> Json:
        return {
            "item_id": self.item_id,
            "output_index": self._at,
            "content_index": self._kinds.index(kind),
        }

    def _part(self, kind: str) -> Item:
        text = self._pieces[kind].text
        if kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return text_part(text, self._annotations, self._logprobs)

    def _part_event(self, what: str, kind: str, part: Item) -> Json:
        return {"type": f"response.content_part.{what}", **self._place(kind), "part": part}

    def _delta(self, kind: str, piece: str, logprobs: Sequence[Json]) -> Json:
        event = {"type": f"response.{kind}.delta", **self._place(kind), "delta": piece}
        return event if kind == "refusal" else {**event, "logprobs": list(logprobs)}

    def _done(self, kind: str) -> Json:
        text = self._pieces[kind].text
        if kind == "refusal":
            return {"type": "response.refusal.done", **self._place(kind), "refusal": text}
        return {
            "type": "response.output_text.done",
            **self._place(kind),
            "text": text,
            "logprobs": list(self._logprobs),
        }


class OpenThought:
    """Thoughts that are being told."""

    def __init__(self, item_id: str, at: int) -> None:
        self._item_id = item_id
        self._at = at
        self._pieces = Pieces()
        self._place = {"item_id": item_id, "output_index": at, "content_index": 0}

    def opened(self) -> Iterator[Json]:
        yield _item_event("added", self._at, reasoning_item(self._item_id, ""))
        yield self._part_event("added", "")

    def say(self, piece: str) -> Iterator[Json]:
        told = self._pieces.add(piece)
        if told:
            yield self._delta(told)

    def closed(self, status: str) -> Iterator[Json]:
        rest = self._pieces.rest()
        if rest:
            yield self._delta(rest)
        text = self._pieces.text
        yield {"type": "response.reasoning_text.done", **self._place, "text": text}
        yield self._part_event("done", text)
        yield _item_event("done", self._at, self.item(status))

    def item(self, status: str) -> Item:  # noqa: ARG002  # thoughts are never told half
        return reasoning_item(self._item_id, self._pieces.text)

    def _delta(self, piece: str) -> Json:
        return {"type": "response.reasoning_text.delta", **self._place, "delta": piece}

    def _part_event(self, what: str, text: str) -> Json:
        part = {"type": "reasoning_text", "text": text}
        return {"type": f"response.content_part.{what}", **self._place, "part": part}


class OpenCall:
    """A call of a function whose arguments are being written.

    It is told once its name is known, which a provider may send after the first arguments.
    """

    def __init__(self, item_id: str, at: int) -> None:
        self.item_id = item_id
        self._at = at
        self._call_id = ""
        self._name = ""
        self._pieces = Pieces()
        self._is_told = False

    def add(self, call_id: object, name: object, arguments: object) -> Iterator[Json]:
        """The next piece of it; what is not a text says nothing."""
        if isinstance(call_id, str) and not self._call_id:
            self._call_id = call_id
        # Some providers repeat the name in every piece, some cut it; what was told stays.
        if isinstance(name, str) and name != self._name and not (self._is_told and self._name):
            self._name += name
        told = self._pieces.add(arguments) if isinstance(arguments, str) else ""
        if self._is_told:
            if told:
                yield self._delta(told)
        elif self._name and (told or self._call_id):
            yield from self.opened()

    def opened(self) -> Iterator[Json]:
        """Tell of it now, where that was not done yet: something follows it."""
        if self._is_told:
            return
        self._is_told = True
        self._call_id = self._call_id or self.item_id.replace("fc_", "call_", 1)
        empty = call_item(self.item_id, self._call_id, self._name, "", "in_progress")
        yield _item_event("added", self._at, empty)
        if self._pieces.text:
            yield self._delta(self._pieces.text)

    def closed(self, status: str) -> Iterator[Json]:
        rest = self._pieces.rest()
        if not self._is_told:
            yield from self.opened()
        elif rest:
            yield self._delta(rest)
        yield {
            "type": "response.function_call_arguments.done",
            **self._place,
            "arguments": self._pieces.text,
            "name": self._name,
        }
        yield _item_event("done", self._at, self.item(status))

    def item(self, status: str) -> Item:
        call_id = self._call_id or self.item_id.replace("fc_", "call_", 1)
        return call_item(self.item_id, call_id, self._name, self._pieces.text, status)

    @property
    def _place(self) -> Json:
        return {"item_id": self.item_id, "output_index": self._at}

    def _delta(self, piece: str) -> Json:
        return {"type": "response.function_call_arguments.delta", **self._place, "delta": piece}


def _item_event(what: str, at: int, item: Item) -> Json:
    return {"type": f"response.output_item.{what}", "output_index": at, "item": item}
