"""The output of a response, made of what a chat completion says, whole or piece by piece."""

from collections.abc import Generator, Iterator
from typing import Any, Final

import msgspec

from headrace.dialects.decoding import decode_or_none
from headrace.dialects.responses.items import Item
from headrace.dialects.responses.open_items import OpenCall, OpenMessage, OpenThought
from headrace.dialects.responses.output import (
    MakeId,
    Reply,
    read_annotations,
    read_logprobs,
    write_usage,
)
from headrace.errors import UpstreamBroken
from headrace.limits import RELAY_BYTES_MAX

Json = dict[str, Any]

_OBJECT = msgspec.json.Decoder(dict[str, Any])
_THOUGHTS: Final = ("reasoning_content", "reasoning")


class Making:
    """An output that is being made.

    A message ends where a call begins; calls end together, since their pieces may come mixed.

    Args:
        make_id: makes the ids of items.
    """

    def __init__(self, make_id: MakeId) -> None:
        self._make_id = make_id
        self._items: list[OpenMessage | OpenThought | OpenCall] = []
        self._done: list[Item] = []  # what became of those that are closed, from the first on
        self._calls: dict[int, OpenCall] = {}
        self._chars = 0
        self._model = ""
        self._reason = ""
        self._usage: Json | None = None
        self._tier: str | None = None

    def add(self, chunk: Json) -> Iterator[Json]:
        """The next chunk of a chat completion; gives the events that tell of it.

        Raises:
            UpstreamBroken: there is more of it than is held.
        """
        if isinstance(model := chunk.get("model"), str):
            self._model = model
        if isinstance(tier := chunk.get("service_tier"), str):
            self._tier = tier
        self._usage = write_usage(chunk.get("usage")) or self._usage
        choice = _first_choice(chunk.get("choices"))
        if isinstance(reason := choice.get("finish_reason"), str):
            self._reason = reason
        delta = choice.get("delta", choice.get("message"))
        if isinstance(delta, dict):
            yield from self._say(delta, choice)

    def close(self) -> Iterator[Json]:
        """Nothing more comes; gives the events that end what is open."""
        status = "completed" if Reply(reason=self._reason).cut_by is None else "incomplete"
        for item in self._open:
            yield from item.closed(status)
            self._done.append(item.item(status))

    @property
    def reply(self) -> Reply:
        """All that has come."""
        items = [*self._done, *(each.item("incomplete") for each in self._open)]
        return Reply(items, self._model, self._reason, self._usage, self._tier)

    @property
    def _open(self) -> list[OpenMessage | OpenThought | OpenCall]:
        return self._items[len(self._done) :]

    def _say(self, delta: Json, choice: Json) -> Iterator[Json]:
        for field in _THOUGHTS:
            if isinstance(thoughts := delta.get(field), str) and thoughts:
                yield from self._think(thoughts)
                break
        logprobs = read_logprobs(choice.get("logprobs"))
        content = _text(delta.get("content"))
        if content:
            message = yield from self._message()
            self._count(content)
            yield from message.say("output_text", content, logprobs)
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            message = yield from self._message()
            self._count(refusal)
            yield from message.say("refusal", refusal)
        annotations = read_annotations(delta.get("annotations"))
        if annotations:
            message = yield from self._message()
            yield from message.cite(annotations)
        for call in _calls(delta):
            yield from self._call(call)

    def _think(self, thoughts: str) -> Iterator[Json]:
        self._count(thoughts)
        last = self._items[-1] if self._open else None
        if not isinstance(last, OpenThought):
            yield from self._close_messages()
            last = OpenThought(self._make_id("rs"), len(self._items))
            self._items.append(last)
            yield from last.opened()
        yield from last.say(thoughts)

    def _message(self) -> Generator[Json, None, OpenMessage]:
        last = self._items[-1] if self._open else None
        if isinstance(last, OpenMessage):
            return last
        yield from self._close_messages()
        message = OpenMessage(self._make_id("msg"), len(self._items))
        self._items.append(message)
        yield from message.opened()
        return message

    def _call(self, piece: Json) -> Iterator[Json]:
        index = piece.get("index")
        if type(index) is not int:
            # A provider that numbers nothing sends each call whole, under its own id.
            index = len(self._calls) if piece.get("id") or not self._calls else len(self._calls) - 1
        if index not in self._calls:
            yield from self._close_messages()
            call = self._calls[index] = OpenCall(self._make_id("fc"), len(self._items))
            self._items.append(call)
        function = piece.get("function")
        if isinstance(function, dict):
            arguments = function.get("arguments")
            if isinstance(arguments, dict):  # some send them decoded
                arguments = msgspec.json.encode(arguments).decode()
            self._count(arguments)
            yield from self._calls[index].add(piece.get("id"), function.get("name"), arguments)

    def _close_messages(self) -> Iterator[Json]:
        """Before another item: end those so far, but for calls and what follows, which are told."""
        for item in self._open:
            if isinstance(item, OpenCall):
                break
            yield from item.closed("completed")
            self._done.append(item.item("completed"))
        for item in self._open:
            if isinstance(item, OpenCall):
                yield from item.opened()

    def _count(self, text: object) -> None:
        if isinstance(text, str):
            self._chars += len(text)
        if self._chars > RELAY_BYTES_MAX:
            raise UpstreamBroken(
                f"The answer is longer than {RELAY_BYTES_MAX} characters, which is more than a "
                "response holds; set max_output_tokens."
            )


def read_completion(body: bytes, make_id: MakeId) -> Reply | None:
    """The output of a whole chat completion; `None` where it is none.

    Args:
        body: the chat completion.
        make_id: makes the ids of items.

    Raises:
        UpstreamBroken: there is more of it than is held.
    """
    whole = decode_or_none(body, _OBJECT)
    if whole is None or not _first_choice(whole.get("choices")):
        return None
    making = Making(make_id)
    for event in (*making.add(whole), *making.close()):
        del event  # nobody is told piece by piece
    return making.reply


def _first_choice(choices: object) -> Json:
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("index", 0) in (0, None):
            return choice
    return {}


def _text(content: object) -> str:
    """The words of a chat's content; some providers send it in parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _calls(delta: Json) -> list[Json]:
    calls = delta.get("tool_calls")
    if isinstance(calls, list) and calls:
        return [call for call in calls if isinstance(call, dict)]
    call = delta.get("function_call")  # as it was before there were tools
    return [{"index": 0, "function": call}] if isinstance(call, dict) else []
