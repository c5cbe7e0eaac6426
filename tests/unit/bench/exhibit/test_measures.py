"""What is measured of a trial, of phases whose requests are known one by one."""

import pytest
from tests.support.benching import make_phase_record

from headrace.bench.exhibit.measures import KINDS, measures, recovery_s
from headrace.bench.exhibit.plans import DAY, FULL, QUICK, RECOVERY, Effort


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
