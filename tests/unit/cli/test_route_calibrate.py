"""`headrace route calibrate` as it is typed: what it prints, writes and refuses."""

import os
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from tests.support import headrace_process

from headrace.routing.complexity.weights import decode_weights, probability


def run(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    return headrace_process.run(
        *("route", "calibrate"),
        *map(str, arguments),
        environment={**os.environ, "COLUMNS": "100"},
        stdin=stdin,
        timeout_s=100.0,
    )


def lines(count: int, slope: float = 6.0) -> list[dict[str, Any]]:
    random = Random(1)
    made = []
    for _ in range(count):
        words = random.randint(1, 400)
        is_hard = random.random() < probability(slope * (words / 400 - 0.5))
        request = {"messages": [{"role": "user", "content": "word " * words}]}
        made.append({"request": request, "good": not is_hard})
    return made


def encoded(made: list[dict[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(line) + b"\n" for line in made)


def test_weights_are_written_and_measured(tmp_path: Path) -> None:
    log, out = tmp_path / "log.jsonl", tmp_path / "weights.json"
    log.write_bytes(encoded(lines(400)) + b"\n   \n")
    done = run(log, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert "400 requests" in done.stdout
    for figure in ("AUC", "APGR", "APGR of length alone", "calibration error", "tool_errors"):
        assert figure in done.stdout
    assert "no better than chance" not in done.stdout
    weights = decode_weights(out.read_bytes())
    assert weights.weights["length"] > 1.0
    assert weights.seen is not None
    assert weights.seen.lines == 400
    assert weights.seen.auc > 0.7


def test_lines_come_from_standard_input_and_broken_ones_are_told() -> None:
    broken = b'{"good": true}\nnonsense\n'
    done = run("-", stdin=broken + encoded(lines(100)))
    assert done.returncode == 0
    assert "2 lines cannot be used" in done.stdout
    assert "line 2:" in done.stdout
    assert "100 requests" in done.stdout


def test_chance_is_called_chance(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(encoded(lines(300, slope=0.0)))
    assert "no better than chance" in run(log).stdout


def test_no_more_lines_are_read_than_wanted(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(encoded(lines(200)))
    assert "60 requests" in run(log, "--limit", 60).stdout


def test_what_cannot_be_done_is_said_in_a_line(tmp_path: Path) -> None:
    few, none = tmp_path / "few.jsonl", tmp_path / "none.jsonl"
    few.write_bytes(encoded(lines(10)))
    done = run(few)
    assert done.returncode == 1
    assert "headrace: 10 labelled requests are too few" in done.stderr
    missing = run(none)
    assert missing.returncode == 1
    assert "none.jsonl" in missing.stderr
    nowhere = run(few, "--out", tmp_path / "no" / "weights.json")
    assert nowhere.returncode == 2
    assert "--out" in nowhere.stderr
