"""Both logs of a worker, opened as the settings say."""

import sys
from pathlib import Path

import msgspec

from headrace.clock import Clock
from headrace.errors import SettingsInvalid
from headrace.observe.access_log import AccessLog, LogFormat
from headrace.observe.event_log import DirectEventLog, EventLog, Level, Value
from headrace.observe.log_writer import LogWriter
from headrace.observe.metrics import Metrics
from headrace.observe.sinks import FileSink, Sink, StreamSink
from headrace.settings.log import LogSettings

STDERR = 2


class Logs(msgspec.Struct, frozen=True):
    """The log of requests, if there is one, and the log of what the gateway says of itself."""

    access: AccessLog | None
    events: EventLog

    def flush(self) -> None:
        """Hand over what was recorded."""
        if self.access:
            self.access.flush()
        self.events.flush()

    def reopen(self) -> None:
        """Go on in new files, for after a rotation."""
        if self.access:
            self.access.reopen()
        self.events.reopen()

    def close(self, last_event: str, **fields: Value) -> None:
        """Write all; `last_event`, with `fields`, stands behind everything else."""
        if self.access:
            self.access.close()
        self.events.say("info", last_event, "", **fields)
        self.events.close()


def open_logs(settings: LogSettings, metrics: Metrics, clock: Clock) -> Logs:
    """Open the logs.

    Raises:
        SettingsInvalid: the file cannot be opened.
    """
    dropped, failed = metrics.log_lines_dropped, metrics.log_write_errors
    format_ = _event_format(settings)
    events = EventLog(
        _writer(settings),
        format_,
        clock,
        dropped=dropped,
        write_errors=failed,
        level=_event_level(settings),
    )
    if settings.format == "off":
        return Logs(None, events)
    access = AccessLog(_writer(settings), format_, dropped=dropped, write_errors=failed)
    return Logs(access, events)


def open_direct_log(settings: LogSettings, clock: Clock) -> DirectEventLog:
    """The log of events for a process that forks: the same lines in the same place."""

    def open_sink() -> Sink:
        try:
            return _sink(settings)
        except OSError:  # perhaps the very thing to be told
            return StreamSink(STDERR)

    return DirectEventLog(open_sink, _event_format(settings), clock, level=_event_level(settings))


def _event_format(settings: LogSettings) -> LogFormat:
    if settings.format in ("auto", "off") and settings.file is None and sys.stderr.isatty():
        return "console"
    return "console" if settings.format == "console" else "json"


def _event_level(settings: LogSettings) -> Level:
    return "info" if settings.level == "debug" else settings.level


def _writer(settings: LogSettings) -> LogWriter:
    try:
        return LogWriter(_sink(settings))
    except OSError as error:
        raise SettingsInvalid(f"log.file cannot be opened: {error}") from error


def _sink(settings: LogSettings) -> Sink:
    return StreamSink(STDERR) if settings.file is None else FileSink(Path(settings.file))
