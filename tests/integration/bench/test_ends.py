"""`headrace bench compare`, `bench gate` and `headrace showcase` end before their end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
from tests.support import headrace_process
from tests.support.raw_server import RawServer, answering
from tests.support.trials import words
from tests.support.waiting import eventually

from headrace.bench.trials import nginx

# Trials take minutes where others want the processor, too.
pytestmark = pytest.mark.timeout(900)

BODY = b'{"choices": [{"message": {"content": "ok"}}]}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
PLAN = """\
name: small
lag_share: 1000
workload: {mix: {chat: 1, stream: 0, embeddings: 0}}
phases:
  - {name: load, kind: load, seconds: SECONDS, users: 2, arrivals: {kind: closed, think_s: 0.01}}
"""
BUDGETS = """\
name: small
blocks: 4
plan: PLAN
budgets:
  - {name: cpu, metric: cpu_us_per_request, at_most: {nginx: 1000000, loop: 1000000}}
  - {name: overhead, metric: p50_overhead_ms, at_most: {loop: 1000000}}
"""
# Chance chooses who begins, and whoever is waited for has its turn in time.
LONG: Final = 3.0
SHORT: Final = 0.3


def command(name: str, folder: Path, seconds: float, blocks: int) -> tuple[str, ...]:
    """A command that leaves `out`; its trials take so many seconds."""
    plan, budgets, out = folder / "plan.yaml", folder / "budgets.yaml", str(folder / "out")
    plan.write_text(PLAN.replace("SECONDS", str(seconds)))
    budgets.write_text(BUDGETS.replace("PLAN", str(plan)))
    if name == "compare":
        told = (".", ".", "--plan", str(plan), "--blocks", str(blocks), "--out", out)
        return ("bench", "compare", *told)
    if name == "gate":
        told = ("--budgets", str(budgets), "--blocks", str(blocks), "--history", out)
        return ("bench", "gate", *told)
    return ("showcase", "--quick", "--blocks", str(blocks), "--out", out)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Any]:
    """A command whose temporary files are in a folder of its own; what it says is in `said`."""
    (folder / "tmp").mkdir(exist_ok=True)
    with (folder / "said").open("wb") as said:
        process = headrace_process.start(
            *arguments,
            environment={**os.environ, "TMPDIR": str(folder / "tmp")},
            folder=folder,
            stdout=said,
            stderr=said,
        )
    try:
        yield process
    finally:
        process.kill()


def whole_family(pid: int, stands: str) -> Callable[[], list[psutil.Process]]:
    """What runs in the middle of a trial: a provider, what stands before it, who loads it."""

    def found() -> list[psutil.Process]:
        below = psutil.Process(pid).children(recursive=True)
        spoken = [" ".join(words(each)) for each in below]
        wanted = (" sim ", stands, "headrace.bench.load.worker")
        return below if all(any(each in line for line in spoken) for each in wanted) else []

    return found


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "stands"),
    [
        ("compare", " serve "),
        ("gate", " serve "),
        ("gate", "nginx.conf"),
        ("showcase", " serve "),
    ],
)
def test_what_is_killed_leaves_no_process_no_half_report_and_no_files_for_long(
    tmp_path: Path, name: str, stands: str
) -> None:
    if stands != " serve " and not nginx.is_installed():
        pytest.skip("nginx is not installed")
    with running(tmp_path, *command(name, tmp_path, LONG, 4)) as process:
        family = eventually(whole_family(process.pid, stands), 60)
        process.kill()
        process.wait(60)
    assert psutil.wait_procs(family, 60)[1] == []
    out = tmp_path / "out"
    assert (list(out.iterdir()) if out.is_dir() else out.read_bytes()) in ([], b"")
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    with RawServer(answering(ANSWER)) as server:
        plan = command("compare", tmp_path, SHORT, 1)[4:8]
        with running(tmp_path, "bench", "compare", server.url, server.url, *plan) as process:
            assert process.wait(60) == 3
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("gate", signal.SIGINT),
        pytest.param("compare", signal.SIGTERM, marks=pytest.mark.heavy),
        pytest.param("compare", signal.SIGINT, marks=pytest.mark.heavy),
        pytest.param("gate", signal.SIGTERM, marks=pytest.mark.heavy),
    ],
)
def test_a_signal_ends_everything_and_what_there_is_is_told(
    tmp_path: Path, name: str, number: signal.Signals
) -> None:
    said = tmp_path / "said"
    with running(tmp_path, *command(name, tmp_path, SHORT, 500)) as process:
        eventually(lambda: "trial 1 of" in said.read_text(), 60)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        assert process.wait(60) == 130, said.read_text()
    assert psutil.wait_procs(family, 60)[1] == []
    assert list((tmp_path / "tmp").iterdir()) == []
    told = said.read_text()
    assert "Traceback" not in told
    out = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    if name == "gate":
        assert "inconclusive" in told
        assert out == []  # a gate that was not made is no point of a history
    else:
        assert "insufficient" in told
        assert out


@pytest.mark.heavy
def test_ctrl_c_in_a_terminal_is_for_the_gate_and_not_for_its_yardsticks(tmp_path: Path) -> None:
    """A terminal sends it to all processes of the group."""
    (tmp_path / "tmp").mkdir()
    arguments = command("gate", tmp_path, SHORT, 500)
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "headrace.cli.main", *arguments],
            env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        below = psutil.Process(process.pid).children
        eventually(lambda: any("socketpair" in str(words(each)) for each in below()), 60)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
    told = (tmp_path / "said").read_text()
    assert "Traceback" not in told
    assert "yardstick ended" not in told


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_showcase_which_tells_its_trials_and_writes_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    with running(tmp_path, *command("showcase", tmp_path, 0, 4)) as process:
        serving = whole_family(process.pid, " serve ")
        first = {each.pid for each in eventually(serving, 60)}
        family = eventually(lambda: others(serving(), first), 60)
        process.send_signal(number)
        assert process.wait(60) == 130
    assert psutil.wait_procs(family, 60)[1] == []
    told = (tmp_path / "said").read_text()
    assert "Medians so far" in told
    assert "Stopped after 1 of" in told
    assert list((tmp_path / "out").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def others(found: list[psutil.Process], known: set[int]) -> list[psutil.Process]:
    """A family of which nobody is known."""
    return found if not known & {each.pid for each in found} else []


# A disk of its own, that has room for the trials and none for the report.
_ON_A_SMALL_DISK: Final = """\
mount -t tmpfs -o size=8k none "$0" && exec "$@"
"""


@pytest.mark.heavy
def test_a_showcase_that_finds_no_room_for_its_report_has_shown_it(tmp_path: Path) -> None:
    arguments = command("showcase", tmp_path, 0, 1)
    (tmp_path / "out").mkdir()
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        subprocess.run([*alone, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system lets nobody mount a disk of its own")
    run = [sys.executable, "-m", "headrace.cli.main", *arguments]
    done = subprocess.run(
        [*alone, "sh", "-c", _ON_A_SMALL_DISK, str(tmp_path / "out"), *run],
        capture_output=True,
        text=True,
        timeout=840,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "mean latency, by day" in done.stdout
    assert "showcase.html: No space left on device; what was found is shown above" in done.stderr
    assert "Traceback" not in done.stderr
