"""`headrace bench compare` as users call it."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.support import headrace_process
from tests.support.raw_server import RawServer, answering
from tests.support.trials import STUB, checkout, commit

# Trials take minutes where others want the processor, too.
pytestmark = pytest.mark.timeout(900)

BODY = b'{"choices": [{"message": {"content": "ok"}}]}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
PLAN = """\
name: small
lag_share: 1000
workload: {mix: {chat: 1, stream: 0, embeddings: 0}}
phases:
  - {name: load, kind: load, seconds: 0.4, users: 2, arrivals: {kind: closed, think_s: 0.01}}
"""


@pytest.fixture
def plan_file(tmp_path: Path) -> str:
    file = tmp_path / "small.yaml"
    file.write_text(PLAN)
    return str(file)


def compare(*arguments: str, timeout_s: float = 400.0) -> subprocess.CompletedProcess[str]:
    return headrace_process.run(
        "bench", "compare", *arguments, environment=dict(os.environ), timeout_s=timeout_s
    )


@pytest.mark.heavy
def test_too_few_blocks_are_told_before_and_after(plan_file: str, tmp_path: Path) -> None:
    out = tmp_path / "trials.jsonl"
    with RawServer(answering(ANSWER)) as server:
        done = compare(
            *(server.url, server.url, "--plan", plan_file, "--blocks", "1", "--out", str(out))
        )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "1 blocks carry no verdict on 2 metrics: give --blocks 7" in done.stderr
    assert done.stdout.count("insufficient") == 2
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted(line["arm"] for line in lines) == ["A", "B"]
    assert all(line["throughput_per_s"] > 0 and line["block"] == 0 for line in lines)


@pytest.mark.heavy
def test_an_arm_that_is_down_is_told_and_a_full_disk_after_it(plan_file: str) -> None:
    with RawServer(answering(ANSWER)) as server:
        done = compare(
            *(server.url, "broken.yaml", "--plan", plan_file, "--blocks", "1"),
        )
        assert done.returncode == 1
        assert "headrace: broken.yaml: No such file or directory" in done.stderr
        Path(plan_file).with_name("arm.yaml").write_text("cache: {memory_mb: -1}\n")
        arm = str(Path(plan_file).with_name("arm.yaml"))
        done = compare(
            *(server.url, arm, "--plan", plan_file, "--blocks", "1", "--out", "/dev/full")
        )
    assert done.returncode == 1
    assert "1 of 1 of B failed" in " ".join(done.stdout.split()).replace("runs ", "")
    assert "B: 1 trials failed: the gateway ended with status" in done.stdout
    assert "cache.memory_mb" in done.stdout
    assert "No space left on device; no run was written" in done.stderr


@pytest.mark.heavy
def test_a_version_that_is_slower_is_worse(tmp_path: Path, plan_file: str) -> None:
    repository = checkout(tmp_path / "repository", STUB)
    slower = STUB.replace(
        "        self.send_response", "        sum(range(2_000_000))\n        self.send_response"
    )
    commit(repository, slower)
    output = tmp_path / "said.txt"
    with output.open("wb") as said:
        process = headrace_process.start(
            *("bench", "compare", "HEAD~1", "HEAD", "--plan", plan_file, "--blocks", "6"),
            *("--metric", "cpu_us_per_request", "--margin", "50"),
            environment=dict(os.environ),
            folder=repository,
            stdout=said,
            stderr=said,
        )
        try:
            status = process.wait(840)
        finally:
            process.kill()
    assert status == 1, output.read_text()
    assert "worse" in output.read_text()
