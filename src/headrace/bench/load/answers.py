"""Reading answers: what is a token, what is whole, what is no answer at all."""

from typing import Final

import msgspec

from headrace.bench.load.call import Outcome

BODY_BYTES_MAX: Final = 64 << 20
_CONTENT: Final = b'"content":"'
_NO_CONTENT: Final = b'"content":""'
_DONE: Final = b"[DONE]"


class _Whole(msgspec.Struct):
    """As much of an answer as a client needs to have: choices, or vectors."""

    choices: list[msgspec.Raw] | None = None
    data: list[msgspec.Raw] | None = None


_DECODER: Final = msgspec.json.Decoder(_Whole)


class Whole:
    """An answer in one piece."""

    __slots__ = ("_parts", "size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def feed(self, data: bytes) -> int:
        """Take a part; no part of it is a token."""
        self._parts.append(data)
        self.size += len(data)
        return 0

    def ending(self) -> tuple[Outcome, str]:
        """How it is, now that it is all there."""
        try:
            read = _DECODER.decode(b"".join(self._parts))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return "malformed", f"the body is no answer: {error}"
        if not read.choices and not read.data:
            return "malformed", "the body has neither choices nor data"
        return "ok", ""


class Streamed:
    """Events of a streamed chat; one may be cut by a read, and counts once."""

    __slots__ = ("_is_done", "_is_failed", "_tail", "size")

    def __init__(self) -> None:
        self._tail = b""
        self._is_done = False
        self._is_failed = False
        self.size = 0

    def feed(self, data: bytes) -> int:
        """Take a part; returns how many tokens became whole with it."""
        self.size += len(data)
        text = self._tail + data
        if b"\r" in text:  # joined first: a read may end between the two
            text = text.replace(b"\r\n", b"\n")
        *events, self._tail = text.split(b"\n\n")
        tokens = 0
        for event in events:
            if _CONTENT in event.replace(b'": "', b'":"'):
                tokens += _NO_CONTENT not in event.replace(b'": "', b'":"')
            elif _DONE in event:
                self._is_done = True
            elif b'"error"' in event:
                self._is_failed = True
        return tokens

    def ending(self) -> tuple[Outcome, str]:
        """How it is, now that it is all there."""
        if self._is_failed:
            return "cut", "the stream ended in an error"
        if not self._is_done:
            return "cut", "the stream ended without [DONE]"
        return "ok", ""
