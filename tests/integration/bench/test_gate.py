"""`headrace bench gate`, with gateways as fast as they are, and slower ones."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.headrace_process import SOURCES
from tests.support.trials import STUB, checkout

# Trials take minutes where others want the processor, too.
pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).resolve().parents[3]
OURS = ROOT / "benchmarks" / "budgets.yaml"
BUDGETS = """\
name: small
blocks: 4
plan: PLAN
budgets:
  - {name: cpu, metric: cpu_us_per_request, at_most: {loop: 1000000}}
  - {name: memory, metric: rss_mb_start, at_most: {bare: 0.01}}
  - {name: import, metric: import_cpu_ms, at_most: {bare: 1000}}
"""
PLAN = """\
name: small
sim_profile: instant
workload: {mix: {chat: 1, stream: 0, embeddings: 0}}
phases:
  - {name: load, kind: load, seconds: 0.3, users: 2, arrivals: {kind: closed}}
"""
# Twice what a memory hit takes, at the place that answers it.
SLOWER = """

_plain = Service.answer_repeat


def _slower(self, *given):
    sum(range(2500))
    return _plain(self, *given)


Service.answer_repeat = _slower
"""


def gate(
    *arguments: str, source: str = SOURCES, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": source}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run(
        [sys.executable, "-P", "-m", "headrace.cli.main", "bench", "gate", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=840,
    )


@pytest.fixture
def budgets_file(tmp_path: Path) -> Path:
    (tmp_path / "plan.yaml").write_text(PLAN)
    file = tmp_path / "budgets.yaml"
    file.write_text(BUDGETS.replace("PLAN", str(tmp_path / "plan.yaml")))
    return file


@pytest.mark.heavy
def test_a_bar_that_is_broken_for_certain_fails_and_a_full_disk_is_told_after_it(
    budgets_file: Path,
) -> None:
    done = gate("--budgets", str(budgets_file), "--history", "/dev/full")
    assert done.returncode == 1, done.stdout + done.stderr
    rows = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if line.split()}
    assert (rows["cpu"], rows["memory"], rows["import"]) == ("pass", "regress", "pass")
    assert "memory: The whole interval is beyond the bar." in done.stdout
    assert "No space left on device; no run was written" in done.stderr


@pytest.mark.heavy
def test_another_version_and_the_history_are_told(budgets_file: Path, tmp_path: Path) -> None:
    repository = checkout(tmp_path / "repository", STUB)
    file = tmp_path / "gates.jsonl"
    more = ("--against", "HEAD", "--history", str(file), "--json")
    done = gate("--budgets", str(budgets_file), *more, folder=repository)
    assert done.returncode == 1, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert [one["outcome"] for one in told["budgets"]] == ["pass", "regress", "pass"]
    # The other version keeps hardly anything in memory; two questions need seven blocks.
    verdicts = {one["question"]["metric"]: one for one in told["against"]}
    assert verdicts["rss_mb_start"]["verdict"] == "worse"
    assert verdicts["cpu_us_per_request"]["estimate"]["runs"] == [7, 7]
    (entry,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert set(entry["ratios"]) == {"cpu / loop", "memory / bare", "import / bare"}
    assert entry["commit"]


@pytest.mark.heavy
def test_a_hot_path_that_is_twice_as_slow_breaks_our_own_budgets(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src")
    with (tmp_path / "src" / "headrace" / "server" / "service.py").open("a") as file:
        file.write(SLOWER)
    done = gate("--budgets", str(OURS), source=str(tmp_path / "src"))
    assert done.returncode == 1, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if line.strip().startswith("hit, CPU")]
    assert "regress" in rows[0], done.stdout


@pytest.mark.heavy
def test_a_gateway_that_never_starts_is_no_open_question(
    tmp_path: Path, budgets_file: Path
) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src")
    with (tmp_path / "src" / "headrace" / "server" / "service.py").open("a") as file:
        file.write('raise RuntimeError("broken on purpose")\n')
    done = gate("--budgets", str(budgets_file), source=str(tmp_path / "src"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED: this version failed in every block" in done.stdout
    assert "broken on purpose" in done.stdout


def test_budgets_that_cannot_be_held_are_told_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "budgets.yaml"
    file.write_text("name: x\nbudgets: [{name: a, metric: nope, at_most: {loop: 1}}]\n")
    done = gate("--budgets", str(file))
    assert done.returncode == 1
    assert "budgets.yaml:2: budgets[0].metric: no such metric" in done.stderr
    assert "Traceback" not in done.stderr
