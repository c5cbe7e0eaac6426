"""Series of trials for tests: short plans, a checkout to take commits from, steps to look at."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import uvloop
from tests.support.benching import make_phase, make_plan

from headrace.bench.load.plan import Closed, Mix, Plan, Workload
from headrace.bench.trials.arms import Arm
from headrace.bench.trials.series import Series, Step
from headrace.bench.trials.trial import Conditions, Trial
from headrace.clock import SystemClock

STUB = """\
import http.server


class Always(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"choices": [{"message": {"content": "ok"}}]}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-headrace-cache", "l3")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Always)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""
"""A gateway of another version: it answers everything from what it calls `l3`."""


def short_plan(seconds: float = 0.5, **fields: object) -> Plan:
    """One question again and again, to a provider that answers at once."""
    asked = Workload(mix=Mix(chat=1, stream=0, embeddings=0), repeat_share=1.0, popular=1)
    phase = make_phase(seconds=seconds, users=2, arrivals=Closed(think_s=0.01))
    return make_plan(phase, **{"workload": asked, "sim_profile": "instant", **fields})


def run_series(
    arms: Sequence[Arm],
    plan: Plan,
    *,
    blocks: int = 1,
    on_step: Callable[[Series, Step], None] = lambda _series, _step: None,
    **conditions: object,
) -> tuple[Trial, ...]:
    """Make all trials of a series."""

    async def whole() -> tuple[Trial, ...]:
        series = Series(
            arms,
            plan,
            blocks=blocks,
            seed=1,
            conditions=Conditions(**conditions),  # type: ignore[arg-type]
            clock=SystemClock(),
            on_step=lambda step: on_step(series, step),
        )
        return await series.whole()

    return uvloop.run(whole())


def checkout(folder: Path, program: str) -> Path:
    """A checkout of one commit, whose `headrace` is a program of the test's own."""
    package = folder / "src" / "headrace" / "cli"
    package.mkdir(parents=True)
    for place in (package, package.parent):
        (place / "__init__.py").write_text("")
    subprocess.run(["git", "-C", str(folder), "init", "-q"], check=True)
    commit(folder, program)
    return folder


def commit(folder: Path, program: str) -> None:
    """One more commit of a checkout, with another program."""
    (folder / "src" / "headrace" / "cli" / "main.py").write_text(program)
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for words in (["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def gateways_below(pid: int) -> list[psutil.Process]:
    """Gateways that a process has started."""
    return [each for each in _below(pid) if "serve" in words(each)]


def _below(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def words(process: psutil.Process) -> list[str]:
    """How a process was started; nothing of one that is gone."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
