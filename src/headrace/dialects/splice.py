"""Going on with a stream that broke off, in the words of another call: what dialects share. Pure.

The text so far goes into the request for the rest; the events of the rest are made part of the
stream that the caller reads already: one opening, one identity, one end, usage added up, and
nothing said twice where it is the same to the letter.
"""

from typing import Any, Final, Protocol

import msgspec

from headrace.dialects import sse
from headrace.dialects.decoding import decode_or_none

Json = dict[str, Any]

PLEA: Final = (
    "Your answer broke off in transmission. Go on with the very next character, as if nothing had "
    "happened. Repeat nothing of it, and say nothing about the interruption."
)

# How far back a model is looked for to repeat itself, and how much of that is no accident.
_SAID_CHARACTERS_MAX: Final = 200
_REPEATED_CHARACTERS_MIN: Final = 8
# A token of English is about as long.
_CHARACTERS_PER_TOKEN: Final = 4
_OBJECT = msgspec.json.Decoder(Json)


class Splice(Protocol):
    """One stream that goes on.

    Attributes:
        body: the request for the rest.
        is_broken: whether the rest turned out to be an error.
    """

    body: bytes
    is_broken: bool

    def feed(self, events: bytes) -> bytes:
        """Whole events of the rest as the caller is to read them.

        Args:
            events: as they came; each is whole.
        """
        ...


class Seam:
    """Where the rest begins: takes out of it what the text so far ends with already.

    White space that is there twice is taken out always. Of words, eight characters or more, and
    only where the model was asked to go on rather than made to: who goes on from its own last
    token means what it repeats.

    Args:
        said: the text so far.
        sees_repeats: whether words may be there twice.
    """

    def __init__(self, said: str, *, sees_repeats: bool) -> None:
        self._said = said[-_SAID_CHARACTERS_MAX:]
        self._sees_repeats = sees_repeats
        self._held = ""
        self._is_over = not said

    def feed(self, text: str) -> str:
        """The next piece of the rest; nothing of it as long as more could be the same."""
        if self._is_over:
            return text
        self._held += text
        may_be = self._sees_repeats or self._held.isspace() or not self._held
        if may_be and self._held in self._said[:-1]:
            return ""
        return self.flush()

    def flush(self) -> str:
        """What was held back, without what was said before: no more of the rest comes."""
        held, self._held = self._held, ""
        if self._is_over:
            return ""
        self._is_over = True
        for size in range(min(len(held), len(self._said)), 0, -1):
            if self._said.endswith(held[:size]) and self._is_repeat(held[:size]):
                return held[size:]
        return held

    def _is_repeat(self, text: str) -> bool:
        if text.isspace():
            return True
        is_long = len(text) >= _REPEATED_CHARACTERS_MIN
        return self._sees_repeats and is_long and any(map(str.isalnum, text))


def read_object(data: bytes) -> Json | None:
    """An event's data, where it is an object."""
    return decode_or_none(data, _OBJECT)


def is_error_event(event: sse.Event) -> bool:
    """Whether an event says, in any dialect, that there will be no more of the answer."""
    if event.name == b"error":
        return True
    if b"error" not in event.data:
        return False
    value = read_object(event.data) or {}
    return bool(value.get("error")) or value.get("type") == "error"


def added(first: Any, second: Any) -> Any:
    """Counts of two calls together; of what is no count, the second's."""
    if isinstance(first, dict) and isinstance(second, dict):
        names = {**first, **second}
        return {name: added(first.get(name), second.get(name)) for name in names}
    if _is_count(first) and _is_count(second):
        return first + second
    return first if second is None else second


def tokens_left(limit: bytes, text: str, pieces: int) -> bytes:
    """What is left of a limit to the tokens of an answer, as JSON; what is none stays as it is.

    Args:
        limit: the limit, as JSON.
        text: the text so far.
        pieces: in so many pieces, each of a token at least.
    """
    try:
        tokens = msgspec.json.decode(limit, type=int)
    except msgspec.MsgspecError:
        return limit
    said = max(pieces, len(text) // _CHARACTERS_PER_TOKEN)
    return msgspec.json.encode(max(1, tokens - said))


def with_turns(
    body: bytes, turns: list[Json], limits: tuple[str, ...], text: str, pieces: int
) -> bytes:
    """A request with further turns at its end; every other value keeps its very bytes.

    Args:
        body: the request.
        turns: further messages.
        limits: fields that bound the tokens of the answer.
        text: the text so far.
        pieces: in so many pieces.
    """
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    messages: list[Any] = msgspec.json.decode(fields["messages"], type=list[msgspec.Raw])
    fields["messages"] = msgspec.Raw(msgspec.json.encode([*messages, *turns]))
    for name in limits:
        if name in fields:
            fields[name] = msgspec.Raw(tokens_left(bytes(fields[name]), text, pieces))
    return msgspec.json.encode(fields)


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
