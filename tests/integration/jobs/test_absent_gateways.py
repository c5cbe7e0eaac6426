"""What a worker says of a gateway that nobody finds: when it goes, and when it is back."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.support.house import free_port

from headrace.clock import SystemClock
from headrace.gateway.tasks import Tasks
from headrace.jobs.context import JobFailed, JobPutOff, JobRefused
from headrace.jobs.gateway_models import GatewayModels
from headrace.jobs.job import Job

ANSWER = b"HTTP/1.1 %s\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
JOB = Job(
    id="job_1",
    tenant="default",
    caller="",
    kind="generate",
    queue="default",
    priority=5,
    state="running",
    digest="",
    created_s=0.0,
    due_s=0.0,
    attempts_max=3,
)


class Listener:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str, dict[str, Any]]] = []

    def __call__(self, level: str, event: str, about: str = "", **fields: Any) -> None:
        self.said.append((level, event, about, fields))


def answers(port: int, status: bytes) -> Coroutine[Any, Any, asyncio.Server]:
    """A gateway, or what stands in front of one, that answers the same whatever it is asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER % status)
        await writer.drain()
        writer.close()

    return asyncio.start_server(answer, "127.0.0.1", port)


def test_a_gateway_that_cannot_be_reached_is_told_of_once_an_outage_without_secrets() -> None:
    listener = Listener()

    async def main(port: int) -> None:
        tasks = Tasks(lambda error: pytest.fail(repr(error)))
        url = f"http://name:secret@127.0.0.1:{port}"
        gateway = GatewayModels(url, None, is_deputy=False, spawn=tasks.spawn, say=listener)
        models = gateway.of(JOB)
        for _ in range(3):
            with pytest.raises(JobPutOff):
                await models.chat("m", "Hi")
        server = await answers(port, b"404 Not Found")
        for _ in range(2):
            with pytest.raises(JobFailed):
                await models.chat("m", "Hi")
        server.close()
        await server.wait_closed()
        for _ in range(2):
            with pytest.raises(JobPutOff):
                await models.chat("m", "Hi")
        gateway.sweep(SystemClock().monotonic_s())
        gateway.close()
        await tasks.close()

    port = free_port()
    asyncio.run(main(port))
    assert [(level, event) for level, event, _, _ in listener.said] == [
        ("warning", "jobs_gateway_gone"),
        ("info", "jobs_gateway_back"),
        ("warning", "jobs_gateway_gone"),
    ]
    assert {about for _, _, about, _ in listener.said} == {f"http://127.0.0.1:{port}"}
    assert "--gateway" in listener.said[0][3]["detail"]


@pytest.mark.parametrize("status", [b"502 Bad Gateway", b"503 Service Unavailable"])
def test_what_a_proxy_says_in_place_of_the_gateway_costs_a_try(status: bytes) -> None:
    """It may have passed the call on, which is then paid for: that has an end."""
    listener = Listener()

    async def main(port: int) -> None:
        tasks = Tasks(lambda error: pytest.fail(repr(error)))
        url = f"http://127.0.0.1:{port}"
        gateway = GatewayModels(url, None, is_deputy=False, spawn=tasks.spawn, say=listener)
        server = await answers(port, status)
        with pytest.raises(JobRefused) as refused:
            await gateway.of(JOB).chat("m", "Hi")
        assert not isinstance(refused.value, JobPutOff)
        server.close()
        gateway.close()
        await tasks.close()

    asyncio.run(main(free_port()))
    assert listener.said == []
