import asyncio
import json

from headrace.clock import ManualClock
from headrace.sim.http import Connection, Hub
from headrace.sim.options import SimOptions
from headrace.sim.service import Service
from headrace.sim.wheel import Wheel


class Recorder(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.written.append(data)

    def close(self) -> None:
        self.closed = True


def request(headers: str) -> bytes:
    document = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    body = json.dumps(document).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\n{headers}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def open_connection() -> tuple[Hub, Connection, Recorder]:
    hub = Hub(Service(SimOptions(), ManualClock()), asyncio.get_running_loop())
    connection, transport = Connection(hub), Recorder()
    connection.connection_made(transport)
    return hub, connection, transport


async def turns(hub: Hub, count: int) -> None:
    """Wait for `count` slots of the hub's wheel."""
    for _ in range(count):
        turned = asyncio.Event()
        hub.wheel.call_at(hub.wheel.now_s(), turned.set)
        await turned.wait()


def test_a_client_that_does_not_read_holds_its_stream_up():
    async def main() -> None:
        hub, connection, transport = open_connection()
        connection.data_received(request("x-sim-tokens: 6\r\nx-sim-token-ms: 1\r\n"))
        connection.pause_writing()
        sent_before = len(transport.written)
        await turns(hub, 12)
        assert len(transport.written) == sent_before < 6
        assert hub.stats.inflight == 1
        connection.resume_writing()
        while hub.stats.inflight:
            await turns(hub, 1)
        assert len(transport.written) == 6
        assert transport.written[-1].endswith(b"0\r\n\r\n")

    asyncio.run(main())


def test_a_client_that_goes_in_the_middle_is_counted_once_and_gets_no_more():
    async def main() -> None:
        hub, connection, transport = open_connection()
        connection.data_received(request("x-sim-tokens: 6\r\nx-sim-token-ms: 1\r\n"))
        connection.connection_lost(None)
        sent = len(transport.written)
        await turns(hub, 12)
        report = hub.stats.report()
        assert len(transport.written) == sent
        assert (report.streams_aborted, report.calls_aborted, report.inflight) == (1, 0, 0)
        assert report.connections_open == 0

    asyncio.run(main())


def test_an_answer_without_latency_is_written_inside_the_parsers_callback():
    async def main() -> None:
        hub, connection, transport = open_connection()
        connection.data_received(request("connection: close\r\n"))
        assert len(transport.written) == 1
        assert transport.closed
        assert hub.stats.inflight == 0

    asyncio.run(main())


def test_a_body_is_asked_for_where_the_client_waits():
    async def main() -> None:
        _, connection, transport = open_connection()
        head, _, body = request("expect: 100-continue\r\n").partition(b"\r\n\r\n")
        connection.data_received(head + b"\r\n\r\n")
        assert transport.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]
        connection.data_received(body)
        assert transport.written[1].startswith(b"HTTP/1.1 200 OK\r\n")

    asyncio.run(main())


def test_the_wheel_keeps_the_order_of_time():
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wheel = Wheel(loop)
        called: list[str] = []
        done = asyncio.Event()
        now_s = wheel.now_s()
        wheel.call_at(now_s + 0.009, done.set)
        wheel.call_at(now_s + 0.006, lambda: called.append("late"))
        wheel.call_at(now_s + 0.002, lambda: called.append("early"))
        wheel.call_at(now_s - 1, lambda: called.append("past"))
        await done.wait()
        assert called == ["past", "early", "late"]

    asyncio.run(main())
