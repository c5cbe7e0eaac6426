"""`headrace profile` on processes that really run, by a sampler that really looks into them."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.waiting import eventually
from typer.testing import CliRunner, Result

from headrace.bench.load.faults import PlanInvalid
from headrace.cli.main import app
from headrace.clock import SystemClock
from headrace.observe.profiling.sampler import NotProfiled, sample
from headrace.observe.profiling.speedscope import read_speedscope
from headrace.sim.thread import ThreadedSim

BUSY = """
import pathlib, sys
def busy_loop():
    while True:
        sum(range(1000))
pathlib.Path(sys.argv[1]).touch()
busy_loop()
"""


PLAN = """\
name: few
sim_profile: instant
phases: [{name: few questions, kind: load, seconds: 12, users: 20, per_user_per_min: 120}]
"""


@contextlib.contextmanager
def busy_process(folder: Path) -> Iterator[int]:
    """A process that has to do; it takes a whole processor as long as it is there."""
    process = subprocess.Popen([sys.executable, "-c", BUSY, str(folder / "begun")])
    try:
        eventually((folder / "begun").exists)
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def may_look(tmp_path_factory: pytest.TempPathFactory) -> None:
    """This user may look into processes."""
    with busy_process(tmp_path_factory.mktemp("look")) as pid:
        try:
            sample(pid, 1, 20, "whether it may be done here", clock=SystemClock())
        except NotProfiled as why:
            if "may not look into" in str(why):
                pytest.skip(str(why))
            raise


@pytest.fixture
def busy(may_look: None, tmp_path: Path) -> Iterator[int]:
    """A process that has to do, and that this user may look into."""
    with busy_process(tmp_path) as pid:
        yield pid


def profile(*options: str) -> Result:
    return CliRunner().invoke(app, ["profile", "--seconds", "1", "--rate", "50", *options])


@pytest.mark.heavy
def test_any_process_can_be_profiled_and_compared(busy: int, tmp_path: Path) -> None:
    report = tmp_path / "a.html"
    done = profile("--pid", str(busy), "--url", "http://127.0.0.1:1", "--out", str(report))
    assert done.exit_code == 0, done.output
    assert "busy_loop (<string>)" in done.output
    saved = tmp_path / "a.speedscope.json"
    found = read_speedscope(saved.read_bytes())
    assert any("busy_loop (<string>)" in stack for stack in found.stacks)
    page = report.read_text()
    assert "busy_loop" in page
    assert "Stages of requests" not in page

    second = tmp_path / "b.html"
    again = ("--against", str(saved), "--out", str(second), "--pid", str(busy))
    assert profile(*again, "--url", "http://127.0.0.1:1").exit_code == 0
    assert "What changed" in second.read_text()


@pytest.mark.heavy
@pytest.mark.usefixtures("may_look")
def test_a_gateway_is_profiled_with_its_stages_and_allocations(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    with Gateway(tmp_path / "gateway", {"providers": {"sim": provider(sim)}}) as gateway:
        over = threading.Event()
        asking = threading.Thread(target=ask_until, args=(gateway, over))
        asking.start()
        try:
            done = profile("--url", gateway.url, "--out", str(tmp_path / "a.html"))
        finally:
            over.set()
            asking.join()
        assert done.exit_code == 0, done.output
        page = (tmp_path / "a.html").read_text()
        for told in ("Stages of requests", "route", "What is allocated and kept"):
            assert told in page
        assert "headrace/app.py" in page


def provider(sim: ThreadedSim) -> dict[str, str]:
    return {"dialect": "openai", "base_url": f"{sim.url}/v1", "api_key": "sk-sim"}


def ask_until(gateway: Gateway, over: threading.Event) -> None:
    number = 0
    while not over.is_set():
        number += 1
        content = f"question {number}"
        gateway.post(
            "/v1/chat/completions",
            {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}]},
        )


@pytest.mark.heavy
def test_one_that_ends_before_its_time_tells_how_long_it_was(busy: int) -> None:
    asked = iter(range(1000))
    found = sample(busy, 500, 20, "ended", clock=SystemClock(), is_over=lambda: next(asked) >= 30)
    assert found.seconds < 500


def test_a_process_that_is_none_is_told(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    done = profile("--pid", str(ended.pid), "--out", str(tmp_path / "a.html"))
    assert isinstance(done.exception, NotProfiled)
    assert f"no Python process {ended.pid}" in str(done.exception)
    assert not (tmp_path / "a.html").exists()


def test_without_a_gateway_a_process_has_to_be_named(tmp_path: Path) -> None:
    done = profile("--url", "http://127.0.0.1:1", "--out", str(tmp_path / "a.html"))
    assert done.exit_code == 1
    assert "--pid" in done.output


def test_what_is_no_profile_cannot_be_compared_with(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    done = profile("--against", str(tmp_path / "x.json"), "--out", str(tmp_path / "a.html"))
    assert done.exit_code == 2
    assert "no profile that" in done.output


def test_what_is_compared_with_is_not_overwritten(tmp_path: Path) -> None:
    saved = tmp_path / "a.speedscope.json"
    saved.write_text("before")
    done = profile("--against", str(saved), "--out", str(tmp_path / "a.html"))
    assert done.exit_code == 2
    assert "overwritten" in done.output
    assert saved.read_text() == "before"


@pytest.mark.heavy
@pytest.mark.usefixtures("may_look")
def test_a_gateway_is_profiled_under_the_load_of_a_plan(sim: ThreadedSim, tmp_path: Path) -> None:
    """The page tells of both: what was asked, and where the time went meanwhile."""
    report = tmp_path / "a.html"
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    terms = ("--load", str(plan), "--rate", "50", "--out", str(report))
    with Gateway(tmp_path / "gateway", {"providers": {"sim": provider(sim)}}) as gateway:
        done = CliRunner().invoke(app, ["profile", "--url", gateway.url, *terms])
    assert done.exit_code == 0, done.output
    page = report.read_text()
    for told in ("The load", "few questions", "Stages of requests", "headrace/app.py"):
        assert told in page
    assert sim.stats().requests_total > 0


@pytest.mark.heavy
@pytest.mark.usefixtures("may_look")
def test_one_command_profiles_a_gateway_of_its_own(tmp_path: Path) -> None:
    report = tmp_path / "a.html"
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    terms = ("--load", str(plan), "--rate", "50", "--no-allocations", "--out", str(report))
    done = CliRunner().invoke(app, ["profile", *terms])
    assert done.exit_code == 0, done.output
    page = report.read_text()
    for told in ("The load", "few questions", "Stages of requests", "headrace/app.py"):
        assert told in page


def test_a_load_that_is_none_is_told_before_anything_is_done(tmp_path: Path) -> None:
    out = tmp_path / "a.html"
    done = profile("--load", "nothing", "--out", str(out))
    assert isinstance(done.exception, PlanInvalid)
    done = profile("--load", "baseline", "--url", "http://example.com", "--out", str(out))
    assert isinstance(done.exception, PlanInvalid)
    assert not out.exists()
