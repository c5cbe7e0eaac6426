"""Every case that can be named is run, and has its place in the report."""

from pathlib import Path

import pytest
from benchmarks import suite
from benchmarks.bench import ASKED_FOR, CASES, FULL, QUICK, WITH_WRK, WITHOUT_NGINX, Bench
from benchmarks.progress import Steps
from benchmarks.run_record import Report
from rich.progress import Progress


def bench(tmp_path: Path, *, with_gateway: bool = True) -> Bench:
    return Bench(QUICK, with_gateway, 1, tmp_path, Steps(Progress(disable=True)))


def test_every_case_fills_a_field_of_its_own(tmp_path: Path) -> None:
    sections = bench(tmp_path).sections()
    assert set(sections) == {*CASES, *ASKED_FOR}
    fields = [field for field, _ in sections.values()]
    assert len(set(fields)) == len(fields)
    assert set(fields) <= set(Report.__struct_fields__)
    assert {*WITH_WRK, *WITHOUT_NGINX} <= set(sections)


@pytest.mark.parametrize("case", ["tiers", "workload", "everything"])
def test_without_a_gateway_nothing_is_asked_of_one(tmp_path: Path, case: str) -> None:
    _, run = bench(tmp_path, with_gateway=False).sections()[case]
    assert not run()
    assert list(tmp_path.iterdir()) == []


def test_quick_is_less_in_everything() -> None:
    assert QUICK.load.rounds < FULL.load.rounds
    assert QUICK.tiers.rounds * QUICK.tiers.round_s < FULL.tiers.rounds * FULL.tiers.round_s
    assert QUICK.workload_seeds < FULL.workload_seeds
    assert QUICK.endurance_minutes < FULL.endurance_minutes


@pytest.mark.parametrize("given", ["0", "1441", "long"])
def test_minutes_that_make_no_sense_are_refused(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        suite.main(["--cases", "endurance", "--endurance-minutes", given])
    assert "--endurance-minutes" in capsys.readouterr().err
