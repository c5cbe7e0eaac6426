"""What the access log says, and what it never says."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.clock import ManualClock
from headrace.observe.access_log import AccessLine, AccessLog, LogFormat
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.log_writer import LogWriter
from headrace.observe.metrics import Metrics
from headrace.observe.sinks import FileSink


class MemorySink:
    """Keeps what is written; can be held up."""

    def __init__(self, is_terminal: bool = False, held: bool = False) -> None:
        self.is_terminal = is_terminal
        self.taken = b""
        self.go = threading.Event()
        if not held:
            self.go.set()

    def write(self, data: memoryview) -> int:
        self.go.wait(10.0)
        self.taken += bytes(data)
        return len(data)

    def reopen(self) -> None:
        self.taken += b"-- reopened\n"

    def close(self) -> None:
        self.go.set()


class Bench:
    """A log into memory and the counters it counts with."""

    def __init__(
        self,
        format_: LogFormat = "json",
        *,
        terminal: bool = False,
        held: bool = False,
        lines_max: int = 20_000,
    ) -> None:
        layout = Layout()
        cells = Cells(layout.size)
        self.metrics = Metrics(layout, cells.row(), cells.slots, ManualClock())
        self._board = cells
        self.sink = MemorySink(terminal, held)
        self.log = AccessLog(
            LogWriter(self.sink, queue_bytes_max=1 << 16),
            format_,
            dropped=self.metrics.log_lines_dropped,
            write_errors=self.metrics.log_write_errors,
            lines_max=lines_max,
        )

    def dropped(self) -> float:
        return self._board.rows()[0][self.metrics.log_lines_dropped.at()]

    def lines(self) -> list[dict[str, Any]]:
        assert self.log.close()
        return [json.loads(line) for line in self.sink.taken.splitlines()]


def line(**changes: Any) -> AccessLine:
    fields: dict[str, Any] = {
        "time": 1_700_000_000.1239,
        "request_id": "req-1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "route": "chat",
        "status": 200,
    }
    return AccessLine(**(fields | changes))


def test_a_line_in_full() -> None:
    bench = Bench()
    bench.log.record(
        line(
            tenant="app",
            key_name="ci",
            client="127.0.0.1:5000",
            provider="openai",
            model="gpt-4o",
            cache="miss",
            stream=True,
            attempts=2,
            duration_ms=12.34567,
            ttfb_ms=1.00049,
            bytes_in=300,
            bytes_out=900,
            input_tokens=7,
            output_tokens=9,
            cost_usd=0.000123,
            error="upstream_broken",
        )
    )
    assert bench.lines() == [
        {
            "time": "2023-11-14T22:13:20.123Z",
            "request_id": "req-1",
            "method": "POST",
            "path": "/v1/chat/completions",
            "route": "chat",
            "status": 200,
            "tenant": "app",
            "key_name": "ci",
            "client": "127.0.0.1:5000",
            "provider": "openai",
            "model": "gpt-4o",
            "cache": "miss",
            "stream": True,
            "attempts": 2,
            "duration_ms": 12.346,
            "ttfb_ms": 1.0,
            "bytes_in": 300,
            "bytes_out": 900,
            "input_tokens": 7,
            "output_tokens": 9,
            "cost_usd": 0.000123,
            "error": "upstream_broken",
        }
    ]


def test_lines_come_in_order_whatever_the_batches() -> None:
    bench = Bench()
    for n in range(1_000):
        bench.log.record(line(request_id=f"r{n}", time=1_700_000_000.0 + n / 3))
        if n % 70 == 0:
            bench.log.flush()
    lines = bench.lines()
    assert [entry["request_id"] for entry in lines] == [f"r{n}" for n in range(1_000)]
    assert [entry["time"] for entry in lines[:4]] == [
        "2023-11-14T22:13:20.000Z",
        "2023-11-14T22:13:20.333Z",
        "2023-11-14T22:13:20.666Z",
        "2023-11-14T22:13:21.000Z",
    ]


@pytest.mark.parametrize("format_", ["json", "console"])
def test_query_strings_are_never_written(format_: LogFormat) -> None:
    bench = Bench(format_)
    bench.log.record(line(path="/v1/models?api_key=hunter2"))
    assert bench.log.close()
    assert b"/v1/models" in bench.sink.taken
    assert b"hunter2" not in bench.sink.taken


OUTSIDE = (
    *("path", "model", "request_id", "method", "error"),
    *("tenant", "key_name", "client", "provider"),
)


@given(st.sampled_from(OUTSIDE), st.text(st.characters(), max_size=400))
def test_nothing_from_outside_breaks_a_line(field: str, text: str) -> None:
    for format_ in ("json", "console"):
        bench = Bench(format_)
        bench.log.record(line(**{field: text}))
        bench.log.record(line(request_id="next"))
        assert bench.log.close()
        written = bench.sink.taken.decode()
        assert written.count("\n") == 2
        assert all(char.isprintable() for char in written.replace("\n", ""))
        if format_ == "json":
            assert json.loads(written.splitlines()[1])["request_id"] == "next"


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[31mb", "a\x00b", "a\x7fb", "a\u202eb", "a\ud800b"])
def test_control_characters_are_taken_out(text: str) -> None:
    bench = Bench()
    bench.log.record(line(model=text))
    cleaned = bench.lines()[0]["model"]
    assert cleaned in ("ab", "a[31mb")


def test_long_fields_are_cut() -> None:
    bench = Bench()
    bench.log.record(line(path="/" + "x" * 10_000, model="m" * 10_000))
    entry = bench.lines()[0]
    assert (len(entry["path"]), len(entry["model"])) == (256, 256)


def test_ordinary_letters_of_any_script_stay() -> None:
    bench = Bench()
    bench.log.record(line(tenant="Zürich 東京"))
    assert bench.lines()[0]["tenant"] == "Zürich 東京"


def test_lines_beyond_the_bound_are_dropped_and_counted() -> None:
    bench = Bench(held=True, lines_max=300)
    # What is queued for a writer that is held up is bounded in bytes, what waits in lines.
    for n in range(3_000):
        bench.log.record(line(request_id=f"r{n}"))
    dropped = int(bench.dropped())
    assert 0 < dropped < 2_700
    bench.sink.go.set()
    assert bench.log.close()
    assert bench.sink.taken.count(b"\n") + dropped == 3_000
    assert bench.sink.taken.startswith(b'{"time":"2023-11-14T22:13:20.123Z","request_id":"r0"')


def test_lines_that_come_after_the_end_are_counted() -> None:
    bench = Bench()
    assert bench.log.close()
    bench.log.record(line())
    bench.log.flush()
    assert bench.dropped() == 1


def test_a_full_disk_is_counted_and_never_reaches_the_caller(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench = Bench()
    writer = LogWriter(FileSink(Path("/dev/full")), retry_s=0.0)
    log = AccessLog(
        writer,
        "json",
        dropped=bench.metrics.log_lines_dropped,
        write_errors=bench.metrics.log_write_errors,
    )
    for _ in range(600):
        log.record(line())
    log.flush()
    assert not log.close()
    assert capsys.readouterr().err.count("No space left") == 1


def test_a_failed_write_is_counted_in_the_metrics() -> None:
    bench = Bench()
    writer = LogWriter(FileSink(Path("/dev/full")))
    log = AccessLog(
        writer,
        "json",
        dropped=bench.metrics.log_lines_dropped,
        write_errors=bench.metrics.log_write_errors,
    )
    log.record(line())
    log.close()
    assert bench._board.rows()[0][bench.metrics.log_write_errors.at()] >= 1


def test_reopening_comes_after_what_was_recorded_or_before_never_between_lines() -> None:
    bench = Bench()
    bench.log.record(line())
    bench.log.reopen()
    bench.log.record(line())
    assert bench.log.close()
    parts = bench.sink.taken.splitlines()
    assert len(parts) == 3
    assert parts.count(b"-- reopened") == 1


def test_the_console_is_for_people() -> None:
    bench = Bench("console")
    bench.log.record(
        line(
            provider="openai",
            model="gpt-4o",
            cache="l1",
            duration_ms=0.07,
            input_tokens=7,
            output_tokens=9,
            cost_usd=0.000123,
            tenant="app",
        )
    )
    bench.log.record(line(status=502, error="upstream_broken", duration_ms=1_234.5))
    assert bench.log.close()
    first, second = bench.sink.taken.decode().splitlines()
    assert " ".join(first.split()) == (
        "22:13:20.123 200 POST /v1/chat/completions l1 0.07 ms openai/gpt-4o 7+9 tok 0.000123 $ "
        "app req-1"
    )
    assert second.endswith("req-1  upstream_broken")
    assert first.index(" ms ") == second.index(" ms ")


@pytest.mark.parametrize("terminal", [True, False])
def test_colours_are_for_terminals_only(terminal: bool) -> None:
    bench = Bench("console", terminal=terminal)
    bench.log.record(line(status=502))
    assert bench.log.close()
    assert (b"\x1b[31m502\x1b[0m" in bench.sink.taken) == terminal
