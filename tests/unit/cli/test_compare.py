"""From trials to verdicts and to the status of the command."""

from io import StringIO

import msgspec
import pytest
from rich.console import Console

from headrace.bench.load.faults import PlanInvalid
from headrace.bench.statistics.question import Question
from headrace.bench.trials.arms import Arm
from headrace.bench.trials.trial import Conditions, Trial
from headrace.cli.bench_plan import PlanWish, plan_of
from headrace.cli.bench_series import show_missing
from headrace.cli.compare_run import CompareWish, answers_of, questions_of, status_of

WOBBLE = (0.3, -0.2, 0.1, -0.4, 0.2, 0.0, -0.1, 0.4)
METRIC = (Question(metric="p50_ms"),)
WISH = CompareWish(
    a="x",
    b="y",
    plan=PlanWish(plan="compare", short=True),
    blocks=8,
    metrics=(),
    margin=2.0,
    level=95.0,
    seed=1,
    out=None,
    json=False,
    conditions=Conditions(),
)
OWN = (Arm(name="A"), Arm(name="B"))


def trials(factor: float, wobble: tuple[float, ...] = WOBBLE) -> list[Trial]:
    a = [Trial(arm="A", block=n, metrics={"p50_ms": 100 + w}) for n, w in enumerate(wobble)]
    return a + [
        Trial(arm="B", block=n, metrics={"p50_ms": (100 + w * w) * factor})
        for n, w in enumerate(wobble)
    ]


@pytest.mark.parametrize(
    ("factor", "verdict", "status"),
    [(1.2, "worse", 1), (0.8, "better", 0), (1.0, "equivalent", 0), (1.02, "inconclusive", 3)],
)
def test_the_status_follows_the_verdict(factor: float, verdict: str, status: int) -> None:
    answers = answers_of(trials(factor), METRIC, 1)
    assert [answer.verdict for answer in answers] == [verdict]
    assert status_of(answers) == status


def test_too_few_blocks_are_no_verdict() -> None:
    answers = answers_of(trials(2.0, WOBBLE[:5]), METRIC, 1)
    assert (answers[0].verdict, answers[0].cause) == ("insufficient", "too_few_runs")
    assert status_of(answers) == 3


def test_constant_figures_are_no_verdict() -> None:
    answers = answers_of(trials(2.0, (0.0,) * 8), METRIC, 1)
    assert (answers[0].verdict, answers[0].cause) == ("insufficient", "no_variation")


def test_a_figure_that_a_good_trial_does_not_have_is_told() -> None:
    told = StringIO()
    made = [
        Trial(arm="A", block=0, metrics={"p50_ms": 1.0, "p99_ms": None}),
        Trial(arm="B", block=0, metrics={"p50_ms": None, "p99_ms": None}, why="it ended"),
    ]
    show_missing(Console(file=told, width=200), made, ["p50_ms", "p99_ms"])
    assert told.getvalue().splitlines() == [
        "A: 1 trials went well and have no p99_ms: too few requests for it, too many that failed, "
        "or the target does not tell it."
    ]


def test_a_trial_that_failed_is_not_left_out() -> None:
    made = [*trials(2.0)[:-1], Trial(arm="B", block=7, metrics={"p50_ms": None}, why="killed")]
    answers = answers_of(made, METRIC, 1)
    assert (answers[0].verdict, answers[0].cause) == ("insufficient", "failed_runs")


@pytest.mark.parametrize("figure", [float("nan"), float("inf")])
def test_figures_that_are_no_number_are_no_verdict(figure: float) -> None:
    made = [*trials(2.0)[:-1], Trial(arm="B", block=7, metrics={"p50_ms": figure})]
    answers = answers_of(made, METRIC, 1)
    assert (answers[0].verdict, answers[0].cause) == ("insufficient", "not_finite")
    assert status_of(answers) == 3


def test_a_block_that_was_cut_off_is_left_out() -> None:
    made = trials(1.2)[:-1]
    assert answers_of(made, METRIC, 1)[0].estimate is not None
    estimate = answers_of(made, METRIC, 1)[0].estimate
    assert estimate is not None
    assert estimate.runs == (7, 7)


def test_the_usual_metrics_are_those_that_can_be_had() -> None:
    plan = plan_of(WISH.plan)
    assert questions_of(WISH, OWN, plan)[0].metric == "cpu_us_per_request"
    there = (Arm(name="A"), Arm(name="B", url="http://127.0.0.1:1"))
    told = questions_of(WISH, there, plan)
    assert [(q.metric, q.better) for q in told] == [
        ("p50_ms", "lower"),
        ("throughput_per_s", "higher"),
    ]


def test_shares_which_may_be_none_are_compared_by_their_difference() -> None:
    wish = msgspec.structs.replace(WISH, metrics=("failed_share", "p50_ms"))
    failed, median = questions_of(wish, OWN, plan_of(wish.plan))
    assert (failed.scale, median.scale) == ("difference", "ratio")
    assert failed.margin == wish.margin / 100


@pytest.mark.parametrize(
    "metrics",
    [
        ("nope",),
        ("p50_ms", "p50_ms:higher"),
        ("other.p50_ms",),
        ("warm-up.p50_ms",),
        ("spike.start_cpu_ms",),
        ("import_cpu_ms",),
    ],
)
@pytest.mark.parametrize("plan", ["compare", "spike"])
def test_metrics_that_make_no_sense_are_told_before_anything_runs(
    metrics: tuple[str, ...], plan: str
) -> None:
    wish = msgspec.structs.replace(WISH, metrics=metrics, plan=PlanWish(plan=plan, short=True))
    with pytest.raises(PlanInvalid, match="--metric"):
        questions_of(wish, OWN, plan_of(wish.plan))
