"""The events of a stream as they come: bytes in any pieces to events that say what is in them."""

from typing import Any

import msgspec

from headrace.dialects import anthropic_reply, openai_reply, sse
from headrace.dialects.decoding import decode_or_none
from headrace.library.results import refused
from headrace.model import DialectName, Usage

Json = dict[str, Any]

_OBJECT = msgspec.json.Decoder(Json)


class StreamEvent(msgspec.Struct, frozen=True):
    """One event of a streamed answer.

    Attributes:
        index: its number in the stream, from 0.
        text: the text it adds to the answer, mostly a token; often empty.
        raw: its data as the provider sent it.
        choice: the number of the answer it speaks of, where several were asked for (`n`).
        finish_reason: why the answer ends, in the provider's own words, on the event that says so.
        usage: tokens of the whole call, on the event that reports them.
    """

    index: int
    text: str
    raw: bytes
    choice: int = 0
    finish_reason: str | None = None
    usage: Usage | None = None

    def json(self) -> Json:
        """`raw`, decoded."""
        return _OBJECT.decode(self.raw)


class EventReader:
    """Reads one stream.

    Args:
        dialect: whose events.
        provider: named in errors.
    """

    def __init__(self, dialect: DialectName, provider: str) -> None:
        self._provider = provider
        self._read_data = self._read_message if dialect == "anthropic" else self._read_chat
        self._rest = b""
        self._count = 0
        self._usage: Json = {}

    def read(self, chunk: bytes) -> list[StreamEvent]:
        """The events that `chunk` completes.

        Raises:
            UpstreamRefused: one of them is an error; those before it are lost with it.
        """
        data = self._rest + chunk
        held_back = b""
        if b"\r" in data:
            if data.endswith(b"\r"):  # perhaps the first half of a newline
                data, held_back = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        blocks, blank, rest = data.rpartition(b"\n\n")
        self._rest = rest + held_back
        events = sse.read_events(blocks + blank) if blank else []
        return [self._read_event(event) for event in events if event.data != openai_reply.DONE]

    def _read_event(self, event: sse.Event) -> StreamEvent:
        index = self._count
        self._count += 1
        if event.name == b"error":
            raise refused(self._provider, 200, event.data)
        return self._read_data(index, event.data)

    def _read_chat(self, index: int, data: bytes) -> StreamEvent:
        chunk = decode_or_none(data, _CHUNK)
        if chunk is None:
            return StreamEvent(index, "", data)
        if chunk.error:
            raise refused(self._provider, 200, data)
        usage = openai_reply.read_usage(chunk.usage)
        if not chunk.choices:
            return StreamEvent(index, "", data, usage=usage)
        choice = chunk.choices[0]
        text = choice.delta.content if choice.delta else ""
        return StreamEvent(
            index,
            text if isinstance(text, str) else "",
            data,
            choice.index if type(choice.index) is int else 0,
            choice.finish_reason if isinstance(choice.finish_reason, str) else None,
            usage,
        )

    def _read_message(self, index: int, data: bytes) -> StreamEvent:
        event = decode_or_none(data, _EVENT)
        if event is None:
            return StreamEvent(index, "", data)
        if event.type == "error":
            raise refused(self._provider, 200, data)
        counts = event.message.usage if event.message else event.usage
        if isinstance(counts, dict):
            self._usage.update(counts)
        piece = event.delta or event.content_block or _NO_PIECE
        is_end = event.type == "message_delta"
        return StreamEvent(
            index,
            piece.text if piece.type in _TEXTS and isinstance(piece.text, str) else "",
            data,
            finish_reason=piece.stop_reason if isinstance(piece.stop_reason, str) else None,
            usage=anthropic_reply.read_usage(self._usage) if is_end and self._usage else None,
        )


class _ChatDelta(msgspec.Struct, gc=False):
    content: Any = None


class _Choice(msgspec.Struct, gc=False):
    index: Any = 0
    delta: _ChatDelta | None = None
    finish_reason: Any = None


class _Chunk(msgspec.Struct, gc=False):
    """An event of OpenAI's; unknown fields are skipped."""

    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


class _Piece(msgspec.Struct, gc=False, frozen=True):
    type: Any = None
    text: Any = None
    stop_reason: Any = None


class _Opening(msgspec.Struct, gc=False):
    usage: Any = None


class _Event(msgspec.Struct, gc=False):
    """An event of Anthropic's; unknown fields are skipped."""

    type: Any = None
    message: _Opening | None = None
    content_block: _Piece | None = None
    delta: _Piece | None = None
    usage: Any = None


_CHUNK = msgspec.json.Decoder(_Chunk)
_EVENT = msgspec.json.Decoder(_Event)
_NO_PIECE = _Piece()
_TEXTS = ("text", "text_delta")
