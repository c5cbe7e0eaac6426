"""wrk, the closed-loop load generator: keep-alive connections as fast as answers come."""

import shutil
from pathlib import Path

import msgspec

from benchmarks import processes, workload

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 32
MARK = "SUMMARY "


class WrkSummary(msgspec.Struct, frozen=True):
    """What wrk saw."""

    requests: int
    duration_us: int
    errors: int
    p50_us: int
    p99_us: int


def require() -> None:
    """Check that wrk is there.

    Raises:
        ChildFailed: it is not; the message says how to get it.
    """
    if shutil.which("wrk") is None:
        raise processes.ChildFailed("wrk is not installed: apt-get install wrk")


def run(
    template: workload.Template,
    port: int,
    directory: Path,
    *,
    seconds: float,
    distinct: bool,
    first: int,
    connections: int = CONNECTIONS,
) -> WrkSummary:
    """Load a target for some whole seconds.

    Args:
        template: the request.
        port: the target's loopback port.
        directory: where the request's parts are written for wrk to read.
        seconds: how long; rounded to whole seconds, at least one.
        distinct: count up, so that no two requests are equal.
        first: where the counter starts.
        connections: kept-alive connections.
    """
    before, after = directory / "request.before", directory / "request.after"
    before.write_bytes(template.before)
    after.write_bytes(template.after)
    whole_seconds = max(1, round(seconds))
    arguments = ["wrk", "-t1", f"-c{connections}", f"-d{whole_seconds}s", "--timeout", "30s"]
    arguments += ["-s", str(SCRIPT), f"http://127.0.0.1:{port}/", "--", str(before), str(after)]
    arguments += [str(workload.COUNTER_DIGITS), "distinct" if distinct else "same", str(first)]
    output = processes.run_to_end(arguments, seconds_max=whole_seconds + 40)
    return parse_summary(output)


def parse_summary(output: str) -> WrkSummary:
    """Find the summary that `load.lua` prints.

    Raises:
        ChildFailed: there is none.
    """
    for line in output.splitlines():
        if line.startswith(MARK):
            return msgspec.json.decode(line[len(MARK) :], type=WrkSummary)
    raise processes.ChildFailed(f"wrk printed no summary:\n{output[-1500:]}")
