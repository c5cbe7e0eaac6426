"""Budgets from YAML: what is wrong with them is told by its line."""

from pathlib import Path

import pytest

from headrace.bench.gate import budgets
from headrace.bench.load.faults import PlanInvalid
from headrace.bench.phases import plans

OURS = Path(__file__).resolve().parents[4] / "benchmarks" / "budgets.yaml"
GOOD = """\
name: mine
budgets:
  - name: hit
    metric: hit.cpu_us_per_request
    at_most: {nginx: 1.5, loop: 4}
"""


def checked(path: Path) -> budgets.Budgets:
    document = budgets.read(path)
    budgets.check(document, plans.parse(*plans.find(document.value.plan)))
    return document.value


def test_the_budgets_of_this_project_can_be_held() -> None:
    ours = checked(OURS)
    assert any(budget.metric == "hit.cpu_us_per_request" for budget in ours.budgets)
    assert all(budget.yard(("loop", "bare")) for budget in ours.budgets)
    assert any(budget.metric == "alone.p50_overhead_ms" for budget in ours.budgets)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (GOOD.replace("hit.cpu_us_per_request", "hit.speed"), ":4: budgets[0].metric: no such"),
        (GOOD.replace("hit.cpu", "warm-up.cpu"), "no such metric"),
        (GOOD.replace("cpu_us_per_request", "cpu_overhead_ms"), "p50_overhead_ms for p50_ms"),
        (
            GOOD.replace("cpu_us_per_request", "p50_overhead_ms").replace("loop", "bare"),
            "has no ratio to bare",
        ),
        (GOOD.replace("    at_most: {nginx: 1.5, loop: 4}\n", ""), "give at_most or at_least"),
        (GOOD + "    at_least: {nginx: 1}\n", "give at_most or at_least"),
        (GOOD.replace("loop", "bare"), "has no ratio to bare"),
        (GOOD.replace("hit.cpu_us_per_request", "hit.rss_mb_start"), "no such metric"),
        (GOOD.replace("hit.cpu_us_per_request", "import_cpu_ms"), "has no ratio to nginx"),
        (
            GOOD.replace("hit.cpu_us_per_request", "import_cpu_ms").replace("nginx: 1.5, ", ""),
            "has no ratio to loop",
        ),
        (GOOD.replace("budgets:", "plan: compare\nbudgets:"), "no PHASE.METRIC"),
        (GOOD.replace("loop", "traefik"), "Invalid enum value 'traefik'"),
        (GOOD.replace("1.5", "-1"), "Expected `float` > 0"),
        (GOOD.replace("budgets:", "blocks: 3\nbudgets:"), ":2: blocks: Expected `int` >= 4"),
        (GOOD + GOOD[GOOD.index("  - name") :], "two budgets are called hit"),
    ],
)
def test_garbage_is_refused_where_it_stands(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "budgets.yaml"
    file.write_text(text)
    with pytest.raises(PlanInvalid) as refused:
        checked(file)
    assert words in refused.value.message
