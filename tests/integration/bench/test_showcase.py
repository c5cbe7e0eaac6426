"""The showcase as users start it, and what becomes of it where something breaks."""

import asyncio
import os
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
from tests.support import headrace_process
from tests.support.benching import run_plan
from tests.support.showcases import late

from headrace.bench import Effort, Showcase, showcase
from headrace.bench.exhibit.arms import OFF, ON
from headrace.bench.exhibit.judge import Seen
from headrace.bench.exhibit.measures import figures, measures
from headrace.bench.exhibit.pictures import pictures
from headrace.bench.exhibit.plans import CAPACITY, DAY, MODEL, OVERLOAD, day_plan, whole_plan
from headrace.bench.exhibit.run import Going, stages
from headrace.bench.report.page import page
from headrace.settings import parse_settings
from headrace.sim.options import SimOptions
from headrace.sim.pace import Profile
from headrace.sim.thread import running

# Trials take minutes where others want the processor, too.
pytestmark = pytest.mark.timeout(900)

TINY = Effort(
    speed=10.0,
    pairs=1,
    pairs_alone=0,
    popular=10,
    is_controlled=True,
    tail="p90",
    warm_s=1.0,
    day_s=15.0,
    busy_s=0.0,
    overload_s=5.0,
    recovery_s=5.0,
)


def gateways() -> list[psutil.Process]:
    """Gateways of this process that run."""
    return [each for each in psutil.Process().children(recursive=True) if is_gateway(each)]


def is_gateway(process: psutil.Process) -> bool:
    try:
        return "serve" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def test_plans_are_scaled_and_ask_what_the_parts_are_there_for() -> None:
    plan = whole_plan(TINY)
    names = [phase.name for phase in plan.phases]
    assert names == ["warm-up", "day", "overload", "recovery"]
    by_name = {phase.name: phase for phase in plan.phases}
    assert by_name["day"].seconds == 1.5
    assert by_name[OVERLOAD].rate_per_s > 4 * by_name[DAY].rate_per_s
    slow = whole_plan(msgspec.structs.replace(TINY, speed=1.0, busy_s=9.0))
    assert slow.phases[1].rate_per_s == pytest.approx(by_name["day"].rate_per_s / 10)
    assert [phase.name for phase in slow.phases][2] == "busy"
    assert plan.workload.agent_share > 0
    assert plan.workload.reworded_share > 0


def test_every_arm_is_a_setting_that_a_gateway_takes() -> None:
    for quick in (TINY, msgspec.structs.replace(TINY, speed=1.0)):
        for stage in stages(msgspec.structs.replace(quick, pairs_alone=1), 1):
            for arm in stage.arms:
                providers = {
                    name: {"base_url": "http://127.0.0.1:1/v1", **given}
                    for name, given in arm.settings["providers"].items()
                }
                text = msgspec.json.encode({**arm.settings, "providers": providers}).decode()
                assert parse_settings(text, {}).models[MODEL].targets


@pytest.mark.heavy
def test_a_run_has_a_figure_for_each_measure_and_something_to_draw() -> None:
    options = SimOptions(port=0, profile=Profile.REAL, speed=10.0, capacity=CAPACITY)
    with running(options) as sim:
        record = run_plan(day_plan(TINY), sim.url)
    told = figures(record, {"cost_usd_per_1000_good": 2.0, "cpu_us_per_answer": 300.0})
    assert told["mean_ms"] is not None
    assert told["p50_ms"] is not None
    assert told["p99_ms"] is None
    assert told["goodput_per_s"] is None
    assert (told["usd_per_1000"] or 0) <= 2.0
    assert told["cpu_us"] == 300.0
    assert told.keys() >= {each.name for each in measures("p90")}
    seen = [
        Seen(arm=arm, block=block, figures=told, record=record, why=None)
        for arm in (OFF, ON)
        for block in range(2)
    ]
    drawn = pictures(seen, (OFF, ON), np.random.default_rng(1))
    assert [span.name for span in drawn.spans] == ["warm-up", "day"]
    assert all(curve.points for curve in (*drawn.percentiles, *drawn.timeline))
    assert len(drawn.loads) == 2
    assert all(shift.effect == pytest.approx(1.0) for shift in drawn.shifts)


@pytest.mark.heavy
def test_an_arm_that_dies_in_its_trial_has_no_verdict_and_the_rest_is_told() -> None:
    killed: list[int] = []

    def kill(going: Going) -> None:
        if going.step.arm == ON and going.step.now and going.step.now.sent and not killed:
            for gateway in gateways():
                killed.append(gateway.pid)
                gateway.kill()

    found: Showcase = asyncio.run(showcase(TINY, on_going=kill))
    assert killed
    assert all(row.answer.verdict == "insufficient" for row in found.main.rows)
    assert found.main.rows[0].b == (None,)
    assert found.main.rows[0].a[0] is not None or late(found.notes)
    assert any(ON in note and "failed" in note for note in found.notes)
    assert found.impact is None
    assert "insufficient" in page(found)
    assert gateways() == []


@pytest.mark.heavy
def test_the_command_writes_a_report_that_says_what_it_cannot_tell(tmp_path: Path) -> None:
    out = tmp_path / "report"
    command = ("showcase", "--quick", "--blocks", "1", "--out", str(out))
    done = headrace_process.run(*command, environment=dict(os.environ), timeout_s=840)
    assert done.returncode == 0, done.stderr
    assert "mean latency, by day" in done.stdout
    assert "insufficient" in done.stdout
    html = (out / "showcase.html").read_text("utf-8")
    assert "<svg" in html
    assert "headrace showcase --quick --blocks 1 --seed 1" in html
    assert "insufficient" in (out / "showcase.md").read_text("utf-8")
    found = msgspec.json.decode((out / "showcase.json").read_bytes())
    assert (found["main"]["rows"][0]["a"][0] or 0) > 0 or late(found["notes"])
    assert len(list(out.iterdir())) == 3
