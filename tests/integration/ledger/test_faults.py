"""What becomes of the ledger when things break: processes, databases, disks."""

import random
import resource
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from tests.support.gateway import Gateway
from tests.support.ledger import assert_sums, daily, stored
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.clock import SystemClock
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running
from headrace.store.journal.journal import Journal
from headrace.store.ledger.row import ContentRow

PATH = "/v1/chat/completions"
CLIENTS = 4
KEY = "hr-app"
HEADERS = {"authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


def settings(sim: ThreadedSim, data_dir: Path, **more: Any) -> dict[str, Any]:
    return {
        "providers": {"sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"}},
        "data_dir": str(data_dir),
        # One that is known without the store, which is away in some of these tests.
        "keys": [{"key": KEY, "name": "app", "tenant": "acme", "admin": True}],
        **more,
    }


def document(number: int, text: str = "", *, stream: bool = False) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"Question {number} {text}"}]
    return {"model": "sim/small", "messages": messages, "max_tokens": 5, "stream": stream}


def ask(gateway: Gateway, number: int, text: str = "") -> Response:
    return gateway.post(PATH, document(number, text), headers=HEADERS)


class Client(threading.Thread):
    """Asks until the gateway is gone; notes what it has read to the end.

    Args:
        url: of the gateway.
        seed: decides what it asks: misses, repeats and streams.
    """

    def __init__(self, url: str, seed: int) -> None:
        super().__init__()
        self.ids: list[str] = []
        self._url = url
        self._random = random.Random(seed)

    def run(self) -> None:
        try:
            with connect(self._url) as wire:
                while True:
                    number = self._random.randrange(30)
                    asked = document(number, stream=self._random.random() < 0.3)
                    wire.send(encode_request(PATH, asked, headers=HEADERS))
                    response = wire.response()
                    if not response.is_whole:
                        return
                    self.ids.append(response.headers["x-request-id"])
        except (OSError, AssertionError):
            return


def killed_at_random(tmp_path: Path, sim: ThreadedSim, rounds: int, **more: Any) -> None:
    data_dir, chance = tmp_path / "data", random.Random(rounds)
    finished: list[str] = []
    for number in range(rounds):
        gateway = Gateway(tmp_path / f"gateway-{number}", settings(sim, data_dir, **more))
        clients = [Client(gateway.url, number * CLIENTS + each) for each in range(CLIENTS)]
        for client in clients:
            client.start()
        eventually(lambda clients=clients: sum(len(each.ids) for each in clients) > 1)  # type: ignore[misc]
        clients[0].join(chance.uniform(0.0, 0.35))
        gateway.kill()
        for client in clients:
            client.join()
            finished += client.ids
    with Gateway(tmp_path / "last", settings(sim, data_dir)):
        eventually(lambda: set(finished) <= {row["id"] for row in stored(data_dir)}, 180.0)
        eventually(
            lambda: sum(day["calls"] for day in daily(data_dir)) == len(stored(data_dir)), 60.0
        )
    rows = stored(data_dir)
    assert len(finished) > rounds
    assert len({row["id"] for row in rows}) == len(rows)
    assert_sums(rows, daily(data_dir))


@pytest.mark.heavy
def test_no_finished_answer_is_without_its_row_when_the_gateway_is_killed(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    killed_at_random(tmp_path, sim, rounds=5)


@pytest.mark.heavy
def test_no_finished_answer_is_without_its_row_in_fifty_kills(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    killed_at_random(tmp_path, sim, rounds=50)


@pytest.mark.heavy
def test_a_database_that_is_away_is_waited_for(
    tmp_path: Path, sim: ThreadedSim, server: PostgresServer, own_url: str
) -> None:
    def ids() -> set[str]:
        with psycopg.connect(own_url) as connection:
            found = connection.execute("SELECT id FROM headrace_calls").fetchall()
            return {each[0] for each in found}

    with Gateway(tmp_path / "g", settings(sim, tmp_path / "d", store={"url": own_url})) as gateway:
        asked = [ask(gateway, number) for number in range(5)]
        eventually(lambda: "headrace_calls" in tables(own_url) and len(ids()) == 5)
        server.kill()
        asked += [ask(gateway, number) for number in range(25)]
        eventually(lambda: "ledger_store_away" in [each["event"] for each in gateway.events()])
        server.start()
        assert {each.status for each in asked} == {200}
        wanted = {each.headers["x-request-id"] for each in asked}
        eventually(lambda: ids() == wanted, timeout_s=90.0)
        counted = 'headrace_ledger_rows_total{outcome="stored"}'
        eventually(lambda: gateway.metrics()[counted] == 30)


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT relname FROM pg_class WHERE relkind = 'p'").fetchall()
        return {each[0] for each in found}


@pytest.mark.heavy
def test_a_database_that_cannot_be_opened_is_waited_for(tmp_path: Path, sim: ThreadedSim) -> None:
    data_dir = tmp_path / "data"
    in_the_way = data_dir / "records.sqlite3"
    in_the_way.mkdir(parents=True)
    with Gateway(tmp_path / "gateway", settings(sim, data_dir)) as gateway:
        assert ask(gateway, 1).status == 200
        eventually(lambda: "ledger_store_away" in [each["event"] for each in gateway.events()])
        in_the_way.rmdir()
        eventually(lambda: len(stored(data_dir)) == 1, timeout_s=60.0)


def test_a_disk_that_is_full_is_waited_for(tmp_path: Path, sim: ThreadedSim) -> None:
    data_dir = tmp_path / "data"
    # The log is limited too: of two that append to it, one might come between a line's halves.
    whole = settings(sim, data_dir, log={"format": "off"})
    with Gateway(tmp_path / "gateway", whole) as gateway:
        ask(gateway, 0)
        eventually(lambda: len(stored(data_dir)) == 1)
        pid = gateway.process.pid
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, most))
        assert {ask(gateway, number).status for number in range(100)} == {200}
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
        eventually(lambda: len(stored(data_dir)) == 101, timeout_s=60.0)
        assert_sums(stored(data_dir), daily(data_dir))


@pytest.mark.heavy
def test_a_full_journal_costs_rows_and_no_calls(tmp_path: Path, sim: ThreadedSim) -> None:
    ledger = {"journal_mb_max": 8, "content": True, "content_kb_max": 256}
    away = {"url": "postgresql://nobody@127.0.0.1:1/nothing"}
    whole = settings(sim, tmp_path / "data", ledger=ledger, store=away)
    with Gateway(tmp_path / "gateway", whole) as gateway:
        text = "water " * 33_000
        dropped = 'headrace_ledger_rows_total{outcome="dropped"}'
        for number in range(200):
            assert ask(gateway, number, text).status == 200
            if gateway.metrics().get(dropped, 0):
                break
        assert gateway.metrics().get(dropped, 0) > 0
        eventually(lambda: "ledger_row_lost" in [each["event"] for each in gateway.events()])
        held = sum(path.stat().st_size for path in (tmp_path / "data" / "ledger").iterdir())
        assert held <= 8 << 20


@pytest.mark.heavy
def test_a_journal_that_is_full_at_the_start_is_taken(tmp_path: Path, sim: ThreadedSim) -> None:
    data_dir = tmp_path / "data"
    journal = Journal(data_dir / "ledger", 8 << 20, SystemClock(), secrets.token_bytes)
    said = ContentRow("call-1", SystemClock().wall_s(), "acme", "x" * 250_000, "")
    while journal.append(msgspec.msgpack.encode(said)):
        pass
    journal.close()
    whole = settings(sim, data_dir, ledger={"journal_mb_max": 8})
    with Gateway(tmp_path / "gateway", whole) as gateway:

        def is_written_down() -> bool:
            return ask(gateway, 1).status == 200 and len(stored(data_dir)) > 0

        eventually(is_written_down, timeout_s=30.0)


def test_garbage_in_the_folder_is_passed_over(tmp_path: Path, sim: ThreadedSim) -> None:
    folder = tmp_path / "data" / "ledger"
    folder.mkdir(parents=True)
    (folder / "note.txt").write_bytes(b"not mine")
    (folder / "foreign.journal").write_bytes(random.Random(1).randbytes(10_000))
    (folder / "empty.journal").write_bytes(b"")
    with Gateway(tmp_path / "gateway", settings(sim, tmp_path / "data")) as gateway:
        ask(gateway, 1)
        eventually(lambda: len(stored(tmp_path / "data")) == 1)
        damaged = "ledger_journal_unreadable"
        eventually(lambda: [each["event"] for each in gateway.events()].count(damaged) == 2)
    assert (folder / "note.txt").exists()
    assert (folder / "foreign.unreadable").exists()
