"""The table of how often verdicts are wrong."""

from benchmarks.verdicts.validate import Row, loop_ns, verdicts

from headrace.bench import Question


def test_rates_are_held_against_what_is_promised() -> None:
    assert Row("x", 50, 1_000, 0.05).is_kept
    assert not Row("x", 100, 1_000, 0.05).is_kept
    assert not Row("x", 20, 1_000, 0.05).is_kept
    assert Row("x", 20, 1_000, 0.05, slack=0.03).is_kept
    assert Row("x", 900, 1_000).is_kept


def test_a_line_tells_share_interval_and_promise() -> None:
    line = Row("A/A", 100, 1_000, 0.05).told()
    assert line.split()[:5] == ["A/A", "10.0%", "(8.3%", "to", "12.0%)"]
    assert line.endswith("5.0%  NOT KEPT")


def test_comparisons_are_seeded() -> None:
    question = Question(metric="x", margin=0.0, resamples=999)
    assert verdicts(1, 10, 1.1, question) == {"worse": 10}
    assert verdicts(1, 10, 1.0, question) == verdicts(1, 10, 1.0, question)


def test_the_loop_takes_time() -> None:
    assert loop_ns() > 0
