"""A provider whose every byte the test decides, for answers the simulator would never give."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence

TIMEOUT_S = 60.0


class ScriptedProvider:
    """Answers each call with the bytes it is given, on a thread.

    Attributes:
        answers: the bytes for the calls to come, in order; the last one stays. Each is followed
            by the end of the connection where `closes` is set.
        heads: the heads of the calls that came.
        bodies: their bodies.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.answers: list[bytes] = []
        self.closes = True
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    def serve(self) -> None:
        """Take connections, one thread for each, until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(TIMEOUT_S)
        with connection, contextlib.suppress(OSError):
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    data += (received := connection.recv(65536))
                    if not received:
                        return
                head, _, data = data.partition(b"\r\n\r\n")
                size = _length(head)
                while len(data) < size:
                    data += connection.recv(65536)
                self.heads.append(head)
                self.bodies.append(data[:size])
                data = data[size:]
                connection.sendall(self.answers.pop(0) if self.answers[1:] else self.answers[0])
                if self.closes:
                    return


def sized(body: bytes, status: str = "200 OK", headers: Sequence[str] = ()) -> bytes:
    """A whole JSON answer."""
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def streamed(*chunks: bytes, ends: bool = True) -> bytes:
    """A stream in chunks, whose framing is complete where it `ends`."""
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + body + (b"0\r\n\r\n" if ends else b"")


@contextlib.contextmanager
def scripted() -> Iterator[ScriptedProvider]:
    """A scripted provider as long as the context is open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        provider = ScriptedProvider(listener)
        thread = threading.Thread(target=provider.serve, daemon=True)
        thread.start()
        yield provider
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(TIMEOUT_S)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
