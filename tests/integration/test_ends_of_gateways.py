"""Gateways that are told to end, or killed, while they begin or end: nothing is left behind."""

import contextlib
import json
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
from tests.support import headrace_process
from tests.support.gateway import Gateway
from tests.support.hearing import hears
from tests.support.house import free_port
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually
from tests.support.wire import connect, encode_request

from headrace.sim.thread import ThreadedSim

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
END_S: Final = 60.0


class Start:
    """A gateway of which nobody waits until it listens.

    Args:
        folder: of its own.
        temporary: a place of its own for what is temporary, by a path that is short enough for a
            socket: what is left there is its own.
        settings: besides a port that is free.
    """

    def __init__(self, folder: Path, temporary: Path, sim: ThreadedSim, **settings: Any) -> None:
        self.port = free_port()
        self.folder = folder
        self.log = folder / "headrace.log"
        self.stderr = folder / "stderr.txt"
        listen = {"port": self.port, **settings.pop("listen", {})}
        whole = {
            "providers": {"sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"}},
            "data_dir": str(folder / "data"),
            "log": {"format": "json", "file": str(self.log)},
            "listen": listen,
            **settings,
        }
        config = folder / "headrace.yaml"
        config.write_text(json.dumps(whole))
        self.temporary = temporary
        with self.stderr.open("wb") as stderr:
            self.process = headrace_process.start(
                *("serve", "--config", str(config)),
                environment={**os.environ, "TMPDIR": str(self.temporary)},
                folder=folder,
                stderr=stderr,
            )

    @property
    def children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def assert_ends(self, family: list[psutil.Process]) -> None:
        """It ends well, and so do those that were of it."""
        assert self.process.wait(END_S) == 0, self.stderr.read_text()
        assert "Traceback" not in self.stderr.read_text()
        assert '"bug"' not in (self.log.read_text() if self.log.exists() else "")
        self.assert_nothing_left(family)

    def assert_nothing_left(self, family: list[psutil.Process]) -> None:
        assert psutil.wait_procs(family, END_S)[1] == []
        eventually(lambda: not any(self.temporary.iterdir()))
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", self.port)) != 0


@pytest.fixture
def starts(tmp_path: Path) -> Iterator[Any]:
    begun: list[Start] = []

    def start(sim: ThreadedSim, **settings: Any) -> Start:
        folder = tmp_path / str(len(begun))
        folder.mkdir()
        temporary = Path(places.enter_context(tempfile.TemporaryDirectory()))
        begun.append(Start(folder, temporary, sim, **settings))
        return begun[-1]

    with contextlib.ExitStack() as places:
        yield start
        for each in begun:
            family = each.children
            each.process.kill()
            for child in family:
                if child.is_running():
                    child.kill()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", SIGNALS)
def test_who_is_told_to_end_as_soon_as_it_hears_leaves_nothing(
    starts: Any, sim: ThreadedSim, workers: int, number: signal.Signals
) -> None:
    start = starts(sim, listen={"workers": workers})
    eventually(lambda: hears(start.process.pid))
    family = start.children
    start.process.send_signal(number)
    start.assert_ends(family)


@pytest.mark.heavy
@pytest.mark.parametrize("workers", [1, 2])
def test_who_is_told_to_end_while_the_database_does_not_answer_does(
    starts: Any, sim: ThreadedSim, server: PostgresServer, own_url: str, workers: int
) -> None:
    server.freeze()
    start = starts(
        sim,
        listen={"workers": workers},
        store={"url": own_url},
        keys=[{"key": "k", "tenant": "t"}],
        budgets=[{"tenant": "t", "day_usd": 1}],
    )
    eventually(lambda: hears(start.process.pid))
    family = start.children
    start.process.send_signal(signal.SIGTERM)
    start.assert_ends(family)


@pytest.mark.heavy
def test_who_is_told_to_end_while_the_database_has_stopped_answering_does(
    sim: ThreadedSim, server: PostgresServer, own_url: str, tmp_path: Path
) -> None:
    told = {
        "providers": {"sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"}},
        "store": {"url": own_url},
        "spend": {"enabled": True},
    }
    gateway = Gateway(tmp_path / "g", told)
    try:
        document = {"model": "sim/m", "messages": [{"role": "user", "content": "?"}]}
        # By then it has seen that the store has no keys.
        eventually(lambda: gateway.post("/v1/chat/completions", document).status == 200)
        server.freeze()
        gateway.stop()
    finally:
        gateway.kill()


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_whose_supervisor_is_killed_while_they_end_do_so(
    starts: Any, sim: ThreadedSim, number: signal.Signals
) -> None:
    slow = {"headers": {"x-sim-ttft-ms": "60000"}}
    provider = {"dialect": "openai", "base_url": f"{sim.url}/v1", **slow}
    start = starts(sim, listen={"workers": 2, "drain_timeout_s": 3}, providers={"sim": provider})
    eventually(lambda: start.log.exists() and start.log.read_text().count('"listening"') >= 2)
    family = start.children
    with connect(f"http://127.0.0.1:{start.port}") as wire:
        document = {"model": "sim/m", "messages": [{"role": "user", "content": "?"}]}
        wire.send(encode_request("/v1/chat/completions", document))
        eventually(lambda: sim.stats().requests_total)
        start.process.send_signal(signal.SIGTERM)
        start.process.send_signal(number)
        assert start.process.wait(END_S) in (0, -signal.SIGKILL)
        assert psutil.wait_procs(family, END_S)[1] == []
