"""Several workers on one port under a supervisor, with real processes and real kills."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.gateway import ROOT, Gateway
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

WORKERS = 2
TIMEOUT_S = 60.0
# Enough connections that a listener the kernel gives its share to is among them.
MANY = 40
ADMIN_KEY = "hr-operator"
COUNTER = re.compile(r"_(total|bucket|count|sum)(\{|$)")
CHATS = re.compile(r'^headrace_requests_total\{route="chat",')


def settings(sim: ThreadedSim, **more: Any) -> dict[str, Any]:
    listen = {"workers": WORKERS, **more.pop("listen", {})}
    slow = {"x-sim-ttft-ms": "1500"}
    providers = {
        "sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"},
        "slow": {"dialect": "openai", "base_url": f"{sim.url}/v1", "headers": slow},
    }
    return {"listen": listen, "providers": providers, **more}


def keys(*application_keys: str) -> list[dict[str, Any]]:
    return [
        {"key": ADMIN_KEY, "tenant": "operations", "admin": True},
        *({"key": key, "tenant": key} for key in application_keys),
    ]


@pytest.fixture(scope="module")
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions(seed=9)) as server:
        yield server


@pytest.fixture
def gateway(sim: ThreadedSim, tmp_path: Path) -> Iterator[Gateway]:
    with Gateway(tmp_path / "gateway", settings(sim)) as served:
        yield served
        if served.process.poll() is None:
            assert_nothing_left(served)


def family(gateway: Gateway) -> list[psutil.Process]:
    """The workers, without the server that they share answers by."""
    children = psutil.Process(gateway.process.pid).children(recursive=True)
    return [child for child in children if not child.name().startswith("valkey")]


def assert_nothing_left(gateway: Gateway) -> None:
    """SIGTERM to the supervisor ends all its workers too."""
    workers = family(gateway)
    gateway.stop()
    assert psutil.wait_procs(workers, TIMEOUT_S)[1] == []


def chat(gateway: Gateway, question: str = "?", *, model: str = "sim/m", key: str = "") -> Response:
    document = {"model": model, "messages": [{"role": "user", "content": question}]}
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return gateway.post("/v1/chat/completions", document, headers=headers)


def worker_of(response: Response) -> int:
    """Which worker answered: its number stands before the eight digits of its own run."""
    tag = response.headers["x-request-id"].partition("-")[0]
    return int(tag[:-8], 16)


def pids(gateway: Gateway) -> dict[int, int]:
    """The process of each worker, as they say themselves over many connections."""
    found: dict[int, int] = {}

    def all_found() -> bool:
        status = gateway.status()
        found[status["worker"]] = status["pid"]
        return len(found) == WORKERS

    eventually(all_found, TIMEOUT_S)
    return found


def kill_workers(*victims: int) -> None:
    """Kill them all at once, and wait until nothing of them takes connections any more."""
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    # A zombie is not enough: threads of it may still hold its sockets until it is reaped.
    eventually(lambda: not any(map(psutil.pid_exists, victims)), TIMEOUT_S)


def said(gateway: Gateway, event: str) -> list[dict[str, Any]]:
    """What the log says of an event, by whichever process."""
    return [line for line in gateway.events() if line["event"] == event]


def counters(samples: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in samples.items() if COUNTER.search(name)}


def chats(samples: Mapping[str, float]) -> float:
    return sum(value for name, value in samples.items() if CHATS.match(name))


def refused_start(folder: Path, document: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    """A gateway that must not start."""
    path = folder / "headrace.yaml"
    path.write_text(json.dumps(document))
    return subprocess.run(
        (sys.executable, "-m", "headrace.cli.main", "serve", "--config", path),
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def test_every_worker_answers(gateway: Gateway) -> None:
    seen: set[int] = set()

    def all_seen() -> bool:
        response = chat(gateway, f"who? {len(seen)}")
        assert response.status == 200
        seen.add(worker_of(response))
        return len(seen) == WORKERS

    eventually(all_seen, TIMEOUT_S)
    assert seen == set(range(WORKERS))
    found = pids(gateway)
    assert set(found.values()) == {process.pid for process in family(gateway)}
    ids = [chat(gateway).headers["x-request-id"] for _ in range(MANY)]
    assert len(set(ids)) == MANY


def test_a_killed_worker_is_replaced_and_requests_go_on(gateway: Gateway) -> None:
    before = pids(gateway)
    kill_workers(before[0])
    assert [chat(gateway).status for _ in range(MANY)] == [200] * MANY
    eventually(lambda: pids(gateway)[0] != before[0] or None, TIMEOUT_S)
    after = pids(gateway)
    assert after[1] == before[1]
    [ended] = said(gateway, "worker_ended")
    assert (ended["worker"], ended["pid"], ended["exit_code"]) == (0, before[0], -9)
    assert ended["level"] == "warning"
    assert gateway.stderr == ""  # it stands in the log, as what workers say
    assert [chat(gateway).status for _ in range(MANY)] == [200] * MANY


@pytest.mark.heavy
def test_all_workers_killed_at_once_come_back(gateway: Gateway) -> None:
    before = pids(gateway)
    kill_workers(*before.values())

    def all_new() -> bool:
        try:
            return not set(pids(gateway).values()) & set(before.values())
        except OSError:
            return False  # nobody listens for a moment

    eventually(all_new, TIMEOUT_S)
    assert chat(gateway).status == 200


def test_metrics_are_those_of_all_workers_and_outlive_them(gateway: Gateway) -> None:
    sent = 0
    while sent < MANY:
        assert chat(gateway, f"number {sent % 7}").status == 200
        sent += 1
    # The worker that is asked knows of the others what they put down within the last second.
    eventually(lambda: chats(gateway.metrics()) == sent, TIMEOUT_S)
    before = gateway.metrics()
    assert before["headrace_workers"] == WORKERS
    kill_workers(pids(gateway)[1])
    after = gateway.metrics()
    assert {name for name, value in counters(before).items() if after[name] < value} == set()
    eventually(lambda: gateway.metrics()["headrace_workers"] == WORKERS, TIMEOUT_S)
    seen: set[int] = set()
    while len(seen) < WORKERS:
        seen.add(worker_of(chat(gateway, "again")))
        sent += 1
    # Whichever worker is asked says the same.
    eventually(lambda: {chats(gateway.metrics()) for _ in range(4 * WORKERS)} == {sent}, TIMEOUT_S)
    last = gateway.metrics()
    assert {name for name, value in counters(after).items() if last[name] < value} == set()


def test_reload_reaches_every_worker_and_those_to_come(sim: ThreadedSim, tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    old = settings(sim, keys=keys("old"))
    with Gateway(folder, old, admin_key=ADMIN_KEY) as gateway:
        assert chat(gateway, key="old").status == 200
        assert chat(gateway, key="new").status == 401
        gateway.write_settings(settings(sim, keys=keys("new")))
        gateway.signal(signal.SIGHUP)
        eventually(lambda: len(gateway.reloads()) == WORKERS, TIMEOUT_S)
        assert {event["event"] for event in gateway.reloads()} == {"reloaded"}
        assert {chat(gateway, key="new").status for _ in range(MANY)} == {200}
        assert {chat(gateway, key="old").status for _ in range(MANY)} == {401}
        first = pids(gateway)[0]
        kill_workers(first)
        eventually(lambda: pids(gateway)[0] != first or None, TIMEOUT_S)
        assert {chat(gateway, key="new").status for _ in range(MANY)} == {200}
        assert_nothing_left(gateway)


@pytest.mark.heavy
def test_a_reload_while_workers_start_is_not_lost_and_ends_none(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    with Gateway(tmp_path / "gateway", settings(sim, keys=keys("old")), admin_key=ADMIN_KEY) as it:
        before = pids(it)
        it.write_settings(settings(sim, keys=keys("new")))
        kill_workers(*before.values())
        # Their successors are forked within a moment, and take far longer to start.
        eventually(lambda: len(family(it)) == WORKERS, TIMEOUT_S)
        it.signal(signal.SIGHUP)
        eventually(lambda: len(it.reloads()) == WORKERS, TIMEOUT_S)
        # Signals are heeded from before a worker listens.
        heeding = {each["pid"] for each in it.reloads()}
        eventually(lambda: heeding <= {each["pid"] for each in said(it, "listening")}, TIMEOUT_S)
        assert {chat(it, key="new").status for _ in range(MANY)} == {200}
        assert len(said(it, "worker_ended")) == WORKERS
        assert_nothing_left(it)


def test_a_reload_that_cannot_be_read_changes_nothing(gateway: Gateway) -> None:
    before = pids(gateway)
    gateway.config_file.write_text("providers: {a: {dialect: openia}}\n")
    gateway.signal(signal.SIGHUP)
    [refused] = eventually(lambda: said(gateway, "reload_refused"), TIMEOUT_S)
    assert "did you mean openai?" in refused["detail"]
    assert {chat(gateway).status for _ in range(MANY)} == {200}
    assert pids(gateway) == before


def test_sigterm_finishes_what_runs(gateway: Gateway, sim: ThreadedSim) -> None:
    workers = family(gateway)
    document = {"model": "slow/m", "messages": [{"role": "user", "content": "slowly"}]}
    with connect(gateway.url) as wire:
        wire.send(encode_request("/v1/chat/completions", document))
        eventually(lambda: sim.stats().inflight == 1, TIMEOUT_S)
        gateway.signal(signal.SIGTERM)
        response = wire.response()
        assert response.status == 200
        assert response.json()["choices"]
        assert wire.is_ended
    assert gateway.wait_for_exit() == 0
    assert psutil.wait_procs(workers, TIMEOUT_S)[1] == []
    assert said(gateway, "worker_ended") == []


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_sent_to_the_whole_group_finishes_what_runs(
    gateway: Gateway, sim: ThreadedSim, number: signal.Signals
) -> None:
    workers = family(gateway)
    document = {"model": "slow/m", "messages": [{"role": "user", "content": number.name}]}
    with connect(gateway.url) as wire:
        wire.send(encode_request("/v1/chat/completions", document))
        eventually(lambda: sim.stats().inflight == 1, TIMEOUT_S)
        for worker in workers:
            os.kill(worker.pid, number)
        gateway.signal(number)
        assert wire.response().status == 200
    assert gateway.wait_for_exit() == 0
    assert psutil.wait_procs(workers, TIMEOUT_S)[1] == []


@pytest.mark.heavy
def test_sigint_ends_all_as_sigterm_does(gateway: Gateway) -> None:
    workers = family(gateway)
    assert len(workers) == WORKERS
    gateway.signal(signal.SIGINT)
    assert gateway.wait_for_exit() == 0
    assert psutil.wait_procs(workers, TIMEOUT_S)[1] == []


@pytest.mark.heavy
def test_workers_do_not_outlive_their_supervisor(sim: ThreadedSim, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "gateway", settings(sim))
    workers = family(gateway)
    assert len(workers) == WORKERS
    gateway.kill()
    try:
        assert psutil.wait_procs(workers, TIMEOUT_S)[1] == []
    finally:
        for worker in (each for each in workers if each.is_running()):
            worker.kill()
    assert gateway.bugs() == []


@pytest.mark.heavy
def test_a_port_that_is_taken_is_told_before_anything_starts(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = refused_start(tmp_path, settings(sim, listen={"port": port}))
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "listening" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.heavy
def test_a_second_supervisor_on_the_port_refuses(
    gateway: Gateway, sim: ThreadedSim, tmp_path: Path
) -> None:
    pids(gateway)
    port = int(gateway.url.rpartition(":")[2])
    done = refused_start(tmp_path, settings(sim, listen={"port": port}))
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert {chat(gateway).status for _ in range(MANY)} == {200}


@pytest.mark.heavy
def test_an_authority_that_cannot_be_read_is_refused_for_workers_to_come_too(
    gateway: Gateway, sim: ThreadedSim, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("no certificate")
    broken = settings(sim)
    url = "https://127.0.0.1:9"
    broken["providers"]["tls"] = {"dialect": "openai", "base_url": url, "ca_file": str(ca_file)}
    victim = pids(gateway)[0]
    gateway.write_settings(broken)
    gateway.signal(signal.SIGHUP)
    [refused] = eventually(lambda: said(gateway, "reload_refused"), TIMEOUT_S)
    assert "providers.tls.ca_file: no certificate" in refused["detail"]
    kill_workers(victim)
    eventually(lambda: pids(gateway)[0] != victim, TIMEOUT_S)
    assert chat(gateway).status == 200


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("content", "told"),
    [("no certificate", "listen.tls cannot be used"), (None, "listen.tls.cert: no such file")],
)
def test_a_certificate_that_cannot_be_used_is_told_and_nothing_runs(
    sim: ThreadedSim, tmp_path: Path, content: str | None, told: str
) -> None:
    path = tmp_path / "cert.pem"
    if content is not None:
        path.write_text(content)
    tls = {"cert": str(path), "key": str(path)}
    done = refused_start(tmp_path, settings(sim, listen={"port": 0, "tls": tls}))
    assert done.returncode != 0
    assert told in done.stderr
    assert "worker_ended" not in done.stderr
    assert "Traceback" not in done.stderr
