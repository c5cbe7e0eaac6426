"""What a client has yet to take is told to the byte, over a real socket."""

import asyncio
import socket
from typing import cast

from tests.support.waiting import eventually

from headrace.server.unsent import unsent_bytes

MIB = 1 << 20


class Held(asyncio.Transport):
    """A transport that holds nothing itself."""

    def __init__(self, sock: socket.socket | None) -> None:
        super().__init__({"socket": sock})

    def get_write_buffer_size(self) -> int:
        return 7


def test_what_the_kernel_holds_counts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with (
            socket.create_connection(listener.getsockname()) as writer,
            cast(socket.socket, listener.accept()[0]) as client,
        ):
            writer.setblocking(False)
            written = writer.send(b"x" * MIB)
            transport = Held(writer)
            before = unsent_bytes(transport)
            assert 7 < before <= written + 7
            taken = 0
            while taken < written:
                taken += len(client.recv(65536))
            eventually(lambda: unsent_bytes(transport) == 7)


def test_without_a_socket_the_transport_alone_counts() -> None:
    closed = socket.socket()
    closed.close()
    assert [unsent_bytes(Held(sock)) for sock in (None, closed)] == [7, 7]
