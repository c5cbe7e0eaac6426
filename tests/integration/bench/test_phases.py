"""Runs of several phases: against targets that go away, and as users start them."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.support import headrace_process
from tests.support.benching import make_phase, make_plan, run_plan
from tests.support.raw_server import RawServer, answering, silent
from tests.support.waiting import eventually

from headrace.bench.load.plan import Constant, Mix, Phase, Plan, Slo, Workload
from headrace.bench.phases import plans
from headrace.bench.phases.run import Now, Run
from headrace.bench.phases.watch import tree
from headrace.bench.records import read
from headrace.sim.options import SimOptions
from headrace.sim.thread import running

# Trials take minutes where others want the processor, too.
pytestmark = pytest.mark.timeout(900)

_CHILD = "import time\nwhile time.process_time() < 0.4: pass"
_PARENT = f"""\
import subprocess, sys
subprocess.run([sys.executable, "-c", {_CHILD!r}], check=True)
print("reaped", flush=True)
sys.stdin.read()
"""
BODY = b'{"choices": [{"message": {"content": "ok"}}]}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
CHATS = Workload(mix=Mix(chat=1, stream=0, embeddings=0))


def phase(name: str, **fields: object) -> Phase:
    given = {"seconds": 0.4, "arrivals": Constant(), "timeout_s": 20.0}
    return make_phase(name=name, **{**given, **fields})


@pytest.mark.heavy
def test_phases_follow_each_other_and_each_is_told_apart() -> None:
    plan = make_plan(phase("a"), phase("b", users=20), phase("c"))
    with running(SimOptions(port=0)) as sim:
        record = run_plan(plan, sim.url, workers=2)
        seen = sim.stats().requests_total
    counts = [each.summary.requests for each in record.phases]
    assert counts == [12, 24, 12]
    assert sum(counts) == seen
    assert sum(point.requests for point in record.phases[1].summary.points) == 24


def broken(when_down: str) -> Plan:
    """A phase in which a target can go, and one after that."""
    return make_plan(
        phase("a", seconds=8.0, timeout_s=1.0),
        phase("b", seconds=0.5),
        workload=CHATS,
        when_down=when_down,
    )


def gone(server: RawServer) -> Callable[[Run, Now], None]:
    """Ends a server when it has answered a few times, and keeps its port from others."""

    def end(_run: Run, now: Now) -> None:
        if now.sent >= 5 and now.p50_ms is not None and not taken:
            server.__exit__(None, None, None)
            taken.append(socket.socket())
            taken[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken[0].bind(("127.0.0.1", server.port))

    taken: list[socket.socket] = []
    return end


@pytest.mark.heavy
def test_a_target_that_goes_in_the_middle_is_marked_and_the_run_goes_on() -> None:
    server = RawServer(answering(ANSWER)).__enter__()
    record = run_plan(broken("go-on"), server.url, on_now=gone(server))
    assert record.status == "whole"
    assert [each.phase.name for each in record.phases] == ["a", "b"]
    first = record.phases[0]
    assert first.summary.outcomes["ok"] > 0
    assert first.summary.outages
    assert any("was down" in note for note in first.notes)
    assert record.phases[1].summary.outcomes.keys() == {"connect"}


@pytest.mark.heavy
def test_a_run_that_should_end_with_its_target_does() -> None:
    server = RawServer(answering(ANSWER)).__enter__()
    record = run_plan(broken("end"), server.url, on_now=gone(server))
    assert record.status == "target down"
    assert [each.phase.name for each in record.phases] == ["a"]


@pytest.mark.heavy
def test_a_phase_that_breaks_what_it_has_to_keep_is_told() -> None:
    plan = make_plan(phase("a", timeout_s=0.2, slo=Slo(error_share=0.1)), workload=CHATS)
    with RawServer(silent()) as server:
        (only,) = run_plan(plan, server.url).phases
    assert [verdict.is_kept for verdict in only.verdicts] == [False]


@pytest.mark.heavy
def test_the_processes_of_a_target_are_watched() -> None:
    # A process of its own: what a child takes that ends meanwhile is nobody's until it is reaped.
    with running(SimOptions(port=0)) as sim, subprocess.Popen(["sleep", "600"]) as own:
        try:
            record = run_plan(make_plan(phase("a", seconds=1.5)), sim.url, pid=own.pid)
        finally:
            own.kill()
    assert record.readings
    assert all(reading.rss_mb > 0 and reading.at_s >= 0 for reading in record.readings)
    times = [reading.cpu_s for reading in record.readings]
    assert times == sorted(times)


def test_what_children_took_stays_when_they_are_gone() -> None:
    """The child burns a known amount of CPU time and ends; its parent reaps it and stays."""
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        parent.stdout.readline()  # the child is gone
        found = tree(parent.pid)
        parent.stdin.close()
    assert found is not None
    assert found[1] >= 0.3


def test_a_process_that_is_gone_is_not_watched() -> None:
    done = subprocess.Popen(["true"])
    done.wait()
    assert tree(done.pid) is None


PLAN = """\
name: small
sim_profile: instant
lag_share: 1000
phases:
  - {name: warm-up, kind: warm-up, seconds: 0.5, users: 5, per_user_per_min: 120}
  - name: baseline
    kind: baseline
    seconds: 1
    users: 10
    per_user_per_min: 120
    slo: {error_share: 0.01, rss_mb: 4000}
"""


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(PLAN)
    return file


def bench(*arguments: str, timeout_s: float = 400.0) -> subprocess.CompletedProcess[str]:
    return headrace_process.run(
        "bench", *arguments, environment=dict(os.environ), timeout_s=timeout_s
    )


@pytest.mark.heavy
def test_a_plan_is_run_against_a_gateway_of_its_own(tmp_path: Path, plan_file: Path) -> None:
    out = tmp_path / "runs.jsonl"
    done = bench("run", str(plan_file), "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = read(out)
    assert record.plan == plans.parse(PLAN, "small")
    assert all(each.summary.failed == 0 for each in record.phases)
    assert record.phases[1].summary.caches
    assert record.readings
    assert "baseline" in done.stdout
    assert "kept" in done.stdout


def test_a_plan_may_say_how_its_gateway_is_set(plan_file: Path) -> None:
    plan_file.write_text(PLAN + "gateway: {cache: {nonsense: 1}}\n")
    done = bench("run", str(plan_file))
    assert done.returncode == 1
    assert "nonsense" in done.stderr


@pytest.mark.heavy
def test_a_limit_that_is_broken_makes_the_command_fail(plan_file: Path) -> None:
    plan_file.write_text(PLAN.replace("rss_mb: 4000", "rss_mb: 1"))
    done = bench("run", str(plan_file))
    assert done.returncode == 1
    assert "BROKEN" in done.stdout


@pytest.mark.heavy
def test_what_cannot_be_known_is_not_passed(plan_file: Path) -> None:
    plan_file.write_text(PLAN.replace("rss_mb: 4000", "p99_ms: 1000000"))
    done = bench("run", str(plan_file))
    assert done.returncode == 3
    assert "not known" in done.stdout


@pytest.mark.heavy
def test_a_full_disk_fails_after_the_figures_were_shown(plan_file: Path) -> None:
    with running(SimOptions(port=0)) as sim:
        done = bench("run", str(plan_file), "--url", sim.url, "--pid", "1", "--out", "/dev/full")
    assert done.returncode == 1
    assert "baseline" in done.stdout
    assert "No space left on device; no run was written" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "nope"), "baseline, compare, gate, soak, spike, stress"),
        (("run", "baseline", "--url", "http://example.com"), "--i-may-load-this-host"),
        (("run", "baseline", "--url", "http://127.0.0.1:9", "--sim", "fast"), "not with --url"),
        (("load", "http://127.0.0.1:9", "--trace", "x"), "belong together"),
        (("load", "http://127.0.0.1:9", "--arrivals", "trace", "--trace", "/x"), "No such file"),
        (("load", "http://127.0.0.1:9", "--mix", "1:2"), "three numbers"),
        (("load", "http://127.0.0.1:9", "--api-key-env", "NOT_SET"), "NOT_SET is not set"),
        (("load", "http://127.0.0.1:9", "--rate", "1e5", "--seconds", "1e5"), "are the most"),
        (("load", "http://127.0.0.1:9", "--nonce", "two words"), "letters, digits"),
        (("load", "http://127.0.0.1:9", "--out", "/nowhere/x"), ": /nowhere/x: No such file"),
        (("load", "http://127.0.0.1:9", "--rate", "1e9"), "--rate 1e+09: at most 333,333 for"),
        (("load", "http://127.0.0.1:9", "--pid", "4194305"), "--pid 4194305: there is no such"),
        (
            ("load", "http://127.0.0.1:9", "--cv", "3"),
            "--cv is for --arrivals gamma, not for poisson",
        ),
        (("load", "http://127.0.0.1:9", "--think", "1"), "is for --arrivals closed"),
        (("load", "http://127.0.0.1:9", "--speed", "2"), "is for --arrivals trace"),
        (("run", "baseline", "--pid", "1"), "give its --url"),
        (("run", "baseline", "--api-key-env", "PATH"), "give its --url"),
    ],
)
def test_what_makes_no_sense_is_told_in_words(arguments: tuple[str, ...], words: str) -> None:
    done = bench(*arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_ends_a_run_with_what_was_measured(tmp_path: Path) -> None:
    out, said = tmp_path / "runs.jsonl", tmp_path / "said.txt"
    with running(SimOptions(port=0)) as sim, said.open("wb") as output:
        process = headrace_process.start(
            *("bench", "load", sim.url, "--seconds", "600", "--rate", "50", "--out", str(out)),
            environment=dict(os.environ),
            folder=tmp_path,
            stdout=output,
            stderr=output,
        )
        try:
            eventually(lambda: sim.stats().requests_total >= 10)
            process.send_signal(signal.SIGINT)
            status = process.wait(60)
        finally:
            process.kill()
    assert status == 130, said.read_text()
    (record,) = read(out)
    assert record.status == "interrupted"
    assert record.phases[0].summary.requests >= 1
    assert "not whole" in said.read_text()


@pytest.mark.heavy
def test_what_a_run_has_started_ends_with_it_even_when_it_is_killed(
    tmp_path: Path, plan_file: Path
) -> None:
    plan_file.write_text(PLAN.replace("seconds: 2", "seconds: 600"))
    process = headrace_process.start(
        *("bench", "run", str(plan_file)),
        # What is killed leaves its folder behind.
        environment={**os.environ, "TMPDIR": str(tmp_path)},
        folder=tmp_path,
    )
    try:
        # The simulator, the gateway and the process that loads it.
        family = eventually(lambda: whole_family(process.pid))
    finally:
        process.kill()
    process.wait(60)
    assert psutil.wait_procs(family, 60)[1] == []


def whole_family(pid: int) -> list[psutil.Process]:
    found = psutil.Process(pid).children(recursive=True)
    return found if len(found) >= 3 else []


def test_a_plan_is_printed_as_it_can_be_read() -> None:
    done = bench("plan", "spike")
    assert plans.parse(done.stdout, "printed").name == "spike"
    short = bench("plan", "spike", "--short")
    assert plans.parse(short.stdout, "printed").seconds < 60


@pytest.mark.heavy
def test_a_load_of_which_nothing_was_good_fails() -> None:
    with RawServer(answering(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n")) as server:
        done = bench("load", server.url, "--seconds", "0.5", "--rate", "10")
    assert done.returncode == 1
    assert "Nothing was good" in done.stdout


@pytest.mark.heavy
def test_two_runs_on_a_living_target_ask_different_things(tmp_path: Path) -> None:
    out = tmp_path / "runs.jsonl"
    terms = ("--seconds", "0.5", "--rate", "10", "--out", str(out))
    with running(SimOptions(port=0)) as sim:
        for more in ((), (), ("--nonce", "mine")):
            bench("load", sim.url, *terms, *more)
    first, second, third = (record.nonce for record in read(out))
    assert len({first, second, third}) == 3
    assert third == "mine"


@pytest.mark.heavy
def test_two_files_of_runs_are_compared(tmp_path: Path, plan_file: Path) -> None:
    """As users do it: each arm as often as the other, side by side."""
    files = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    with running(SimOptions(port=0)) as sim:
        for file in files * 2:
            terms = ("--url", sim.url, "--time", "0.2", "--out", str(file))
            bench("run", str(plan_file), *terms)
    done = bench("verdict", *map(str, files), "--metric", "good_per_s", "--metric", "p50_ms")
    assert done.returncode == 0, done.stderr
    assert "2 pairs; no verdict is possible below 7 with 2 questions" in done.stdout


# What a busy machine cannot make worse: nothing fails, caches answer, memory stays.
ANYWHERE = frozenset({"error_share", "hit_share", "rss_mb"})


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "time", "users"),
    [("baseline", 0.05, 100), ("stress", 0.05, 1000), ("spike", 0.1, 2000), ("soak", 0.006, 500)],
)
def test_a_shipped_plan_is_run_with_all_its_users(
    tmp_path: Path, name: str, time: float, users: int
) -> None:
    """For a short time; latencies, CPU time and recovery are told, and judged where it is quiet."""
    out = tmp_path / "runs.jsonl"
    terms = ("--time", str(time), "--users", "1", "--out", str(out))
    done = bench("run", name, *terms, timeout_s=840.0)
    assert done.returncode in {0, 1, 3}, done.stdout + done.stderr
    (record,) = read(out)
    assert record.status == "whole", done.stdout
    assert max(each.phase.users for each in record.phases) == users
    verdicts = [each for phase in record.phases for each in phase.verdicts]
    asked = {each.name for each in verdicts}
    assert asked >= {"error_share", "rss_mb"}
    assert [each for each in verdicts if each.name in ANYWHERE and not each.is_kept] == []
