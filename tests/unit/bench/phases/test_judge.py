"""Verdicts: what is kept, what is broken, and what nobody can know."""

from random import Random

import pytest
from tests.support.benching import make_phase
from tests.support.benching import make_summary as summary

from headrace.bench.load.call import OUTCOMES
from headrace.bench.load.plan import Slo
from headrace.bench.load.samples import NONE, Samples, Table
from headrace.bench.load.summary import Point, Quantiles, Summary
from headrace.bench.load.tally import Outage
from headrace.bench.phases.judge import judge
from headrace.bench.records import PhaseRecord, Reading, Verdict

NOBODY = Table(0, b"")


def verdict(
    slo: Slo, told: Summary, readings: list[Reading] | None = None, **phase: object
) -> Verdict:
    (only,), _ = judge(make_phase(slo=slo, **phase), told, NOBODY, (), readings or [])
    return only


@pytest.mark.parametrize(
    ("slo", "fields", "is_kept"),
    [
        (Slo(p95_ms=50), {}, True),
        (Slo(p95_ms=49), {}, False),
        (Slo(p99_ms=91), {}, True),
        (Slo(p99_ms=91), {"strict": Quantiles(count=499, p99_ms=1.0)}, None),
        (Slo(p95_ms=50), {"strict": Quantiles(count=99, p95_ms=1.0)}, None),
        (Slo(p95_ms=50), {"strict": Quantiles(count=1000)}, False),
        (Slo(ttft_p95_ms=5), {}, None),
        (Slo(ttft_p95_ms=5), {"ttft_strict": Quantiles(count=200, p95_ms=4.0)}, True),
        (Slo(ttft_p95_ms=5), {"ttft_strict": Quantiles(count=200)}, False),
        (Slo(error_share=0.01), {"failed_share": 0.01}, True),
        (Slo(error_share=0.01), {"failed_share": 0.011}, False),
        (Slo(error_share=0.01), {"requests": 0}, None),
        (Slo(throughput_per_s=101), {}, False),
        (Slo(good_share=0.9), {}, True),
        (Slo(hit_share=0.85), {}, None),
        (Slo(hit_share=0.85), {"hit_share": 0.84}, False),
        (Slo(rss_mb=100), {}, None),
        (Slo(recovery_s=1), {}, None),
    ],
)
def test_a_limit_is_kept_broken_or_not_known(
    slo: Slo, fields: dict[str, object], is_kept: bool | None
) -> None:
    found = verdict(slo, summary(**fields))
    assert found.is_kept is is_kept
    assert found.note or is_kept is not None


def readings(mb_per_min: float, count: int = 60) -> list[Reading]:
    return [
        Reading(at_s=n * 5.0, rss_mb=100 + mb_per_min * n / 12, cpu_s=0.5 * n) for n in range(count)
    ]


@pytest.mark.parametrize(
    ("slo", "is_kept"),
    [
        (Slo(rss_mb_per_min=1.01), True),
        (Slo(rss_mb_per_min=0.99), False),
        (Slo(rss_mb=100 + 59 / 12), True),
        (Slo(rss_mb=104), False),
        (Slo(cpu_share=0.1), True),
        (Slo(cpu_share=0.09), False),
    ],
)
def test_the_targets_process_is_judged_by_its_readings(slo: Slo, is_kept: bool) -> None:
    assert verdict(slo, summary(), readings(1.0)).is_kept is is_kept


def test_memory_that_fills_up_first_and_is_flat_then_does_not_leak() -> None:
    filling = [Reading(float(n), 50.0 + 10 * n, 0.0) for n in range(20)]
    flat = [Reading(float(n), 240.0, 0.0) for n in range(20, 100)]
    assert verdict(Slo(rss_mb_per_min=0.1), summary(), filling + flat).is_kept is True


def test_memory_whose_slope_lies_on_both_sides_of_the_limit_is_left_open() -> None:
    chance = Random(2)
    noisy = [Reading(10.0 * n, 100 + n / 6 + chance.gauss(0, 4), 0.0) for n in range(100)]
    found = verdict(Slo(rss_mb_per_min=1.0), summary(), noisy)
    assert found.is_kept is None
    assert "a longer phase would tell" in found.note
    assert verdict(Slo(rss_mb_per_min=0.1), summary(), noisy).is_kept is False
    assert verdict(Slo(rss_mb_per_min=2.0), summary(), noisy).is_kept is True


def test_a_few_readings_tell_no_slope() -> None:
    assert verdict(Slo(rss_mb_per_min=9), summary(), readings(1.0, 5)).is_kept is None


def requests(seconds: float, well_from_s: float, failing: bool = False) -> Table:
    """Two hundred at even distances, slow or failing until it is well."""
    samples = Samples(200, 1)
    for n in range(200):
        at_s = seconds * n / 200
        is_well = at_s >= well_from_s
        ending = "ok" if is_well or not failing else "status_5xx"
        e2e_s = 0.06 if is_well or failing else 0.9
        samples.add((at_s, 0.0, e2e_s, NONE, NONE, OUTCOMES.index(ending), 0))
    return Table.of(samples)


CALM = PhaseRecord(phase=make_phase(kind="baseline"), summary=summary())


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize(("from_s", "is_kept"), [(2.0, True), (8.0, False)])
def test_recovery_is_measured_against_the_baseline(
    from_s: float, is_kept: bool, failing: bool
) -> None:
    phase = make_phase(kind="recovery", seconds=20.0, slo=Slo(recovery_s=5))
    (found,), _ = judge(phase, summary(), requests(20.0, from_s, failing), [CALM], ())
    assert found.measured == pytest.approx(from_s, abs=0.5)
    assert found.is_kept is is_kept


@pytest.mark.parametrize(
    ("seconds", "well_from_s", "is_kept"),
    [(6.0, 7.0, None), (6.0, 2.0, True), (12.0, 13.0, False), (12.0, 10.5, False)],
)
def test_a_phase_too_short_to_miss_its_recovery_cannot_tell(
    seconds: float, well_from_s: float, is_kept: bool | None
) -> None:
    phase = make_phase(kind="recovery", seconds=seconds, slo=Slo(recovery_s=10))
    (found,), _ = judge(phase, summary(), requests(seconds, well_from_s), [CALM], ())
    assert found.is_kept is is_kept
    assert ("then the phase was over" in found.note) == (is_kept is None)


def test_what_happened_to_the_target_is_noted() -> None:
    told = summary(outages=(Outage(1.0, 4.5),), interrupted=2, sampled_share=0.5)
    _, notes = judge(make_phase(), told, NOBODY, (), ())
    assert "down from 1.0 to 4.5 s" in notes[0]
    assert len(notes) == 3


@pytest.mark.parametrize(("lag_ms", "is_told"), [(4.0, True), (0.9, False)])
def test_a_median_that_is_the_clients_own_says_so(lag_ms: float, *, is_told: bool) -> None:
    _, notes = judge(
        make_phase(), summary(lag=Quantiles(count=1000, p50_ms=lag_ms)), NOBODY, (), ()
    )
    assert any("client's own lag is 4.00 ms of the p50" in note for note in notes) == is_told


@pytest.mark.parametrize(
    ("points", "word"),
    [
        ((), "too few"),
        (tuple(Point(float(n), 5, 0, 9.0, 9.0) for n in range(20)), "became steady"),
        (tuple(Point(float(n), 5, 0, 9.0 + n, 9.0) for n in range(20)), "not steady"),
    ],
)
def test_a_warm_up_says_whether_it_became_steady(points: tuple[Point, ...], word: str) -> None:
    _, (note,) = judge(make_phase(kind="warm-up"), summary(points=points), NOBODY, (), ())
    assert word in note
