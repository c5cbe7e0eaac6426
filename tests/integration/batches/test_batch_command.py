"""`headrace batch` against a running gateway."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.batches.conftest import Begin
from tests.support import headrace_process
from tests.support.batches import client, line, until
from tests.support.waiting import eventually

from headrace.sim.thread import ThreadedSim


def command(folder: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "headrace", "batch", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": headrace_process.SOURCES},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, *words: str, stdin: str = "") -> tuple[int, str, str]:
    done = headrace_process.run(
        "batch", *words, environment=os.environ, folder=folder, stdin=stdin.encode()
    )
    return done.returncode, done.stdout, done.stderr


def test_a_file_of_prompts_becomes_a_file_of_answers(begin_gateway: Begin, tmp_path: Path) -> None:
    gateway = begin_gateway()
    lines = ["What is one?", '{"prompt": "two?", "model": "m"}', json.dumps(line(3)), "", '"four?"']
    (tmp_path / "questions").write_text("\n".join(lines), "utf-8")
    code, out, err = run(tmp_path, "questions", "--model", "m", "--url", gateway.url)
    assert (code, out) == (0, "questions.answers.jsonl\n"), err
    assert "completed, 4 of 4 answered" in err
    answers = (tmp_path / "questions.answers.jsonl").read_text("utf-8").splitlines()
    named = {json.loads(each)["custom_id"] for each in answers}
    assert named == {"line-1", "line-2", "c3", "line-5"}


def test_lines_without_an_answer_are_told(begin_gateway: Begin, tmp_path: Path) -> None:
    gateway = begin_gateway()
    lines = [json.dumps(line(1)), json.dumps(line(2, method="GET"))]
    code, out, err = run(
        tmp_path, "-", "--url", gateway.url, "--errors", "bad", stdin="\n".join(lines)
    )
    assert (code, out) == (1, "stdin.answers.jsonl\nbad\n"), err
    assert "line 2: `method` has to be `POST`." in err


@pytest.mark.parametrize(
    ("stdin", "told"),
    [
        ("no model", "line 1: it names no model: say which with --model"),
        ('ok\n{"what": 1}', "line 1: it names no model"),
        ('{"model": "m"}', "line 1: there is neither `custom_id`, `messages` nor `prompt` in it"),
        ("{", "line 1: it begins like JSON, and is none"),
    ],
)
def test_what_is_unclear_is_told_before_anything_is_sent(
    tmp_path: Path, stdin: str, told: str
) -> None:
    code, _, err = run(tmp_path, "-", "--url", "http://127.0.0.1:9", stdin=stdin)
    assert code == 1
    assert told in err


def test_where_no_gateway_is_that_is_told(tmp_path: Path) -> None:
    code, _, err = run(tmp_path, "-", "--url", "http://127.0.0.1:9", "--model", "m", stdin="a")
    assert code == 1
    assert "the connection broke" in err
    assert "Traceback" not in err


def test_a_file_that_is_too_large_is_told(begin_gateway: Begin, tmp_path: Path) -> None:
    gateway = begin_gateway(files={"bytes_max": 1024})
    code, _, err = run(
        tmp_path, "-", "--model", "m", "--url", gateway.url, stdin="word " * 1_000_000
    )
    assert code == 1
    assert "files.bytes_max" in err


@pytest.mark.parametrize(
    ("flag", "state"),
    [
        ("--cancel-on-interrupt", "cancelled"),
        pytest.param("--leave-running", "completed", marks=pytest.mark.heavy),
    ],
)
def test_who_interrupts_it_says_what_becomes_of_it(
    begin_gateway: Begin, sim: ThreadedSim, tmp_path: Path, flag: str, state: str
) -> None:
    gateway = begin_gateway(pace={"x-sim-ttft-ms": "200"}, batches={"concurrency": 4})
    (tmp_path / "questions").write_text("\n".join(f"What is {n}?" for n in range(100)), "utf-8")
    process = command(tmp_path, "questions", "--model", "m", "--url", gateway.url, flag)
    eventually(lambda: sim.stats().requests_total > 10)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    with client(gateway.url) as sdk:
        (batch,) = sdk.batches.list()
        assert until(sdk, batch.id).status == state
