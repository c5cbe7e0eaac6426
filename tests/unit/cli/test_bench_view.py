"""What `headrace bench` shows of a run."""

import msgspec
import pytest
from rich.console import Console
from tests.support.benching import make_phase_record, make_record, make_summary

from headrace.cli.bench_view import show


@pytest.mark.parametrize(("good_per_s", "is_told"), [(110.0, True), (90.0, False)])
def test_more_good_ones_than_answers_a_second_is_explained(
    good_per_s: float, is_told: bool
) -> None:
    phase = msgspec.structs.replace(
        make_phase_record("load", [10.0] * 20), summary=make_summary(good_per_s=good_per_s)
    )
    console = Console(width=160)
    with console.capture() as shown:
        show(console, make_record(phases=(phase,)))
    told = shown.get()
    assert f"{good_per_s}" in told
    assert ("for each second of the schedule" in told) is is_told
