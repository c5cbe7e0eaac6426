"""What the gateway says of itself, and how often."""

import json
from typing import Any

import pytest

from headrace.clock import ManualClock
from headrace.observe.access_log import LogFormat
from headrace.observe.cells import Cells
from headrace.observe.event_log import EventLog, Repetition
from headrace.observe.layout import Layout
from headrace.observe.log_writer import LogWriter
from headrace.observe.metrics import Metrics


class MemorySink:
    """Keeps what is written."""

    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal = is_terminal
        self.taken = b""

    def write(self, data: memoryview) -> int:
        self.taken += bytes(data)
        return len(data)

    def reopen(self) -> None: ...

    def close(self) -> None: ...


class Bench:
    """An event log into memory with a clock that is moved by hand."""

    def __init__(
        self, format_: LogFormat = "json", *, terminal: bool = False, queue_bytes_max: int = 1 << 16
    ) -> None:
        self.clock = ManualClock()
        layout = Layout()
        self.board = Cells(layout.size)
        self.metrics = Metrics(layout, self.board.row(), self.board.slots, self.clock)
        self.sink = MemorySink(terminal)
        self.log = EventLog(
            LogWriter(self.sink, queue_bytes_max=queue_bytes_max),
            format_,
            self.clock,
            dropped=self.metrics.log_lines_dropped,
            write_errors=self.metrics.log_write_errors,
        )

    def text(self) -> str:
        assert self.log.close()
        return self.sink.taken.decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


def test_an_event_has_its_time_level_name_and_details() -> None:
    bench = Bench()
    bench.log.say("info", "started", port=8080, tls=False, config=None, version="0.1.0")
    assert bench.lines() == [
        {
            "time": "2023-11-14T22:13:20.000Z",
            "level": "info",
            "event": "started",
            "port": 8080,
            "tls": False,
            "version": "0.1.0",
        }
    ]


def test_a_repeated_event_is_said_once_per_period_with_a_count() -> None:
    bench = Bench()
    for _ in range(100):
        bench.log.say("warning", "slow_loop", lag_ms=300)
        bench.clock.advance(0.25)
    assert [(line["time"][17:19], line.get("left_out")) for line in bench.lines()] == [
        ("20", None),
        ("30", 39),
        ("40", 39),
    ]


def test_what_was_left_out_at_the_end_is_told_by_a_flush() -> None:
    bench = Bench()
    for _ in range(3):
        bench.log.say("error", "provider_unreachable", "openai", reason="refused")
    bench.log.flush()
    bench.clock.advance(10.0)
    bench.log.flush()
    bench.log.flush()
    lines = bench.lines()
    assert [line.get("left_out") for line in lines] == [None, 2]
    assert lines[1]["about"] == "openai"
    assert lines[1]["level"] == "error"


def test_events_about_different_things_do_not_silence_each_other() -> None:
    bench = Bench()
    for provider in ("a", "b", "a", "b"):
        bench.log.say("error", "provider_unreachable", provider)
    assert [line["about"] for line in bench.lines()] == ["a", "b"]


def test_a_change_of_state_is_said_at_once() -> None:
    bench = Bench()
    for level in ("error", "error", "info", "info"):
        bench.log.say(level, "provider", "openai")
    assert [(line["level"], line.get("left_out")) for line in bench.lines()] == [
        ("error", None),
        ("info", 1),
    ]


def test_flapping_is_bounded() -> None:
    repetition = Repetition(period_s=10.0)
    said = sum(
        repetition.admit("provider", "a", "info" if n % 2 else "error", n / 100) is not None
        for n in range(900)
    )
    assert said == 6


def test_topics_are_bounded() -> None:
    repetition = Repetition()
    for n in range(10_000):
        assert repetition.admit("event", str(n), "info", 0.0) == 0
    assert len(repetition._topics) == 256


def test_details_cannot_forge_lines_or_names() -> None:
    bench = Bench()
    bench.log.say("info", "reload", time="never", reason="a\nb\x1b[2Jc\ud800" + "x" * 999)
    line = bench.lines()[0]
    assert line["time"] == "2023-11-14T22:13:20.000Z"
    assert line["reason"].startswith("ab[2Jcx")
    assert len(line["reason"]) <= 256


@pytest.mark.parametrize("terminal", [True, False])
def test_the_console_is_for_people(terminal: bool) -> None:
    bench = Bench("console", terminal=terminal)
    bench.log.say("warning", "worker_died", worker=1, signal="SIGKILL")
    level = "\x1b[33mwarning\x1b[0m" if terminal else "warning"
    assert bench.text() == f"22:13:20.000  {level}  worker_died  worker=1 signal=SIGKILL\n"


def test_lines_there_is_no_room_for_are_counted() -> None:
    bench = Bench(queue_bytes_max=0)
    bench.log.say("info", "started")
    assert bench.text() == ""
    assert bench.board.rows()[0][bench.metrics.log_lines_dropped.at()] == 1.0


def test_every_problem_of_a_file_is_told_on_one_line() -> None:
    bench = Bench()
    problems = [
        f"h.yaml:{line}:1: listen: unknown key 'prt'; did you mean port?" for line in range(9)
    ]
    bench.log.say("error", "reload_refused", detail="\n".join(problems))
    bench.log.say("error", "bug", detail="x" * 100_000)
    refused, bug = bench.lines()
    assert refused["detail"] == "; ".join(problems)
    assert len(bug["detail"]) == 4096


def test_another_mistake_in_templates_is_told_at_once() -> None:
    bench = Bench()
    for detail in ("one", "one", "two"):
        bench.log.say("error", "templates_refused", about="prompts", detail=detail)
    bench.clock.advance(60)
    told = [(line["about"], line.get("detail"), line.get("left_out")) for line in bench.lines()]
    assert told == [("prompts", "one", None), ("prompts", "two", None), ("prompts", None, 1)]
