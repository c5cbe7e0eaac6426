"""The demo as somebody sees it who has just cloned the repository."""

import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console
from tests.support.hangup import HEARS

from headrace.cli.demo import _Demo
from headrace.cli.demo_http import Reply
from headrace.cli.demo_phases import Phase, Tally, chat

DEMO = (sys.executable, "-m", "headrace.cli.main", "demo")
PASSED_ON = ("PATH", "PYTHONPATH", "HOME", "TMPDIR")
KEPT = {name: value for name, value in os.environ.items() if name in PASSED_ON}
TIMEOUT_S = 60


@contextlib.contextmanager
def demo(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A running demo; if it still runs in the end, so do not its children."""
    with subprocess.Popen(
        (*HEARS, *DEMO, *arguments),
        env=KEPT | {"PYTHONUNBUFFERED": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        watchdog = threading.Timer(TIMEOUT_S, process.kill)
        watchdog.start()
        family = [psutil.Process(process.pid)]
        try:
            yield process
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                family += family[0].children(recursive=True)
            for member in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
            watchdog.cancel()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    shown = ""
    for line in process.stdout:
        shown += line
        if words in line:
            return shown
    raise AssertionError(f"ended before it said {words!r}:\n{shown}")


def children(process: subprocess.Popen[str]) -> dict[str, psutil.Process]:
    """The simulator and the gateway of a demo that shows its workload."""
    found = psutil.Process(process.pid).children()
    return {("gateway" if "serve" in child.cmdline() else "sim"): child for child in found}


def rest(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.read()


@pytest.mark.heavy
def test_once_shows_the_workload_and_what_it_saved() -> None:
    done = subprocess.run(
        (*DEMO, "--once"), env=KEPT, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "…" not in done.stdout
    (crowd,) = re.findall(r"\+ 50 identical at once +50 +(\d+) +(\S+) +(\S+)", done.stdout)
    assert crowd == ("1", "-", "49")
    assert re.search(r"Calls to the provider +980 +22 ", done.stdout)
    assert re.search(r"from memory \(l1\) +\d+ .* \$\d", done.stdout)
    assert re.search(r"joined a call +\d+ ", done.stdout)
    assert re.search(r"less the cache's own calls +0 +\$0\.0000", done.stdout)
    assert re.search(r" net +958 ", done.stdout)
    assert "agree on this" in done.stdout
    assert "Stage budgets" in done.stdout
    assert "Ctrl-C" not in done.stdout


@pytest.mark.heavy
def test_stays_up_says_how_to_go_on_and_ctrl_c_ends_all_of_it() -> None:
    with demo() as process:
        shown = read_until(process, "Ctrl-C ends it")
        base_url = re.findall(r"It stays up at (http://127\.0\.0\.1:\d+/v1)", shown)[0]
        url, body = re.findall(r"curl -i (\S+) -d '(.*)'", shown)[0]
        assert url.startswith(base_url)
        for cache in ("miss", "l1"):
            with urllib.request.urlopen(url, body.encode(), timeout=TIMEOUT_S) as answer:
                assert answer.headers["x-headrace-cache"] == cache
                assert json.load(answer)["choices"][0]["finish_reason"] == "stop"
        family = children(process)
        assert sorted(family) == ["gateway", "sim"]
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
        assert "Stopped." in rest(process)
        assert psutil.wait_procs(family.values(), TIMEOUT_S)[1] == []


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_ends_all_of_it(number: signal.Signals) -> None:
    with demo() as process:
        read_until(process, "Headrace between")
        family = children(process)
        assert len(family) == 2
        process.send_signal(number)
        assert process.wait(TIMEOUT_S) == 130
        assert "Traceback" not in rest(process)
        assert psutil.wait_procs(family.values(), TIMEOUT_S)[1] == []


@pytest.mark.parametrize(
    ("victim", "name"),
    [("gateway", "gateway"), pytest.param("sim", "simulator", marks=pytest.mark.heavy)],
)
def test_a_child_that_dies_is_told_with_its_last_words(victim: str, name: str) -> None:
    with demo("--once") as process:
        read_until(process, "Headrace between")
        family = children(process)
        family[victim].kill()
        assert process.wait(TIMEOUT_S) == 1
        shown = rest(process)
        assert f"headrace: the {name} ended with status -9; it said last:" in shown
        assert "listening" in shown
        assert "Traceback" not in shown
        assert psutil.wait_procs(family.values(), TIMEOUT_S)[1] == []


@pytest.mark.heavy
def test_what_a_killed_one_left_is_swept_by_the_next(tmp_path: Path) -> None:
    temporary = {"TMPDIR": str(tmp_path)}
    with demo(**temporary) as process:
        read_until(process, "Headrace between")
        family = children(process)
        process.kill()
        process.wait()
        assert psutil.wait_procs(family.values(), TIMEOUT_S)[1] == []
    [left] = tmp_path.iterdir()
    with demo(**temporary) as process:
        read_until(process, "Headrace between")
        [own] = tmp_path.iterdir()
        assert own != left
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 130
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            (*DEMO, "--port", port), env=KEPT, capture_output=True, text=True, timeout=TIMEOUT_S
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"headrace: port {port} cannot be had: Address already in use;")


def test_a_workload_that_does_not_behave_is_a_failure() -> None:
    ask = chat("gpt-4o", "?")
    tally = Tally(Phase(name="50 at once", asks=(ask,), upstream=1))
    body = b'{"usage":{"prompt_tokens":1,"completion_tokens":1}}'
    tally.count(ask, Reply(200, {"x-headrace-cache": "miss"}, body, (0.1,), 0.1))
    tally.upstream = 2
    shown = io.StringIO()
    assert _Demo(Console(width=120, file=shown), once=True)._tell("", [tally]) is False
    assert "50 at once: the provider saw 2 calls where 1 should be needed" in shown.getvalue()
