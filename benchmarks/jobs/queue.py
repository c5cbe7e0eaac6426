"""How fast jobs are taken, and how many are done in a second.

    python -m benchmarks.jobs.queue [--seconds N] [--jobs N] [--only sqlite|postgresql]

Submitting goes over HTTP to a real gateway, at a fixed rate whatever the answers take; jobs are
done by workers in processes of their own, a kind without steps and one of three. PostgreSQL is a
server of its own on this machine. One run after the other, so a busy machine shows in all of them.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.gateway import Gateway
from tests.support.jobs import JobHouse
from tests.support.postgres import PostgresServer, find_binaries

from headrace.jobs.desk import JobDesk
from headrace.store.records.records import Records

RATE = 200
SUBMIT_P99_MS_MAX = 100.0
NOTHING_PER_S_MIN = {"sqlite": 300.0, "postgresql": 1000.0}
CONCURRENCY = 64
_BODY = json.dumps({"kind": "generate", "input": {"model": "m", "prompt": "Hi"}}).encode()


async def submit_at(url: str, rate: int, seconds: float) -> list[float]:
    """Milliseconds from when each submission was due until its answer was read."""
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /v1/jobs HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(_BODY)}\r\n\r\n"
    request = head.encode() + _BODY
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    took: list[float] = []
    began_s = time.perf_counter()

    async def one(due_s: float) -> None:
        await asyncio.sleep(due_s - time.perf_counter())
        line = idle.pop() if idle else await asyncio.open_connection(host, int(port))
        line[1].write(request)
        answer = await line[0].readuntil(b"\r\n\r\n")
        assert b" 202 " in answer, answer
        length = next(
            int(each[15:]) for each in answer.split(b"\r\n") if each.startswith(b"content-length:")
        )
        await line[0].readexactly(length)
        took.append((time.perf_counter() - due_s) * 1000)
        idle.append(line)

    count = round(rate * seconds)
    await asyncio.gather(*(one(began_s + 0.2 + number / rate) for number in range(count)))
    for _, writer in idle:
        writer.close()
    return took


def submitting(url: str, folder: Path, seconds: float) -> float:
    """The 99th percentile of submissions, in milliseconds."""
    settings = {
        "providers": {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:9"}},
        "models": {"m": {"targets": ["p/m"]}},
        "store": {"url": url},
        "jobs": {"embedded": False},
    }
    with Gateway(folder, settings) as gateway:
        asyncio.run(submit_at(gateway.url, 20, 1.0))  # opens files and connections
        took = sorted(asyncio.run(submit_at(gateway.url, RATE, seconds)))
    p50, p99 = (took[round(share * (len(took) - 1))] for share in (0.5, 0.99))
    print(f"  submit at {RATE}/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms of {len(took)}", flush=True)
    return p99


def doing(url: str, folder: Path, kind: str, jobs: int, workers: int) -> float:
    """Jobs done in a second, from the first claim on."""
    with JobHouse(url, folder, queues={"default": {"concurrency": CONCURRENCY}}) as house:
        house.submit(kind, jobs)
        for _ in range(workers):
            house.start_worker()

        async def watch(_: JobDesk, records: Records) -> float:
            began_s, first = 0.0, jobs
            while True:
                (row,) = await records.fetch("jobs.open", {"limit": jobs})
                if row["jobs"] < jobs and not began_s:
                    began_s, first = time.perf_counter(), row["jobs"]
                if row["jobs"] == 0:
                    return first / max(time.perf_counter() - began_s, 1e-9)
                await asyncio.sleep(0.02)

        rate = house.ask(watch)
    print(f"  {kind}: {rate:.0f} jobs/s with {workers} worker(s)", flush=True)
    return rate


@contextmanager
def places(only: str | None) -> Iterator[dict[str, str]]:
    """The stores, by name."""
    with tempfile.TemporaryDirectory():
        found = {"sqlite": "sqlite"}
        binaries = find_binaries()
        if binaries is None or only == "sqlite":
            yield found
            return
        server = PostgresServer(binaries)
        try:
            server.start()
            with server.databases.fresh() as url:
                yield {**found, "postgresql": url} if only is None else {"postgresql": url}
        finally:
            server.close()


def main(arguments: Sequence[str]) -> int:
    """Measure, and say whether the bars are held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    wanted = parser.parse_args(arguments)
    missed = 0
    with places(wanted.only) as found, tempfile.TemporaryDirectory() as base:
        for name, url in found.items():
            print(name, flush=True)
            workers = 2 if name == "postgresql" else 1
            rate = doing(url, Path(base, name, "n"), "nothing", wanted.jobs, workers)
            doing(url, Path(base, name, "s"), "steps", wanted.jobs // 20, workers)
            p99_ms = submitting(url, Path(base, name, "g"), wanted.seconds)
            missed += (rate < NOTHING_PER_S_MIN[name]) + (p99_ms > SUBMIT_P99_MS_MAX)
    print("bars held" if not missed else f"{missed} bars missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
