"""A real RabbitMQ broker of the tests' own, which may be killed and started again.

It is Debian's, run by its own script with every folder and port redirected, and belongs to an
unprivileged user where the tests run as root. Nothing of it listens on other than loopback.
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import aio_pika
import psutil
from tests.support.house import free_port
from tests.support.waiting import eventually

SCRIPT: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_TIMEOUT_S: Final = 120.0
_HEADER: Final = b"AMQP\x00\x00\x09\x01"


def why_not() -> str | None:
    """Why there is no broker here; `None` where one can be started."""
    return None if SCRIPT.exists() else f"RabbitMQ is not installed ({SCRIPT} is missing)"


class RabbitServer:
    """A broker in a folder of its own; what is durable in it outlives `kill`."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="headrace-rabbit-"))
        self._port, self._dist_port, self._epmd_port = (free_port() for _ in range(3))
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}/"
        for name in ("data", "log"):
            (self._folder / name).mkdir()
        (self._folder / "plugins").write_text("[].\n")
        if self._user is not None:
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [SCRIPT],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                env=self._environment(),
                start_new_session=True,
                **self._as_user(),
            )
        eventually(self._greets, _START_TIMEOUT_S)

    def kill(self) -> None:
        """Kill it with all its children, as if the machine had lost its power."""
        process, self._process = self._process, None
        if process is None:
            return
        ours = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for each in ours:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """End it, and the daemon that names its node, and remove what it wrote."""
        self.kill()
        for each in psutil.process_iter(["name", "cmdline", "environ"]):
            environment = each.info["environ"] or {}
            if environment.get("ERL_EPMD_PORT") == str(self._epmd_port):
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _environment(self) -> Mapping[str, str]:
        folder = str(self._folder)
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": folder,
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": "headrace@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_CONFIG_FILE": f"{folder}/none",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none.env",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"
            ),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
        }

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _greets(self) -> bool:
        """Whether it answers as AMQP 0-9-1 does."""
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "output").read_text()[-2000:]
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self._port), 1) as link,
        ):
            link.sendall(_HEADER)
            return link.recv(1) == b"\x01"
        return False


@contextmanager
def rabbit() -> Iterator[RabbitServer]:
    """A broker that runs."""
    server = RabbitServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


class Post:
    """A message as tests write and read it."""

    def __init__(self, body: bytes, **properties: Any) -> None:
        self.body = body
        self.properties = properties


class Correspondent:
    """Sends messages to a broker and reads what came, each time over a connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, queue: str, *posts: Post) -> None:
        """Publish, and have every message confirmed."""

        async def work(channel: Any) -> None:
            await channel.declare_queue(queue, durable=True)
            for post in posts:
                message = aio_pika.Message(post.body, delivery_mode=2, **post.properties)
                await channel.default_exchange.publish(message, queue)

        self._do(work)

    def listen(self, queue: str, exchange: str, routing_key: str = "#") -> None:
        """Have what is published at an exchange kept in a queue."""

        async def work(channel: Any) -> None:
            there = await channel.declare_exchange(exchange, "topic", durable=True)
            kept = await channel.declare_queue(queue, durable=True)
            await kept.bind(there, routing_key)

        self._do(work)

    def read(self, queue: str) -> list[Any]:
        """Take everything that waits in a queue."""
        found: list[Any] = []

        async def work(channel: Any) -> None:
            kept = await channel.declare_queue(queue, durable=True)
            while (message := await kept.get(fail=False)) is not None:
                await message.ack()
                found.append(message)

        self._do(work)
        return found

    def waiting(self, queue: str) -> int:
        """How many messages wait that nobody holds."""
        counts: list[int] = []

        async def work(channel: Any) -> None:
            kept = await channel.declare_queue(queue, durable=True)
            counts.append(kept.declaration_result.message_count)

        self._do(work)
        return counts[0]

    def _do(self, work: Callable[[Any], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with asyncio.timeout(30), await aio_pika.connect(self._url) as connection:
                await work(await connection.channel())

        asyncio.run(whole())
