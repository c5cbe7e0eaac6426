"""The least a server on this loop can cost: uvloop, one read and one write for each request.

    python -m benchmarks.bare_server --port PORT [--think-us 40]

It looks at nothing and answers everything with the same bytes, about as many as a hit has. Asked
to think, it uses up some CPU time before each answer: its client then has had the time to fall
asleep, as clients of a gateway do, and has to be woken by the write.
"""

import argparse
import asyncio
import gc
import time
from typing import cast

import uvloop

from benchmarks import workload

BACKLOG = 4096


def answer() -> bytes:
    """A whole answer of the size of a hit."""
    body = workload.completion().encode()
    lines = [b"HTTP/1.1 200 OK", b"content-type: application/json"]
    lines += [b"x-filler: " + b"-" * 200, b"content-length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Connection(asyncio.Protocol):
    """One client; its requests come in one piece each.

    Args:
        reply: what it is answered.
        think_ns: CPU nanoseconds to use up before.
    """

    def __init__(self, reply: bytes, think_ns: int) -> None:
        self._reply = reply
        self._think_ns = think_ns
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, _data: bytes) -> None:
        """Think, and answer."""
        if self._think_ns:
            end_ns = time.thread_time_ns() + self._think_ns
            while time.thread_time_ns() < end_ns:
                pass
        self._transport.write(self._reply)


async def serve(port: int, think_ns: int) -> None:
    """Serve on loopback until cancelled."""
    reply = answer()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(reply, think_ns), "127.0.0.1", port, backlog=BACKLOG
    )
    gc.freeze()
    async with server:
        await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--think-us", type=int, default=0)
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.think_us * 1000))


if __name__ == "__main__":
    main()
