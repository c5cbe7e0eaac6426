"""`headrace cache warm` as an operator runs it: a process of its own before a real gateway."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import headrace_process
from tests.support.gateway import ROOT, Gateway
from tests.support.house import free_port
from tests.support.provider import scripted, sized
from tests.support.waiting import eventually
from tests.support.wire import Response

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

KEY = "hr-key-of-the-app"
COMMAND = (sys.executable, "-m", "headrace.cli.main", "cache", "warm")
TIMEOUT_S = 60.0


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


def settings(sim: ThreadedSim) -> dict[str, Any]:
    return {
        "providers": {
            "p": {"dialect": "openai", "base_url": f"{sim.url}/v1"},
            "a": {"dialect": "anthropic", "base_url": sim.url},
        },
        "models": {
            "m": {"targets": ["p/m"], "price": {"input": 1000, "output": 1000}},
            "free": {"targets": ["p/free"]},
            "claude": {"targets": ["a/claude-sim"]},
        },
        "keys": [{"key": KEY, "tenant": "app"}],
    }


@pytest.fixture
def gateway(sim: ThreadedSim, tmp_path: Path) -> Iterator[Gateway]:
    with Gateway(tmp_path / "gateway", settings(sim)) as served:
        yield served


def environment(key: str | None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given = {} if key is None else {"HEADRACE_KEY": key}
    return {**kept, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "120", **given}


def write(folder: Path, *lines: dict[str, Any]) -> Path:
    file = folder / "prompts.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def warm(
    *arguments: str | Path, url: str, key: str | None = KEY, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return command(*map(str, arguments), "--url", url, key=key, stdin=stdin)


def command(
    *arguments: str, key: str | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return headrace_process.run(
        *("cache", "warm"),
        *arguments,
        environment=environment(key),
        stdin=stdin.encode(),
        timeout_s=TIMEOUT_S,
    )


def rows(done: "subprocess.CompletedProcess[str]") -> dict[str, str]:
    """The summary: what stands left, and what stands right."""
    parts = (line.strip().rpartition("   ") for line in done.stdout.splitlines())
    return {left.strip(): right.strip() for left, _, right in parts if left}


def ask(gateway: Gateway, question: str, model: str = "m") -> Response:
    document = {"model": model, "messages": [{"role": "user", "content": question}]}
    headers = {"authorization": f"Bearer {KEY}"}
    return gateway.post("/v1/chat/completions", document, headers=headers)


def calls(sim: ThreadedSim) -> int:
    return sum(sum(models.values()) for models in sim.stats().requests.values())


def test_callers_find_what_was_warmed_and_running_again_asks_nothing(
    gateway: Gateway, sim: ThreadedSim, tmp_path: Path
):
    whole = {"model": "m", "messages": [{"role": "user", "content": "three"}], "stream": True}
    file = write(tmp_path, {"prompt": "one", "model": "m"}, {"prompt": "two", "model": "m"}, whole)
    done = warm(file, url=gateway.url)
    assert (done.returncode, done.stderr) == (0, "")
    summary = rows(done)
    assert summary["asked, and stored now"] == "3"
    lines = [ask(gateway, each) for each in ("one", "two", "three")]
    assert [line.cache for line in lines] == ["l1"] * 3
    used = [line.json()["usage"] for line in lines]
    tokens = [sum(each[f"{kind}_tokens"] for each in used) for kind in ("prompt", "completion")]
    assert summary["tokens"] == f"{tokens[0]:,} in, {tokens[1]:,} out"
    assert summary["cost"] == f"${sum(tokens) * 0.001:,.6f}"
    again = warm(file, url=gateway.url)
    assert again.returncode == 0
    assert (rows(again)["already there"], rows(again)["cost"]) == ("3", "$0.000000")
    assert calls(sim) == 3


def test_a_dry_run_asks_nothing(gateway: Gateway, sim: ThreadedSim, tmp_path: Path):
    ask(gateway, "one")
    file = write(tmp_path, {"prompt": "one", "model": "m"}, {"prompt": "two", "model": "m"})
    done = warm(file, "--dry-run", url=gateway.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert rows(done) == {"already there": "1", "would be asked": "1"}
    assert calls(sim) == 1


def test_the_dialect_is_the_one_of_the_model(gateway: Gateway, sim: ThreadedSim, tmp_path: Path):
    messages = [{"role": "user", "content": "hi"}]
    file = write(tmp_path, {"prompt": "hi", "model": "claude"}, {"model": "e", "input": "a"})
    done = warm(file, url=gateway.url)
    assert done.returncode == 1  # nobody serves model e
    assert "line 2: 404 model_not_found: No model 'e'" in done.stdout
    document = {"model": "claude", "messages": messages, "max_tokens": 4096}
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    assert gateway.post("/v1/messages", document, headers=headers).cache == "l1"


def test_tags_and_times_are_passed_on(gateway: Gateway, tmp_path: Path):
    lines = [{"prompt": "one", "model": "m", "tags": ["docs"], "ttl_s": 1000}]
    assert warm(write(tmp_path, *lines), url=gateway.url).returncode == 0
    again = warm("-", url=gateway.url, stdin=json.dumps(lines[0]))
    assert rows(again)["already there"] == "1"
    [headers] = eventually(lambda: [line for line in gateway.requests() if line["cache"] == "miss"])
    assert headers["tenant"] == "app"


def test_what_fails_is_told_by_reason_and_the_rest_is_asked(
    gateway: Gateway, sim: ThreadedSim, tmp_path: Path
):
    sim.script(Fault(kind=FaultKind.STATUS, status=429, model="free", times=None))
    cut = {"model": "m", "messages": [{"role": "user", "content": "long"}], "max_tokens": 1}
    lines = [{"prompt": each, "model": "free"} for each in "abc"]
    file = write(tmp_path, {"prompt": "one", "model": "m"}, *lines, cut)
    done = warm(file, url=gateway.url)
    assert (done.returncode, done.stderr) == (1, "")
    summary = rows(done)
    assert (summary["failed"], summary["asked, but not stored"]) == ("3", "1")
    assert summary["asked, and stored now"] == "1"
    assert "lines 2, 3, 4: 429 " in done.stdout
    assert "line 5: the answer is not stored: truncated" in done.stdout


def test_a_price_that_is_not_known_is_told(gateway: Gateway, tmp_path: Path):
    done = warm(write(tmp_path, {"prompt": "one", "model": "free"}), url=gateway.url)
    assert rows(done)["cost"] == "$0.000000, and 1 of unknown price"


def test_a_key_that_is_not_known_ends_it_at_once(
    gateway: Gateway, sim: ThreadedSim, tmp_path: Path
):
    file = write(tmp_path, *({"prompt": f"{n}", "model": "m"} for n in range(50)))
    done = warm(file, "--concurrency", "1", url=gateway.url, key="hr-wrong")
    assert done.returncode == 1
    assert (rows(done)["failed"], rows(done)["not tried"]) == ("1", "49")
    assert "401 invalid_api_key" in done.stdout
    assert "hr-wrong" not in done.stdout + done.stderr
    assert calls(sim) == 0


def test_a_bad_file_is_told_line_by_line_and_nothing_is_sent(
    gateway: Gateway, sim: ThreadedSim, tmp_path: Path
):
    file = write(tmp_path, {"prompt": "one", "model": "m"}, {"prompt": "two"}, {"model": "m"})
    done = warm(file, url=gateway.url)
    assert (done.returncode, done.stdout) == (1, "")
    told = done.stderr.splitlines()
    assert told[0].startswith(f"{file}:2: `model` is missing")
    assert told[1].startswith(f"{file}:3: A line holds a whole request")
    assert calls(sim) == 0


def test_a_file_that_is_not_there_is_told(gateway: Gateway, tmp_path: Path):
    done = warm(tmp_path / "nowhere.jsonl", url=gateway.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "No such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_gateway_that_is_not_there_is_told(tmp_path: Path):
    file = write(tmp_path, {"prompt": "one", "model": "m"})
    done = warm(file, url=f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("No gateway answers at http://127.0.0.1:")
    assert "Connection refused. Start one with `headrace serve`" in done.stderr


def test_a_stranger_is_sent_nothing(tmp_path: Path):
    file = write(tmp_path, {"prompt": "one", "model": "m"})
    with scripted() as stranger:
        stranger.answers = [sized(b"{}", "404 Not Found")]
        done = warm(file, url=stranger.url)
        assert (done.returncode, done.stdout) == (1, "")
        assert "is not a Headrace gateway" in done.stderr
        assert [KEY.encode() in head for head in stranger.heads] == [False]
        assert stranger.bodies == [b""]


def test_a_gateway_that_goes_away_ends_it(sim: ThreadedSim, tmp_path: Path):
    gateway = Gateway(tmp_path / "gateway", settings(sim))
    sim.script(Fault(kind=FaultKind.STALL_BEFORE, times=None))
    file = write(tmp_path, *({"prompt": f"{n}", "model": "m"} for n in range(20)))
    with started(file, gateway.url, "--concurrency", "2") as process:
        try:
            eventually(lambda: sim.stats().inflight == 2)
        finally:
            gateway.kill()
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, err) == (1, "")
    # Or reset, where the last to connect met a gateway that was ending.
    ended = r"^lines? [\d, ]+: Connection (refused|reset by peer)$"
    assert re.search(ended, out, re.MULTILINE), out
    assert "not tried" in out


def test_ctrl_c_ends_it_with_the_summary_so_far(gateway: Gateway, sim: ThreadedSim, tmp_path: Path):
    sim.script(Fault(kind=FaultKind.STALL_BEFORE, model="free", times=None))
    lines = [{"prompt": "one", "model": "m"}, *({"prompt": f"{n}", "model": "free"} for n in "abc")]
    file = write(tmp_path, *lines)
    with started(file, gateway.url, "--concurrency", "2") as process:
        eventually(lambda: sim.stats().inflight == 2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert err == "Interrupted; run it again to go on.\n"
    summary = rows(subprocess.CompletedProcess((), 130, out, err))
    assert (summary["asked, and stored now"], summary["not tried"]) == ("1", "3")
    # The calls that it waited for are given up at the provider too.
    eventually(lambda: sim.stats().inflight == 0)


@contextlib.contextmanager
def started(file: Path, url: str, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """The command under way; it is gone when the context closes."""
    with subprocess.Popen(
        # A shell's background jobs ignore the interrupt, and so would what they start.
        ("env", "--default-signal=INT", *COMMAND, str(file), "--url", url, *arguments),
        env=environment(KEY),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--url", "ftp://h"),
        ("--url", "127.0.0.1:8080"),
        ("--url", "http://h:port"),
        ("--concurrency", "0"),
        ("--key", "no key"),
    ],
)
def test_wrong_usage_exits_2(tmp_path: Path, arguments: tuple[str, ...]):
    file = write(tmp_path, {"prompt": "one", "model": "m"})
    done = command(str(file), *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_base_url_of_an_sdk_will_do(gateway: Gateway, tmp_path: Path):
    file = write(tmp_path, {"prompt": "one", "model": "m"})
    assert warm(file, url=f"{gateway.url}/v1").returncode == 0


def test_help_teaches():
    done = command("--help")
    assert done.returncode == 0
    words = ("--dry-run", "--concurrency", "HEADRACE_KEY", "Ctrl-C", '"prompt"', "docs/cache.md")
    assert [word for word in words if word not in done.stdout] == []
