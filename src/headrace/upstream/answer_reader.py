"""Reads one HTTP/1.1 answer after the other out of bytes, whatever brings them.

No socket, no loop and no time: a connection feeds it what came and looks at what is there. The
request's method has to be told, for an answer to HEAD has no body whatever its head says (RFC
9112, 6.3). The same parser as the gateway's own connections use.
"""

from typing import Final, Literal

import httptools

# A head, trailers, or the framing of chunks: what comes beside a body is bounded by this, and by
# eight bytes for each byte of the body, which a server that sends them one by one stays below.
OVERHEAD_BYTES_MAX: Final = 64 * 1024
OVERHEAD_SHARE_MAX: Final = 8

ReadFault = Literal["reset", "cut", "garbage", "too_large"]


class AnswerReader:
    """The answers of one connection, one at a time: `begin`, `feed` until `is_complete`.

    Attributes:
        status: the answer's status, once `is_head_done`.
        headers: its headers, names in lower case, those of interim answers and trailers left out.
        parts: what came of the body and was not taken yet.
        is_head_done: whether the head is there.
        is_complete: whether the answer ended as its framing said.
        keeps_alive: whether the connection may carry another call; known when it is complete.
    """

    __slots__ = (
        "_body_bytes",
        "_body_bytes_max",
        "_bytes",
        "_is_framed",
        "_is_head",
        "_is_used_up",
        "_parser",
        "headers",
        "is_complete",
        "is_head_done",
        "keeps_alive",
        "parts",
        "status",
    )

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._is_used_up = False
        self.begin(is_head=False)

    def begin(self, *, is_head: bool, body_bytes_max: float = float("inf")) -> None:
        """Expect the answer to a request that goes out now.

        Args:
            is_head: whether it is asked for by HEAD.
            body_bytes_max: bound on its body, in bytes.
        """
        if self._is_used_up:  # it still waits for a body that never comes
            self._parser = httptools.HttpResponseParser(self)
            self._is_used_up = False
        self._is_head = is_head
        self._body_bytes_max = body_bytes_max
        self._bytes = self._body_bytes = 0
        self._is_framed = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.is_head_done = self.is_complete = self.keeps_alive = False

    @property
    def has_begun(self) -> bool:
        """Whether any byte of the answer came."""
        return self._bytes > 0

    def feed(self, data: bytes) -> ReadFault | None:
        """Read what came; returns what is wrong with it, if anything is."""
        self._bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.keeps_alive = False  # even where the answer is whole, what follows it is not
            if not self.is_complete:
                return "cut" if self.is_head_done else "garbage"
        body_bytes = self._body_bytes
        overhead_bytes = self._bytes - body_bytes
        if body_bytes > self._body_bytes_max or (
            overhead_bytes > OVERHEAD_BYTES_MAX + OVERHEAD_SHARE_MAX * body_bytes
        ):
            self.is_complete = False
            return "too_large"
        return None

    def end(self) -> ReadFault | None:
        """The connection ended, in an orderly way; returns what is missing, if anything is."""
        if self.is_complete:
            return None
        if self.is_head_done and not self._is_framed:
            self.is_complete = True
            return None
        return "cut" if self._bytes else "reset"

    def take(self) -> bytes:
        """What came of the body since it was taken last."""
        parts = self.parts
        if not parts:
            return b""
        self.parts = []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Nothing more will be read."""
        del self._parser  # a cycle, which would be left to the garbage collector

    # What the parser says: collect, nothing else.

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise httptools.HttpParserError("a second answer to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.is_head_done:  # a trailer: never merged into the head (RFC 9110, 6.5.1)
            return
        name = name.lower()
        if name == b"content-length" or name == b"transfer-encoding":
            self._is_framed = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status: int = self._parser.get_status_code()
        if status < 200:  # an interim answer; the real one follows
            self.headers = []
            return
        self.status = status
        self.is_head_done = True
        if self._is_head or status == 204 or status == 304:
            self._is_used_up = self.is_complete = True
            self.keeps_alive = self._may_be_kept()

    def on_body(self, chunk: bytes) -> None:
        if self.is_complete:  # of an answer that has no body
            self.keeps_alive = False
            return
        self._body_bytes += len(chunk)
        self.parts.append(chunk)

    def on_message_complete(self) -> None:
        if self.is_complete:
            self._is_used_up = False
        elif self.is_head_done:
            self.is_complete = True
            # Asked here because the parser forgets the framing with the message.
            self.keeps_alive = self._parser.should_keep_alive()

    def _may_be_kept(self) -> bool:
        # Without a framing the parser takes the end of the connection for that of the body.
        if self._parser.get_http_version() != "1.1":
            return False
        said = b",".join(value for name, value in self.headers if name == b"connection")
        return b"close" not in said.lower()
