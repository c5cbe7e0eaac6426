"""`headrace bench verdict`, as it is called."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.benching import make_phase, make_plan, make_record, make_summary
from typer.testing import CliRunner

from headrace.bench.load.summary import Quantiles
from headrace.bench.records import FORMAT, PhaseRecord, append
from headrace.cli.main import app

WOBBLE = (0.3, -0.2, 0.1, -0.4, 0.2, 0.0, -0.1, 0.4, -0.3, 0.15)


def write(path: Path, lines: list[Any]) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return str(path)


def runs(factor: float, **more: Any) -> list[dict[str, Any]]:
    return [
        {"p99_ms": (100 + w) * factor * (1 + 0.01 * w * factor), "goodput": 50 + w * factor, **more}
        for w in WOBBLE
    ]


def call(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["bench", "verdict", *words])
    return done.exit_code, done.output


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    return write(tmp_path / "a", runs(1.0)), write(tmp_path / "b", runs(1.5))


def told(*words: str) -> list[dict[str, Any]]:
    code, output = call(*words, "--json")
    assert code == 0, output
    answers: list[dict[str, Any]] = json.loads(output)
    return answers


def test_every_figure_of_both_is_compared(files: tuple[str, str]) -> None:
    slow, same = told(*files)
    assert (slow["question"]["metric"], slow["verdict"]) == ("p99_ms", "worse")
    assert (same["question"]["metric"], same["verdict"]) == ("goodput", "equivalent")
    assert slow["estimate"]["effect"] == pytest.approx(1.5, rel=0.01)


def test_more_can_be_better(files: tuple[str, str]) -> None:
    assert told(*files, "--metric", "p99_ms:higher")[0]["verdict"] == "better"
    assert told(*files, "--metric", "p99_ms:lower")[0]["verdict"] == "worse"


def test_the_table_says_verdict_and_reason(files: tuple[str, str]) -> None:
    code, output = call(*files)
    assert code == 0
    assert "worse" in output
    assert "equivalent" in output
    assert "p99_ms: The whole interval lies beyond the margin." in output


def test_terms_are_passed_on(files: tuple[str, str]) -> None:
    terms = ("--metric", "goodput", "--margin", "5", "--level", "99", "--difference", "--unpaired")
    question = told(*files, *terms)[0]["question"]
    assert (question["margin"], question["level"]) == (5.0, 0.99)
    assert (question["scale"], question["is_paired"]) == ("difference", False)


def test_blocks_pair_runs_in_any_order(tmp_path: Path) -> None:
    a = [{"block": n, "x": 100.0 + 10 * n} for n in range(10)]
    b = [{"block": n, "x": (100.0 + 10 * n) * (1.1 + 0.001 * (n % 3))} for n in range(10)]
    answer = told(write(tmp_path / "a", a), write(tmp_path / "b", b[::-1]))[0]
    assert answer["verdict"] == "worse"


def test_failed_runs_make_no_verdict(tmp_path: Path) -> None:
    b: list[dict[str, Any]] = [*runs(0.5)[:8], {"p99_ms": None}, {"error": "killed"}]
    a, b_path = write(tmp_path / "a", runs(1.0)), write(tmp_path / "b", b)
    answer = told(a, b_path, "--metric", "p99_ms")[0]
    assert (answer["verdict"], answer["cause"]) == ("insufficient", "failed_runs")
    assert answer["lost"] == [0, 2]
    code, output = call(a, b_path)
    assert code == 0
    assert "insufficient" in output


def test_figures_that_never_vary_make_no_verdict(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", [{"x": 1}] * 8), write(tmp_path / "b", [{"x": 2}] * 8)
    answer = told(a, b)[0]
    assert (answer["verdict"], answer["cause"]) == ("insufficient", "no_variation")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", '"fast"'])
def test_what_is_no_number_is_no_figure(tmp_path: Path, number: str) -> None:
    a = write(tmp_path / "a", runs(1.0))
    b = Path(write(tmp_path / "b", runs(0.5)))
    b.write_text(b.read_text().replace('"p99_ms": 50.0', f'"p99_ms": {number}'))
    assert number in b.read_text()
    code, output = call(a, str(b), "--metric", "p99_ms")
    assert "better" not in output
    assert "worse" not in output
    assert (code == 0 and "insufficient" in output) or "is no JSON object" in output


def test_half_a_line_of_a_run_that_was_killed_is_refused(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", runs(1.0)), Path(write(tmp_path / "b", runs(1.5)))
    b.write_text(b.read_text()[:-9])
    code, output = call(a, str(b))
    assert code == 1
    assert "line 10 is no JSON object" in output.replace("\n", " ")


def test_one_run_has_no_estimate_and_a_table_all_the_same(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", [{"x": 1}]), write(tmp_path / "b", [{"x": 2}])
    code, output = call(a, b)
    assert code == 0
    assert "1 pairs; no verdict is possible below 6." in output


@pytest.mark.parametrize(
    ("a", "b", "options", "why"),
    [
        ([], [{"x": 1}], [], "has no runs"),
        ([[1]], [{"x": 1}], [], "line 1 is no JSON object"),
        ([{"x": 1}], [{"y": 1}], [], "no figure is in both"),
        ([{"x": 1}], [{"x": True}], [], "no figure is in both"),
        ([{"x": 1}], [{"x": 1}], ["--metric", "z"], "no run has a figure z; there are x"),
        ([{"x": 1}], [{"x": 1}], ["--metric", "x", "--metric", "x:higher"], "named twice"),
        ([{"x": 1}] * 3, [{"x": 1}] * 2, [], "3 and 2 runs are no pairs"),
        ([{"x": 1, "block": 1}], [{"x": 1}], [], "or none does"),
        ([{"x": 1, "block": 1}] * 2, [{"x": 1, "block": 1}] * 2, [], "of its own"),
        ([{"x": 1, "block": 1}], [{"x": 1, "block": 2}], [], "in one file only: 1, 2"),
    ],
)
def test_files_that_cannot_be_compared(
    tmp_path: Path, a: list[Any], b: list[Any], options: list[str], why: str
) -> None:
    code, output = call(write(tmp_path / "a", a), write(tmp_path / "b", b), *options)
    assert code == 1
    assert why in output.replace("\n", " ")


def recorded(path: Path, p95_ms: list[float], *phases: str, **fields: Any) -> str:
    """Records as `headrace bench run` writes them, one for each p95."""
    plan = make_plan(*(make_phase(name=name) for name in phases))
    for value in p95_ms:
        told = Quantiles(count=1000, p50_ms=10.0 + value / 1e3, p95_ms=value, p99_ms=2 * value)
        summary = make_summary(strict=told, good_per_s=90.0 + value / 1e3)
        done = tuple(PhaseRecord(phase=each, summary=summary) for each in plan.phases)
        append(path, make_record(plan=plan, phases=done, **fields))
    return str(path)


def test_records_of_two_arms_are_compared_by_name(tmp_path: Path) -> None:
    a = recorded(tmp_path / "a", [100 + w for w in WOBBLE], "calm", "storm")
    b = recorded(tmp_path / "b", [150 + 2 * w for w in WOBBLE], "calm", "storm")
    told_of = ("storm.p95_ms", "storm.good_per_s")
    slow, good = told(a, b, *(word for name in told_of for word in ("--metric", name)))
    assert (slow["question"]["metric"], slow["verdict"]) == ("storm.p95_ms", "worse")
    assert good["question"]["better"] == "higher"
    everything = {each["question"]["metric"] for each in told(a, b)}
    assert everything == {f"{p}.{q}_ms" for p in ("calm", "storm") for q in ("p50", "p95", "p99")}


def test_runs_that_may_not_be_used_make_no_verdict(tmp_path: Path) -> None:
    a = recorded(tmp_path / "a", [100 + w for w in WOBBLE], "one")
    b = recorded(tmp_path / "b", [100 - w for w in WOBBLE[:9]], "one")
    recorded(tmp_path / "b", [100.0], "one", void="the client was late")
    answer = told(a, b, "--metric", "p95_ms")[0]
    assert (answer["verdict"], answer["cause"]) == ("insufficient", "failed_runs")


def test_records_of_different_plans_are_not_compared(tmp_path: Path) -> None:
    a, b = recorded(tmp_path / "a", [1.0], "one"), recorded(tmp_path / "b", [1.0], "other")
    code, output = call(a, b)
    assert code == 1
    assert "not all of one plan" in output.replace("\n", " ")


def test_a_record_that_is_broken_is_told_by_its_line(tmp_path: Path) -> None:
    a = write(tmp_path / "a", [{"format": FORMAT, "name": 7}])
    code, output = call(a, a)
    assert code == 1
    assert "line 1 is no record" in output.replace("\n", " ")


def test_an_arm_of_which_no_run_may_be_used_makes_no_verdict(tmp_path: Path) -> None:
    a = recorded(tmp_path / "a", [100 + w for w in WOBBLE], "one")
    b = recorded(tmp_path / "b", [100 + w for w in WOBBLE], "one", status="interrupted")
    assert {each["cause"] for each in told(a, b)} == {"failed_runs"}
