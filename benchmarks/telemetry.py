"""What traces and metrics cost: a request with and without them, and a scrape of `/metrics`.

    python -m benchmarks.telemetry [--part requests|scrape|spans] [--blocks N] [--seconds S]
        [--json FILE]

`requests` loads gateways in turn, in random order within each round, by blocks of fresh processes:
without telemetry, twice; with traces of which none is recorded; with metrics, and one request in
twenty recorded, or all. A round ends when the gateway has come to rest, so that what its thread
sends is accounted too (wrk and nginx have to be installed).

`scrape` fills 500 series, renders them as `/metrics` does, and tells what that takes of the loop,
and of the thread beside it, in CPU: for longer than both the loop cannot be held. `spans` sends
spans and metrics as the thread of a gateway does, and tells what that costs. Both tell how late the
loop's timers were meanwhile, and before, which on a machine that does other things says little.
"""

import argparse
import asyncio
import random
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
import uvloop
from rich.console import Console

from benchmarks import fresh_blocks, gateway, processes
from benchmarks.fresh_blocks import Figures
from benchmarks.ratios import quantile
from headrace.clock import SystemClock
from headrace.observe.cells import Cells
from headrace.observe.exposition import render
from headrace.observe.families import families_with
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.observe.telemetry.exporting import BATCH_SPANS
from headrace.observe.telemetry.otlp import OtlpLink
from headrace.observe.telemetry.readings import read_row
from headrace.observe.telemetry.traces import Span, Tracer
from headrace.settings.telemetry import TelemetrySettings

BLOCKS: Final = 10
SECONDS: Final = 1.0
OFF, NONE = "off", "traces, none recorded"
METRICS: Final = {"CPU of a miss, in all": (False, True), "CPU of a hit, in all": (True, True)}
SCRAPES: Final = 50
SERIES: Final = 500
SCRAPE_MS_MAX: Final = 5.0
NONE_RATIO_MAX: Final = 1.10
SPANS: Final = 4_000
_TICK_S: Final = 0.001


class Bar(msgspec.Struct, frozen=True):
    """A promise and what was measured of it."""

    name: str
    value: float
    bound: float

    @property
    def is_kept(self) -> bool:
        """Whether it holds."""
        return self.value <= self.bound


class _Sink(BaseHTTPRequestHandler):
    """A collector that takes everything and looks at nothing."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def collecting() -> Iterator[str]:
    """A collector in this process, whose time is nobody's; gives its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def telemetry(url: str, sample: float, *, metrics: bool) -> gateway.Wants:
    """What a gateway is told that sends to `url`."""
    told = {"traces": True, "sample": sample, "metrics": metrics, "endpoint": url}
    return gateway.Wants(more={"telemetry": told})


def measure_requests(blocks: int, seconds: float) -> list[Figures]:
    """CPU of a miss and of a hit, with and without telemetry."""
    with collecting() as url:
        arms = {
            OFF: gateway.NOTHING_MORE,
            "off, again": gateway.NOTHING_MORE,
            NONE: telemetry(url, 0, metrics=False),
            "metrics, 1 in 20 recorded": telemetry(url, 0.05, metrics=True),
            "metrics, all recorded": telemetry(url, 1, metrics=True),
        }
        return fresh_blocks.measure(
            arms, METRICS, blocks=blocks, seconds=seconds, margin=NONE_RATIO_MAX - 1
        )


def _filled() -> tuple[Layout, Cells]:
    """A worker's row, with something in so many series, histograms among them."""
    layout = Layout(families_with((), gen_ai=True))
    board = Cells(layout.size)
    board.slots.assign([f"provider-{number}" for number in range(8)])
    Metrics(layout, board.row(), board.slots, SystemClock())
    places = (place for place in layout.places if place.family.kind != "gauge")
    series = (index for place in places for index, _ in place.each())
    for index in islice(series, SERIES):
        board.row()[index] += 1.0
    return layout, board


async def scrape(scrapes: int) -> dict[str, float]:
    """How long a scrape takes, what of it is on the loop, and how long that is held meanwhile."""
    layout, board = _filled()
    on_loop: list[float] = []
    beside: list[float] = []
    with _watched() as before:
        await asyncio.sleep(0.5)
    with _watched() as during:
        for _ in range(scrapes):
            await asyncio.sleep(0.01)
            began_s = time.thread_time()
            rows, names = board.rows(), board.slots.names()
            on_loop.append(time.thread_time() - began_s)
            beside.append(await asyncio.to_thread(_render_s, layout, rows, names))
    return {
        "series": SERIES,
        "on_loop_ms": median(on_loop) * 1000,
        "beside_ms": median(beside) * 1000,
        **_late(before, during),
    }


def _render_s(layout: Layout, rows: list[list[float]], names: list[str]) -> float:
    """CPU seconds of this thread."""
    began_s = time.thread_time()
    render(layout, rows, names)
    return time.thread_time() - began_s


def _late(before: list[float], during: list[float]) -> dict[str, float]:
    return {
        "timers_late_p99_ms": quantile(during, 0.99) * 1000,
        "timers_late_before_p99_ms": quantile(before, 0.99) * 1000,
    }


async def send_spans(url: str) -> dict[str, float]:
    """What a span costs the thread that sends it, and how long the loop is held meanwhile."""
    settings = TelemetrySettings(traces=True, sample=1, queue_spans_max=SPANS, endpoint=url)
    clock = SystemClock()
    tracer = Tracer(settings, clock, random.Random(3).random, secrets.token_bytes)
    goes = _Goes()
    link = OtlpLink(settings, "bench", clock, goes.pause)
    cpu_s = time.thread_time()
    for number in range(SPANS):
        tracer.ended(_span(tracer, number))
    made_us = (time.thread_time() - cpu_s) / SPANS * 1e6
    with _watched() as before:
        await asyncio.sleep(0.5)
    with _watched() as during:
        sent_s = await asyncio.to_thread(_send_all_s, tracer, link)
        metrics_s = await asyncio.to_thread(_send_metrics_s, link)
    link.abort()
    return {
        "batch": BATCH_SPANS,
        "go_p99_ms": quantile(goes.took_s, 0.99) * 1000,
        "made_us": made_us,
        "sent_us": sent_s / SPANS * 1e6,
        "metrics_ms": metrics_s * 1000,
        **_late(before, during),
    }


class _Goes:
    """How much the thread computes between two pauses, in CPU seconds."""

    def __init__(self) -> None:
        self.took_s: list[float] = []
        self._began_s = 0.0

    def pause(self, pause_s: float) -> None:
        """Wait for some seconds."""
        if self._began_s:
            self.took_s.append(time.thread_time() - self._began_s)
        time.sleep(pause_s)
        self._began_s = time.thread_time()


def _send_all_s(tracer: Tracer, link: OtlpLink) -> float:
    """CPU seconds of this thread."""
    began_s = time.thread_time()
    while batch := tracer.take(BATCH_SPANS):
        assert link.send_spans(batch).is_taken
    return time.thread_time() - began_s


def _send_metrics_s(link: OtlpLink) -> float:
    """CPU seconds of this thread for one export of metrics."""
    layout, board = _filled()
    before = [0.0] * layout.size
    began_s = time.thread_time()
    readings = read_row(layout, board.copy(), before, board.slots.names())
    assert link.send_metrics(readings).is_taken
    return time.thread_time() - began_s


def _span(tracer: Tracer, number: int) -> Span:
    trace = tracer.begin(())
    attributes: tuple[tuple[str, str | int | float], ...] = (
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "gpt-4o-mini"),
        ("gen_ai.response.model", "gpt-4o-mini"),
        ("gen_ai.usage.input_tokens", number),
        ("gen_ai.usage.output_tokens", 210),
        ("http.response.status_code", 200),
        ("headrace.request_id", f"0abcdef01-{number:x}"),
        *((f"headrace.stage.{stage}_ms", 0.25) for stage in ("route", "look_up", "join", "send")),
    )
    return Span(
        "chat gpt-4o-mini",
        "server",
        trace.trace_id,
        trace.span_id,
        "",
        b"",
        False,
        1.0,
        2.0,
        attributes,
    )


@contextmanager
def _watched() -> Iterator[list[float]]:
    """How long the loop was held, at every tick, in seconds."""
    held: list[float] = []

    async def tick() -> None:
        while True:
            began_s = time.perf_counter()
            await asyncio.sleep(_TICK_S)
            held.append(max(0.0, time.perf_counter() - began_s - _TICK_S))

    ticking = asyncio.ensure_future(tick())
    try:
        yield held
    finally:
        ticking.cancel()


def bars(told: dict[str, Any]) -> list[Bar]:
    """What was promised of what was measured."""
    found: list[Bar] = []
    if (figures := told.get("scrape")) is not None:
        ms = figures["on_loop_ms"] + figures["beside_ms"]
        found.append(Bar(f"scrape of {SERIES} series: CPU, ms", ms, SCRAPE_MS_MAX))
    found += (
        Bar(f"{each.metric}: {NONE}, to off", estimate.effect, NONE_RATIO_MAX)
        for each in told.get("requests", ())
        if (estimate := each.against[NONE].estimate) is not None
    )
    return found


def show(console: Console, told: dict[str, Any]) -> None:
    """Print the figures and the bars."""
    for part, figures in told.items():
        console.print(f"[bold]{part}[/]")
        if part == "requests":
            fresh_blocks.show(console, figures)
        else:
            console.print_json(msgspec.json.encode(figures).decode())
    for bar in bars(told):
        word = "[green]kept[/]" if bar.is_kept else "[red]missed[/]"
        console.print(f"{word} {bar.name}: {bar.value:,.3f} (bound {bar.bound:,.3f})")


def main() -> int:
    """Measure, print, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=("requests", "scrape", "spans"))
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="of fresh gateways")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a round of requests")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    told: dict[str, Any] = {}
    try:
        if arguments.part in (None, "scrape"):
            told["scrape"] = uvloop.run(scrape(SCRAPES))
        if arguments.part in (None, "spans"):
            with collecting() as url:
                told["spans"] = uvloop.run(send_spans(url))
        if arguments.part in (None, "requests"):
            told["requests"] = measure_requests(arguments.blocks, arguments.seconds)
    except processes.ChildFailed as failed:
        Console(stderr=True).print(str(failed))
        return 2
    show(Console(), told)
    if arguments.json is not None:
        arguments.json.write_bytes(msgspec.json.encode({"figures": told, "bars": bars(told)}))
    return 0 if all(bar.is_kept for bar in bars(told)) else 1


if __name__ == "__main__":
    sys.exit(main())
