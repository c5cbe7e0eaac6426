"""A streamed chat completion as the events of a response."""

import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from headrace.dialects import sse
from headrace.dialects.openai_reply import DONE
from headrace.dialects.responses.making import Making
from headrace.dialects.responses.open_items import sound
from headrace.dialects.responses.output import Heading, MakeId, Reply, write_response
from headrace.errors import HeadraceError, UpstreamBroken
from headrace.limits import RELAY_BYTES_MAX

Json = dict[str, Any]

_OBJECT = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode
# Texts that come in pieces, where the second half of a character may still follow.
_IN_PIECES: Final = ("content", "refusal", "arguments", "reasoning_content", "reasoning")


class ResponseStream:
    """The events of one response.

    Args:
        heading: what is known of it before it is answered.
        make_id: makes the ids of items.

    Attributes:
        error: what the provider said was wrong, in the middle of the stream.
    """

    def __init__(self, heading: Heading, make_id: MakeId) -> None:
        self.error: HeadraceError | None = None
        self._heading = heading
        self._making = Making(make_id)
        self._rest = b""
        self._count = 0

    def begin(self) -> bytes:
        """The events that say that it is under way."""
        response = write_response(self._heading)
        kinds = ("response.created", "response.in_progress")
        return self._write({"type": kind, "response": response} for kind in kinds)

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the chat completion's events, cut anywhere; gives those that follow.

        Raises:
            UpstreamBroken: there is more of it than is held.
        """
        whole, self._rest = sse.cut_off(self._rest + data if self._rest else data)
        if len(self._rest) > RELAY_BYTES_MAX:
            raise UpstreamBroken(f"An event of the answer is larger than {RELAY_BYTES_MAX} bytes.")
        written = []
        for payload in sse.read_payloads(whole) if whole else ():
            chunk = None if payload == DONE else decode_chunk(payload)
            if chunk is None:
                continue
            if chunk.get("error") and self.error is None:
                self.error = _error(chunk["error"])
            written.append(self._write(self._making.add(chunk)))
        return b"".join(written)

    def close(self) -> tuple[bytes, Reply]:
        """All has come: the events that end its items, and the whole of it."""
        return self._write(self._making.close()), self._making.reply

    def end(self, response: Json) -> bytes:
        """The last event, with the whole response."""
        return self._write([{"type": f"response.{response['status']}", "response": response}])

    def fail(self, error: HeadraceError) -> bytes:
        """The last event, where nothing more comes; it has what came before."""
        response = write_response(self._heading, self._making.reply, error=error)
        return self._write([{"type": "response.failed", "response": response}])

    def _write(self, events: Iterable[Json]) -> bytes:
        written = []
        for event in events:
            event["sequence_number"] = self._count
            self._count += 1
            written.append(sse.write_event(_encode(event), event["type"].encode()))
        return b"".join(written)


def decode_chunk(payload: bytes) -> Json | None:
    """One event of a chat completion, `None` where it is not an object.

    Half characters (lone surrogates), which no UTF-8 can carry, come in escapes; they are kept in
    texts that come in pieces, and replaced elsewhere.
    """
    try:
        return _OBJECT.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    try:
        chunk = json.loads(payload)
        return _scrubbed(chunk) if isinstance(chunk, dict) else None
    except (ValueError, RecursionError):
        return None


def _scrubbed(value: Any, name: str = "") -> Any:
    if isinstance(value, str):
        return value if name in _IN_PIECES else sound(value)
    if isinstance(value, list):
        return [_scrubbed(each) for each in value]
    if isinstance(value, dict):
        return {sound(key): _scrubbed(each, key) for key, each in value.items()}
    return value


def _error(told: object) -> UpstreamBroken:
    message = told.get("message") if isinstance(told, dict) else told
    text = message if isinstance(message, str) and message else "no reason was given"
    return UpstreamBroken(f"The provider broke off: {sound(text)}")
