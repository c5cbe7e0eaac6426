"""`python -m benchmarks.flow.connection_server CERTIFICATE`: a server that only answers.

It answers every request alike, over TLS and without, and costs little next to any client. It says
its two ports in one line, and ends when its standard input does.
"""

import asyncio
import ssl
import sys
from typing import Final, cast

import uvloop

BODY: Final = b'{"id":"chatcmpl-1","choices":[{"message":{"content":"%b"}}]}' % (b"word " * 180)
ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\n"
    b"openai-processing-ms: 12\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


class Answering(asyncio.Protocol):
    """Answers as often as it is asked; the requests have no bodies."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *asked, self._rest = (self._rest + data).split(b"\r\n\r\n")
        self._transport.write(ANSWER * len(asked))


async def serve(certificate: str) -> None:
    """Serve until standard input ends."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    plain = await loop.create_server(Answering, "127.0.0.1", 0)
    secret = await loop.create_server(Answering, "127.0.0.1", 0, ssl=tls)
    ports = [server.sockets[0].getsockname()[1] for server in (plain, secret)]
    sys.stdout.write(f"{ports[0]} {ports[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
