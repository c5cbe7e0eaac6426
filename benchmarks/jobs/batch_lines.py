"""How long a batch of 50,000 lines takes one worker, and what memory it takes meanwhile.

    python -m benchmarks.jobs.batch_lines [--lines N] [--folder DIR]

The provider is simulated and answers at once, so that this is what the gateway itself takes. Each
line has a prompt of its own: none is answered from the cache. The cache keeps 64 MiB, which it
reaches on its own account, so memory is told from where a tenth of the lines is done.
"""

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import gateway, procfs, simulator
from benchmarks.workload import MODEL

LINES = 50_000
POLL_S = 0.25
SECONDS_MAX = 60.0
GROWTH_MIB_MAX = 32.0
WAIT_S_MAX = 300.0
_WARMED_SHARE = 0.1
_BOUNDARY = "headrace-batch-lines"


class Figures(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes:
        upload_s: seconds until the file was taken in.
        run_s: seconds from asking for the batch until it was completed.
        cpu_us: CPU of the gateway for a line, microseconds.
        idle_mib: resident memory before, MiB.
        warmed_mib: the same when a tenth of the lines was done.
        peak_mib: the most that was seen from then on.
        completed: lines that were answered.
    """

    upload_s: float
    run_s: float
    cpu_us: float
    idle_mib: float
    warmed_mib: float
    peak_mib: float
    completed: int


def lines(count: int) -> bytes:
    """The file; every prompt is another one."""
    made = (
        {
            "custom_id": f"line-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": MODEL,
                "messages": [{"role": "user", "content": f"What is {number} plus one?"}],
                "max_tokens": 16,
            },
        }
        for number in range(count)
    )
    return b"".join(msgspec.json.encode(line) + b"\n" for line in made)


def form(content: bytes) -> bytes:
    """The file as a form."""
    head = (
        f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="b.jsonl"\r\n\r\n'
    )
    return head.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()


def ask(
    port: int, method: str, path: str, body: bytes = b"", kind: str = "application/json"
) -> Any:
    """What the gateway answers.

    Raises:
        SystemExit: it is an error.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120.0)
    headers: Mapping[str, str] = {"authorization": f"Bearer {gateway.KEY}", "content-type": kind}
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        told = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status != 200:
        raise SystemExit(f"{method} {path}: {answer.status} {told}")
    return told


def measure(folder: Path, count: int) -> Figures:
    """Run one batch."""
    wants = gateway.Wants(data_dir=folder / "data")
    with (
        simulator.serving(folder) as provider,
        gateway.serving("headrace", folder, provider, wants=wants) as served,
    ):
        pid, port = served.child.pid, served.port
        idle_mib = procfs.tree_memory(pid).rss_mib
        began_s = time.perf_counter()
        kind = f"multipart/form-data; boundary={_BOUNDARY}"
        file_id = ask(port, "POST", "/v1/files", form(lines(count)), kind)["id"]
        upload_s = time.perf_counter() - began_s
        wish = {"input_file_id": file_id, "endpoint": "/v1/chat/completions"}
        before, began_s = procfs.tree_cpu(pid), time.perf_counter()
        batch = ask(
            port, "POST", "/v1/batches", json.dumps({**wish, "completion_window": "24h"}).encode()
        )
        warmed_mib = peak_mib = 0.0
        while batch["status"] not in ("completed", "failed", "cancelled", "expired"):
            if time.perf_counter() - began_s > WAIT_S_MAX:
                raise SystemExit(f"not completed within {WAIT_S_MAX:.0f} s: {batch}")
            time.sleep(POLL_S)
            batch = ask(port, "GET", f"/v1/batches/{batch['id']}")
            rss_mib = procfs.tree_memory(pid).rss_mib
            if batch["request_counts"]["completed"] >= count * _WARMED_SHARE:
                warmed_mib = warmed_mib or rss_mib
                peak_mib = max(peak_mib, rss_mib)
        run_s = time.perf_counter() - began_s
        cpu_us = procfs.cpu_between_us(before, procfs.tree_cpu(pid)) / count
        done = batch["request_counts"]["completed"]
    return Figures(upload_s, run_s, cpu_us, idle_mib, warmed_mib, peak_mib, done)


def report(figures: Figures, count: int) -> bool:
    """Print the figures and the bars; whether all were kept."""
    growth_mib = figures.peak_mib - figures.warmed_mib
    # The bar is for 50,000 lines; fewer have as much less time.
    limit_s = SECONDS_MAX * count / LINES
    rows = (
        ("lines answered", f"{figures.completed}", figures.completed == count, f"{count}"),
        (
            "from wish to results",
            f"{figures.run_s:.1f} s",
            figures.run_s < limit_s,
            f"< {limit_s:g} s",
        ),
        (
            "memory grows after a tenth by",
            f"{growth_mib:.1f} MiB",
            growth_mib < GROWTH_MIB_MAX,
            f"< {GROWTH_MIB_MAX:g} MiB",
        ),
    )
    for name, figure, kept, bar in rows:
        print(f"{name:<32}{figure:>12}   {bar:<12} {'kept' if kept else 'MISSED'}")
    print(f"{'lines a second':<32}{count / figures.run_s:>12.0f}")
    print(f"{'CPU of the gateway for a line':<32}{figures.cpu_us:>9.0f} us")
    print(f"{'taking the file in':<32}{figures.upload_s:>10.2f} s")
    print(
        f"{'memory idle, then at the most':<32}{figures.idle_mib:.0f}, {figures.peak_mib:.0f} MiB"
    )
    return all(kept for _, _, kept, _ in rows)


def main() -> int:
    """Measure, print, and say by the exit code whether the bars were kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--folder", help="for files and results; a temporary one by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        figures = measure(Path(folder), arguments.lines)
    return 0 if report(figures, arguments.lines) else 1


if __name__ == "__main__":
    sys.exit(main())
