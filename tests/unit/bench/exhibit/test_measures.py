"""What is measured of a trial, of phases whose requests are known one by one."""

import pytest
from tests.support.benching import make_phase, make_phase_record, make_record, make_summary

from headrace.bench.exhibit.measures import COUNTED, KINDS, figures, measures, recovery_s
from headrace.bench.exhibit.plans import BUSY, DAY, FULL, OVERLOAD, QUICK, RECOVERY, WARM, Effort
from headrace.bench.records import PhaseRecord


def recovered_s(after_ms: list[float]) -> float | None:
    calm = make_phase_record(DAY, [100.0] * 100)
    return recovery_s({DAY: calm, RECOVERY: make_phase_record(RECOVERY, after_ms)})


def test_the_longer_requests_were_late_the_longer_recovery_took() -> None:
    found = [recovered_s([900.0] * late + [100.0] * (100 - late)) for late in range(101)]
    assert found == sorted(found, key=lambda each: each or 0.0)
    assert found[0] == found[5] == found[10] == 0.0
    assert found[100] == 2.0


def test_a_phase_without_requests_has_no_recovery() -> None:
    assert recovered_s([]) is None


@pytest.mark.parametrize("effort", [FULL, QUICK])
def test_the_tail_of_an_overload_is_the_one_it_has_enough_requests_for(effort: Effort) -> None:
    tails = {each.name for each in measures(effort.tail) if each.name.startswith("overload_p")}
    assert tails == {f"overload_{effort.tail}_ms"}


def test_every_measure_is_asked_about_somewhere() -> None:
    asked = {each.name for tail in (FULL.tail, QUICK.tail) for each in measures(tail)}
    assert asked == {kind.measure.name for kind in KINDS}


def test_money_counts_what_there_was_and_the_best_of_the_loads() -> None:
    """Whoever has instances enough is never overloaded: an overload is not what one can do."""

    def phase(name: str, good_per_s: float) -> PhaseRecord:
        summary = make_summary(good_per_s=good_per_s, good_share=0.5, failed=200)
        return PhaseRecord(phase=make_phase(name=name), summary=summary)

    phases = (phase(WARM, 99.0), phase(DAY, 20.0), phase(BUSY, 30.0), phase(OVERLOAD, 2.0))
    told = figures(make_record(phases=phases), {"cost_usd_per_1000_good": 6.0})
    assert [told[name] for name in COUNTED] == pytest.approx([12.0, 3200.0, 2000.0, 30.0])
    assert told["usd_per_1000"] == pytest.approx(12.0 / 3.2)
    assert told["goodput_per_s"] == 2.0
