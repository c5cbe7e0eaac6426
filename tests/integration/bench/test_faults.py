"""What a bench must bear, by each of its commands that it can happen to.

| fault | run | compare | gate | showcase | verdict |
|---|---|---|---|---|---|
| the target goes in the middle of a phase | here | here | here | test_showcase | |
| the clock steps | here | here | here | here | |
| too few runs | test_phases | test_compare | here | test_showcase | unit |
| figures that never vary | | unit | unit | unit | unit |
| figures that are no number | | unit | unit | unit | unit |
| one arm fails | | test_compare | unit | test_showcase | unit |
| the disk is full | test_phases | test_compare | test_gate | test_ends | here |
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
import pytest
from tests.support import headrace_process
from tests.support.showcases import late
from tests.support.trials import gateways_below, words
from tests.support.waiting import eventually

from headrace.bench import showcase
from headrace.bench.exhibit.plans import QUICK

# Trials take minutes where others want the processor, too.
pytestmark = pytest.mark.timeout(900)

PLAN: Final = """\
name: small
sim_profile: instant
lag_share: 1000
workload: {mix: {chat: 1, stream: 0, embeddings: 0}}
phases:
  - {name: load, kind: load, seconds: SECONDS, users: 2, arrivals: {kind: closed, think_s: 0.01}}
"""
BUDGETS: Final = """\
name: small
blocks: 4
plan: PLAN
budgets:
  - {name: cpu, metric: cpu_us_per_request, at_most: {loop: 1000000}}
  - {name: latency, metric: p50_ms, at_most: {loop: 100000000}}
  - {name: import, metric: import_cpu_ms, at_most: {bare: 1000}}
"""


def command(name: str, folder: Path, seconds: float, blocks: int = 1) -> tuple[str, ...]:
    """A command of which nothing is left but `out`."""
    plan, budgets, out = folder / "plan.yaml", folder / "budgets.yaml", str(folder / "out")
    plan.write_text(PLAN.replace("SECONDS", str(seconds)))
    budgets.write_text(BUDGETS.replace("PLAN", str(plan)))
    told: dict[str, tuple[str, ...]] = {
        "run": (str(plan), "--out", out),
        "compare": (".", ".", "--plan", str(plan), "--blocks", str(blocks), "--out", out),
        "gate": ("--budgets", str(budgets), "--blocks", str(blocks), "--history", out),
    }
    return ("bench", name, *told[name])


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Any]:
    """A command; what it says is in `said`."""
    with (folder / "said").open("wb") as said:
        process = headrace_process.start(
            *arguments, environment=dict(os.environ), folder=folder, stdout=said, stderr=said
        )
    try:
        yield process
    finally:
        process.kill()


def loaded_gateway(pid: int) -> list[psutil.Process]:
    """The gateway of a trial whose load has begun."""
    below = psutil.Process(pid).children(recursive=True)
    is_loaded = any("headrace.bench.load.worker" in words(each) for each in below)
    return gateways_below(pid) if is_loaded else []


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "status", "told"),
    [
        ("run", 1, "the gateway ended with status -9"),
        pytest.param(
            *("compare", 3, "1 trials failed: the gateway ended with status -9"),
            marks=pytest.mark.heavy,
        ),
        pytest.param(
            *("gate", 3, "now: 1 trials failed: the gateway ended with status -9"),
            marks=pytest.mark.heavy,
        ),
    ],
)
def test_a_target_that_goes_in_the_middle_of_a_phase_carries_no_verdict(
    tmp_path: Path, name: str, status: int, told: str
) -> None:
    with started(tmp_path, *command(name, tmp_path, 3.0, 4 if name == "gate" else 1)) as process:
        (gateway,) = eventually(lambda: loaded_gateway(process.pid), 60)
        gateway.kill()
        ended = process.wait(600)
    said = " ".join((tmp_path / "said").read_text().split())
    assert ended == status, said
    assert told in said
    if name == "compare":
        assert said.count("insufficient") == 3
    if name == "gate":
        assert "cpu: 0 of 4 runs of A and 1 of 4 of B failed" in said


# All clocks of the day that a program of Python reads: each time by an hour or none, either way.
_STEPPING: Final = """\
import itertools
import time

_steps = itertools.cycle((0, 3600, -3600, 7200))
_s, _ns = time.time, time.time_ns
time.time = lambda: _s() + next(_steps)
time.time_ns = lambda: _ns() + next(_steps) * 1_000_000_000
"""


@pytest.fixture
def stepping_clocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are started from here on live with a clock that is set again and again."""
    place = tmp_path / "clocks"
    place.mkdir()
    (place / "sitecustomize.py").write_text(_STEPPING)
    seen = os.pathsep.join((str(place), *filter(None, sys.path)))
    monkeypatch.setenv("PYTHONPATH", seen)
    told = "import time; print(max(abs(time.time() - time.time()) for _ in range(4)) > 3000)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.heavy
@pytest.mark.usefixtures("stepping_clocks")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("run", marks=pytest.mark.heavy),
        "compare",
        pytest.param("gate", marks=pytest.mark.heavy),
    ],
)
def test_clocks_that_step_move_no_figure(tmp_path: Path, name: str) -> None:
    with started(tmp_path, *command(name, tmp_path, 0.5, 4 if name == "gate" else 1)) as process:
        ended = process.wait(600)
    said = (tmp_path / "said").read_text()
    lines = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert lines, said
    if name == "run":
        assert ended == 0, said
        (phase,) = lines[0]["phases"]
        assert phase["summary"]["failed"] == 0
        assert 0 < phase["summary"]["e2e"]["max_ms"] < 60_000
    elif name == "compare":
        assert ended == 3, said  # one block carries no verdict
        assert [line["why"] for line in lines] == [None, None]
        assert all(0 < line["p50_ms"] < 60_000 for line in lines)
        assert all(line["throughput_per_s"] > 1 for line in lines)
    else:
        assert ended == 0, said
        assert all(0 < ratio < 1e6 for ratio in lines[0]["ratios"].values())


@pytest.mark.heavy
@pytest.mark.usefixtures("stepping_clocks")
def test_clocks_that_step_move_no_figure_of_a_showcase() -> None:
    tiny = msgspec.structs.replace(QUICK, pairs=1, pairs_alone=0)
    found = asyncio.run(showcase(tiny))
    failed = [note for note in found.notes if "A trial failed" in note]
    assert failed == late(found.notes)
    row = found.main.row("mean_ms")
    assert row is not None
    assert all(0 < figure < 60_000 for figure in (*row.a, *row.b) if figure is not None)
    assert failed or None not in (*row.a, *row.b)


@pytest.mark.heavy
def test_a_gate_of_too_few_blocks_is_open(tmp_path: Path) -> None:
    with started(tmp_path, *command("gate", tmp_path, 0.3)) as process:
        ended = process.wait(300)
    said = (tmp_path / "said").read_text()
    assert ended == 3, said
    assert said.count("1 blocks are too few, 4 are needed.") == 3
    assert "pass" not in said
    assert json.loads((tmp_path / "out").read_text())["ratios"] == {}


def test_a_verdict_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_text("".join(f'{{"x": {n}}}\n' for n in range(1, 8)))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "headrace.cli.main", "bench", "verdict", *[str(file)] * 2],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
