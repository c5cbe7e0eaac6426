"""`headrace cache simulate` as it is typed: what it prints, writes and refuses."""

import gzip
import json
import os
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support import headrace_process
from typer.testing import CliRunner

from headrace.cache.simulation import POLICIES
from headrace.cli.cache import app
from headrace.cli.cache_simulate import read_capacity

MAIN: Final = (sys.executable, "-m", "headrace.cli.main", "cache", "simulate")
ENVIRONMENT: Final = {**os.environ, "COLUMNS": "100", "PYTHONUNBUFFERED": "1"}
QUICK: Final = ("--synthetic", "--requests", "2000", "--seeds", "2")
LINES: Final = "".join(
    f'{{"key": "{key}", "bytes": 1000, "cost_usd": 0.5}}\n' for key in "abacabadabacaba"
)


def run(*arguments: object, stdin: bytes = b"", **more: Any) -> subprocess.CompletedProcess[str]:
    return headrace_process.run(
        *("cache", "simulate"),
        *map(str, arguments),
        environment=ENVIRONMENT | more,
        stdin=stdin,
        timeout_s=100.0,
    )


def rows(stdout: str) -> dict[str, list[str]]:
    """The cells of each row of the first table by the policy's name."""
    found: dict[str, list[str]] = {}
    for line in stdout.splitlines():
        cells = line.split()
        if cells and cells[0] in {"lru", "s3fifo", "gdsf", "auto", "bound", "all"}:
            found.setdefault(cells[0], cells)
    return found


def test_made_up_requests_are_told_with_intervals_for_every_policy() -> None:
    done = run(*QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    assert "made up, mild drift, seed 1 to 2" in done.stdout
    assert "Capacity 2% of all answers" in done.stdout
    assert "Capacity 10% of all answers" in done.stdout
    assert list(rows(done.stdout)) == [*POLICIES, "bound", "all"]
    assert "±" in " ".join(rows(done.stdout)[POLICIES[-1]])
    assert "95 % interval over 2 seeds (Student's t)" in done.stdout
    assert "━" in done.stdout


def test_a_file_is_replayed_without_intervals(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(LINES)
    done = run(path, "--capacity", "1MB", "--policy", "lru")
    assert done.returncode == 0
    assert "15 requests for 4 keys" in done.stdout
    assert "One trace, so no intervals." in done.stdout
    # Everything fits: all but the first of each of the four keys.
    assert rows(done.stdout)["lru"][1:4] == ["73.3"] * 3
    assert list(rows(done.stdout)) == ["lru", "bound", "all"]
    assert "Belady's MIN" in done.stdout  # all answers are of one size


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_standard_input_is_read(is_packed: bool) -> None:
    data = gzip.compress(LINES.encode()) if is_packed else LINES.encode()
    done = run("-", "--policy", "lru", stdin=data)
    assert (done.returncode, done.stderr) == (0, "")
    assert "15 requests for 4 keys" in done.stdout


def test_prices_of_mooncake_traces_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(
        '{"timestamp": 0, "input_length": 1000000, "output_length": 1000000, "hash_ids": [1]}\n' * 2
    )
    done = run(path, "--price-input", "1", "--price-output", "2", "--policy", "lru")
    assert "all calls cost $6" in done.stdout


def test_the_numbers_are_written_as_json_and_the_same_seeds_give_the_same(tmp_path: Path) -> None:
    paths = [tmp_path / "1.json", tmp_path / "2.json"]
    for path in paths:
        assert run(*QUICK, "--seed", "7", "--drift", "strong", "--json", path).returncode == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    told = json.loads(paths[0].read_text())
    assert [table["capacity"] for table in told["tables"]] == ["2%", "10%"]
    row = told["tables"][0]["rows"][0]
    assert row["policy"] == "lru"
    assert row["saved_usd_share"]["samples"] == len(told["runs"]) == 2
    assert told["runs"][1]["shape"]["name"] == "made up, strong drift, seed 8"


def test_the_chart_needs_no_network(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    path = tmp_path / "chart.html"
    assert run(*QUICK, "--plot", path).returncode == 0
    text = path.read_text("utf-8")
    assert "What eviction policies save" in text
    assert "<script src=" not in text
    assert len(text) > 1_000_000  # the library is in it


def charted(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The traces of a chart and how it is laid out, as the page has them."""
    text = path.read_text("utf-8")
    reader, found = json.JSONDecoder(), text.rindex("Plotly.newPlot(")
    traces, end = reader.raw_decode(text, text.index("[", found))
    layout, _ = reader.raw_decode(text, text.index("{", end))
    return traces, layout


def test_the_chart_shows_what_the_tables_say(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    chart, numbers = tmp_path / "chart.html", tmp_path / "numbers.json"
    assert run(*QUICK, "--seeds", "2", "--plot", chart, "--json", numbers).returncode == 0
    traces, layout = charted(chart)
    titles = [note["text"] for note in layout["annotations"]]
    assert titles == [
        "Dollars saved",
        "Dollars saved above LRU, seed by seed",
        "Hit rate",
        "Byte hit rate",
    ]
    assert "seed 1 to 2" in layout["title"]["text"]
    tables = json.loads(numbers.read_bytes())["tables"]
    fields = ("saved_usd_share", "above_lru", "hit_rate", "byte_hit_rate")
    for trace, (field, table) in zip(traces, product(fields, tables), strict=True):
        rows = [row for row in table["rows"] if row[field] is not None]
        rows = [row for row in rows if field != "above_lru" or row["policy"] != "lru"]
        assert trace["name"] == table["capacity"]
        assert [name.split(" (")[0] for name in trace["x"]] == [row["policy"] for row in rows]
        assert trace["y"] == pytest.approx([row[field]["mean"] * 100 for row in rows])
        assert trace["error_y"]["visible"]


def test_a_chart_of_one_trace_shows_no_intervals(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    path = tmp_path / "chart.html"
    args = ("-", "--plot", path, "--policy", "s3fifo")
    assert run(*args, stdin=LINES.encode()).returncode == 0
    traces, layout = charted(path)
    assert [note["text"] for note in layout["annotations"]][:2] == ["Dollars saved", "Hit rate"]
    assert {trace["error_y"]["visible"] for trace in traces} == {False}
    assert {"±" in trace["hovertemplate"] for trace in traces} == {False}


def test_a_missing_extra_is_told_before_anything_is_replayed(tmp_path: Path) -> None:
    (tmp_path / "plotly.py").write_text("raise ImportError('not here')")
    paths = os.pathsep.join((str(tmp_path), *sys.path))
    done = run(*QUICK, "--plot", tmp_path / "x.html", PYTHONPATH=paths)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'headrace[charts]'" in done.stderr


def test_more_than_the_limit_is_left_out_and_told() -> None:
    done = run("-", "--limit", "5", "--policy", "lru", stdin=LINES.encode())
    assert "5 requests for 3 keys" in done.stdout
    assert "Only the first 5 requests were read" in done.stdout


def test_a_trace_without_prices_says_that_dollars_tell_nothing() -> None:
    done = run("-", stdin=LINES.replace("0.5", "0").encode())
    assert done.returncode == 0
    assert "No call costs anything here" in done.stdout


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (LINES.encode() + b"oops\n", "standard input:16: JSON is malformed"),
        (b"", "standard input: holds no events"),
        (gzip.compress(LINES.encode())[:-9], "the compressed file is damaged"),
    ],
    ids=["line", "empty", "cut"],
)
def test_bad_input_is_told_in_a_line(data: bytes, words: str) -> None:
    done = run("-", stdin=data)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("headrace: standard input:")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    missing = run(tmp_path / "none.jsonl")
    assert (missing.returncode, "No such file" in missing.stderr) == (1, True)
    folder = run(tmp_path)
    assert (folder.returncode, "Is a directory" in folder.stderr) == (1, True)
    assert not any("Traceback" in done.stderr for done in (missing, folder))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give a file of requests or --synthetic"),
        (("-", "--synthetic"), "one of the two"),
        (("--synthetic", "--drift", "wild"), "none, mild, strong"),
        (("--synthetic", "--set", "ziff=2"), "did you mean zipf=?"),
        (("--synthetic", "--set", "zipf"), "did you mean zipf=?"),
        (("--synthetic", "--set", "zipf=fast"), "zipf"),
        (("--synthetic", "--set", "one_shot_share=2"), "<= 1"),
        (("--synthetic", "--set", "tiers=1"), "NAME=VALUE"),
        (("--synthetic", "--capacity", "0"), "is no size"),
        (("--synthetic", "--capacity", "101%"), "100% at most"),
        (("--synthetic", "--capacity", "1e9"), "is no size"),
        (("--synthetic", "--capacity", "9999TB"), "1000 TB"),
        (("--synthetic", "--policy", "best"), "is not one of lru"),
        (("--synthetic", "--json", "none/x.json"), "none/x.json cannot be written"),
        (("--synthetic", "--plot", "/"), "/ cannot be written"),
        (("--synthetic", "--plot", "chart.png"), "name it chart.html"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_would(
    arguments: tuple[str, ...], words: str
) -> None:
    done = CliRunner().invoke(app, ["simulate", *arguments], env={"COLUMNS": "100"})
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("text", "name", "size", "share"),
    [
        ("2%", "2%", None, 0.02),
        ("2.50 %", "2.5%", None, 0.025),
        ("500MB", "500MB", 500_000_000, None),
        ("1.5gb", "1.5gb", 1_500_000_000, None),
        ("64k", "64k", 64_000, None),
        ("1048576", "1048576", 1_048_576, None),
        ("10B", "10B", 10, None),
    ],
)
def test_sizes(text: str, name: str, size: int | None, share: float | None) -> None:
    capacity = read_capacity(text)
    assert (capacity.name, capacity.bytes_max, capacity.share) == (name, size, share)


def test_the_workload_can_be_changed() -> None:
    done = run(*QUICK, "--set", "one_shot_share=1", "--set", "burst_share=0", "--set", "scans=0")
    assert "2,000 requests for 2,000 keys" in done.stdout


def test_ctrl_c_ends_it_quietly() -> None:
    with subprocess.Popen(
        (*MAIN, "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        # More than a pipe holds: once it is all written, the command is reading.
        process.stdin.write(LINES.encode() * 1000)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stdout.read() == b""
        assert b"Traceback" not in process.stderr.read()
