"""What a target tells of its spending."""

from headrace.bench.trials.told import sum_of

NAMES = frozenset({"spent_total", "more_total"})
TEXT = """\
# HELP spent_total US dollars.
# TYPE spent_total counter
spent_total{provider="a",model="x y"} 0.25
spent_total{provider="b"} 1e-2
more_total 1
other_total 7
spent_total_by_others 9
"""


def test_all_series_of_all_names_are_summed() -> None:
    assert sum_of(TEXT.splitlines(), NAMES) == 1.26


def test_what_is_declared_and_not_there_yet_is_nothing_spent() -> None:
    assert sum_of(TEXT.splitlines()[:2], NAMES) == 0.0


def test_who_declares_nothing_does_not_tell() -> None:
    assert sum_of(["# TYPE other_total counter", "other_total 7"], NAMES) is None
