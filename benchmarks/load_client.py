"""How fast the client of `headrace bench` is: a closed loop on a server that only reads and writes.

    python -m benchmarks.load_client [--seconds 5] [--users 64] [--workers 1]

The server answers without looking, so what is told is what the client can do at most on this
machine; the server takes a core of its own. What is measured with it should need far less.
"""

import argparse
import asyncio
import resource
import sys
from typing import cast

import uvloop

from headrace.bench.load.crew import Target
from headrace.bench.load.plan import Closed, Mix, Phase, Plan, Workload
from headrace.bench.phases.run import Run, Terms
from headrace.bench.records import RunRecord
from headrace.clock import SystemClock

PROMISE_PER_S = 20_000
BODY = b'{"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
END = b"\r\n\r\n"


class Bare(asyncio.Protocol):
    """Answers each read: the client sends one request at a time, in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep how to write."""
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        """Answer."""
        if END in data:
            self._write(ANSWER)


async def serve() -> None:
    """Listen on a free port, say which, and answer until the input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Bare, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


async def measure(seconds: float, users: int, workers: int) -> tuple[RunRecord, float]:
    """Run the closed loop; tells the CPU seconds of the client's processes too."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.load_client", "--serve"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    assert server.stdin is not None
    url = f"http://127.0.0.1:{int(await server.stdout.readline())}"
    phase = Phase(name="load", kind="load", seconds=seconds, users=users, arrivals=Closed())
    workload = Workload(mix=Mix(chat=1, stream=0, embeddings=0), repeat_share=1.0)
    plan = Plan(name="client", phases=(phase,), workload=workload)
    try:
        terms = Terms(workers=workers, rows_max=0)
        run = Run(plan, Target.of(url), url, terms, SystemClock(), lambda _now: None)
        record = await run.whole()
        # Of children that have ended: the server has not.
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return record, used.ru_utime + used.ru_stime
    finally:
        server.stdin.close()
        await server.wait()


def main() -> None:
    """Measure, and hold the figure against the promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--serve", action="store_true", help="be the server")
    given = parser.parse_args()
    if given.serve:
        uvloop.run(serve())
        return
    record, cpu_s = uvloop.run(measure(given.seconds, given.users, given.workers))
    summary = record.phases[0].summary
    verdict = "held" if summary.throughput_per_s >= PROMISE_PER_S else "missed"
    sys.stdout.write(
        f"{summary.throughput_per_s:,.0f} requests/s by {given.workers} process(es), "
        f"{cpu_s / max(1, summary.requests) * 1e6:.0f} CPU µs each with starting, "
        f"{summary.failed} failed, load average {record.environment.load_average:.1f}; "
        f"promise >= {PROMISE_PER_S:,}: {verdict}\n"
    )


if __name__ == "__main__":
    main()
