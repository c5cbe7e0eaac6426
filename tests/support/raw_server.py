"""A server that does what a test says with each connection, over TLS where it is given any."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

TIMEOUT_S = 15.0
# Longer: a connection that came last is told of no end, and is over when it has been silent.
_END_S = 4 * TIMEOUT_S
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_LINGER_NONE = struct.pack("ii", 1, 0)


class Peer:
    """One connection, from the server's side.

    Attributes:
        number: how many came before it.
        sock: its socket.
    """

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self._data = b""

    def request(self) -> bytes:
        """The next request with its body; nothing where the client has left."""
        while b"\r\n\r\n" not in self._data:
            if not self._more():
                return b""
        head, _, rest = self._data.partition(b"\r\n\r\n")
        size = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                size = int(line[15:])
        while len(rest) < size:
            if not self._more():
                return b""
            rest = self._data.partition(b"\r\n\r\n")[2]
        self._data = rest[size:]
        return head + b"\r\n\r\n" + rest[:size]

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reset(self) -> None:
        """Go away without a word."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        self.sock.close()

    def _more(self) -> bool:
        try:
            data = self.sock.recv(65536)
        except OSError:
            return False
        self._data += data
        return bool(data)


def answering(answer: bytes = OK) -> Callable[[Peer], None]:
    """Answers every request of a connection alike."""

    def serve(peer: Peer) -> None:
        while peer.request():
            peer.send(answer)

    return serve


def silent(*said: bytes) -> Callable[[Peer], None]:
    """Says its part, and then nothing more until the client leaves."""

    def serve(peer: Peer) -> None:
        peer.request()
        for part in said:
            peer.send(part)
        peer.request()

    return serve


class RawServer:
    """Hands each connection to `serve`, on a thread of its own; closes it afterwards.

    Attributes:
        url: where it listens, with `localhost` where TLS is spoken.
        peers: the connections so far.
    """

    def __init__(
        self, serve: Callable[[Peer], None], tls: ssl.SSLContext | None = None, *, backlog: int = 64
    ) -> None:
        self._serve = serve
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"https://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"
        self.peers: list[Peer] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(_END_S)
        for peer in self.peers:
            if peer.sock.fileno() != -1:
                try:
                    socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)
                except OSError:
                    continue
        for thread in self._threads[1:]:
            thread.join(_END_S)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._talk, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, sock: socket.socket) -> None:
        sock.settimeout(TIMEOUT_S)
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            peer = Peer(sock, len(self.peers))
            self.peers.append(peer)
            self._serve(peer)
        except OSError:
            pass  # the client left, which some tests are about
        finally:
            sock.close()
