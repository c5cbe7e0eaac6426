"""What of the answers counts as a hit, and what as a wrong one."""

import pytest
from benchmarks import workload_case
from benchmarks.cache_records import AskedRun, WorkloadFigures
from benchmarks.question_client import Heard
from benchmarks.question_mix import Asked, Kind
from benchmarks.records import Verdict
from benchmarks.workload_case import asked_run, void_reason, workload_row

NEW = Asked("q", Kind.NEW, "q")
REPEAT = Asked("q", Kind.REPEAT, "q")
PARAPHRASE = Asked("Q?", Kind.PARAPHRASE, "q")
LOOK_ALIKE = Asked("not q", Kind.LOOK_ALIKE, "not q")


def heard(source: str, text: str = "yes", status: int = 200) -> Heard:
    return Heard(status, source, text)


def run(hits: int, requests: int = 100, upstream: int | None = None, errors: int = 0) -> AskedRun:
    calls = requests - hits
    by = {"l1": hits, "miss": calls}
    return AskedRun(requests, by, calls if upstream is None else upstream, {}, 0, errors)


def test_hits_are_what_took_no_call_of_its_own() -> None:
    asked = [NEW, REPEAT, REPEAT, PARAPHRASE, LOOK_ALIKE]
    answers = [heard("miss"), heard("l1"), heard("joined"), heard("semantic"), heard("miss", "no")]
    seen = asked_run(asked, answers, 2)
    assert seen.by_kind == {
        Kind.NEW: (1, 0), Kind.REPEAT: (2, 2), Kind.PARAPHRASE: (1, 1), Kind.LOOK_ALIKE: (1, 0),
    }  # fmt: skip
    assert seen.wrong == 0
    assert void_reason([seen]) is None


def test_an_answer_by_meaning_is_wrong_where_it_is_not_the_one_that_was_meant() -> None:
    other = Asked("o", Kind.NEW, "o")
    asked = [NEW, other, PARAPHRASE, LOOK_ALIKE]
    answers = [heard("miss"), heard("miss", "no"), heard("semantic", "no"), heard("semantic")]
    assert asked_run(asked, answers, 2).wrong == 2


def test_a_run_is_void_where_requests_failed_or_the_provider_counted_otherwise() -> None:
    assert void_reason([run(90)]) is None
    assert void_reason([run(90), run(90, errors=1)]) == "1 of 100 requests failed"
    assert void_reason([run(90, upstream=12)]) == "90 hits of 100 requests, but 12 calls"


def figures(repeating: list[AskedRun], mixed: list[AskedRun] | None) -> WorkloadFigures:
    rows = [workload_row(workload_case.REPEATING_ROW, "", repeating)]
    if mixed is not None:
        rows.append(workload_row(workload_case.MEANING_ROW, "", mixed))
    return WorkloadFigures(rows)


@pytest.mark.parametrize(
    ("hits", "verdicts"),
    [
        ((90, 40), [Verdict.PASS, Verdict.PASS, Verdict.PASS]),
        ((82, 34), [Verdict.MISS, Verdict.PASS, Verdict.MISS]),
        ((79, 36), [Verdict.MISS, Verdict.MISS, Verdict.PASS]),
    ],
)
def test_bars_are_means_over_seeds(hits: tuple[int, int], verdicts: list[Verdict]) -> None:
    first, second = hits
    made = figures([run(first - 1), run(first + 1)], [run(second)])
    assert [bar.verdict for bar in workload_case.bars(made)] == verdicts


def test_without_an_embedder_the_mixed_bar_was_not_run() -> None:
    judged = workload_case.bars(figures([run(90)], None))
    assert judged[-1].verdict is Verdict.NOT_RUN
    assert workload_case.bars(None) == []


def test_a_void_row_makes_its_bars_void() -> None:
    judged = workload_case.bars(figures([run(90, errors=3)], [run(50)]))
    assert [bar.verdict for bar in judged] == [Verdict.VOID, Verdict.VOID, Verdict.PASS]
