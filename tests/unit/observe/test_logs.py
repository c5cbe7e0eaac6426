"""The logs that the settings name: what goes where, and in which order."""

import json
from pathlib import Path

import pytest

from headrace.clock import ManualClock
from headrace.observe.access_log import AccessLine
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.logs import open_direct_log, open_logs
from headrace.observe.metrics import Metrics
from headrace.settings import LogSettings

ENDED = {
    "time": "2023-11-14T22:13:20.000Z",
    "level": "warning",
    "event": "worker_ended",
    "worker": 0,
    "exit_code": -9,
}


@pytest.mark.parametrize("format_", ["json", "auto", "off"])
def test_who_forks_says_events_on_standard_error_as_json(
    capfd: pytest.CaptureFixture[str], format_: str
) -> None:
    log = open_direct_log(LogSettings(format=format_), ManualClock())  # type: ignore[arg-type]
    log.say("warning", "worker_ended", worker=0, exit_code=-9, detail=None)
    assert json.loads(capfd.readouterr().err) == ENDED


def test_or_in_words_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    log = open_direct_log(LogSettings(format="console"), ManualClock())
    log.say("warning", "worker_ended", "a\nb", worker=0)
    assert capfd.readouterr().err == "22:13:20.000  warning  worker_ended  about=ab worker=0\n"


def test_it_goes_to_the_file_of_the_workers_by_its_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "h.log"
    log = open_direct_log(LogSettings(file=str(path), level="warning"), ManualClock())
    log.say("info", "unheard")
    log.say("warning", "worker_ended", worker=0, exit_code=-9)
    path.rename(tmp_path / "h.log.1")  # rotated
    log.say("error", "reload_refused")
    assert json.loads((tmp_path / "h.log.1").read_text()) == ENDED
    assert json.loads(path.read_text())["event"] == "reload_refused"
    assert capfd.readouterr().err == ""


def test_without_the_file_it_is_still_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = open_direct_log(LogSettings(file=str(tmp_path / "no" / "h.log")), ManualClock())
    log.say("error", "start_refused", detail="log.file cannot be opened")
    assert json.loads(capfd.readouterr().err)["detail"] == "log.file cannot be opened"


def test_the_last_event_stands_behind_the_last_request(tmp_path: Path) -> None:
    path, clock, layout = tmp_path / "h.log", ManualClock(), Layout()
    cells = Cells(layout.size)
    metrics = Metrics(layout, cells.row(), cells.slots, clock)
    logs = open_logs(LogSettings(file=str(path)), metrics, clock)
    logs.events.say("info", "listening")
    assert logs.access is not None
    for number in range(1000):
        logs.access.record(AccessLine(0.0, f"r-{number}", "GET", "/healthz", "healthz", 200))
    logs.close("stopped", pid=7)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 1002
    assert (lines[-1]["event"], lines[-1]["pid"]) == ("stopped", 7)
