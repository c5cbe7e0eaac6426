"""Both logs of a worker, opened as the settings say."""

import sys
from pathlib import Path

import msgspec

from headrace.clock import Clock
from headrace.errors import SettingsInvalid
from headrace.observe.access_log import AccessLog, LogFormat
from headrace.observe.event_log import EventLog
from headrace.observe.log_writer import LogWriter
from headrace.observe.metrics import Metrics
from headrace.observe.sinks import FileSink, StreamSink
from headrace.settings.schema import LogSettings

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

    def close(self) -> None:
        """Write all."""
        if self.access:
            self.access.close()
        self.events.close()


def open_logs(settings: LogSettings, metrics: Metrics, clock: Clock) -> Logs:
    """Open the logs.

    Raises:
        SettingsInvalid: the file cannot be opened.
    """
    dropped, failed = metrics.log_lines_dropped, metrics.log_write_errors
    is_off = settings.format == "off"
    format_: LogFormat = "console" if settings.format == "console" else "json"
    if settings.format in ("auto", "off") and settings.file is None and sys.stderr.isatty():
        format_ = "console"
    events = EventLog(
        _writer(settings),
        format_,
        clock,
        dropped=dropped,
        write_errors=failed,
        level="info" if settings.level == "debug" else settings.level,
    )
    if is_off:
        return Logs(None, events)
    access = AccessLog(_writer(settings), format_, dropped=dropped, write_errors=failed)
    return Logs(access, events)


def _writer(settings: LogSettings) -> LogWriter:
    if settings.file is None:
        return LogWriter(StreamSink(STDERR))
    try:
        return LogWriter(FileSink(Path(settings.file)))
    except OSError as error:
        raise SettingsInvalid(f"log.file cannot be opened: {error}") from error
