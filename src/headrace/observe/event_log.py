"""What the gateway has to say of itself: started, reloaded, a worker died, a provider is gone.

An event that keeps happening is said once per period, with the number of times it was left out.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from headrace.clock import Clock
from headrace.observe.access_log import LogFormat
from headrace.observe.handles import Counter
from headrace.observe.log_text import TimeText, cleaned, detailed
from headrace.observe.log_writer import LogWriter
from headrace.observe.sinks import Sink

Level = Literal["info", "warning", "error"]
Value = str | int | float | bool | None
PERIOD_S = 10.0
_SAID_PER_PERIOD_MAX = 6
_TOPICS_MAX = 256
# Every other detail of these is news: who mends one mistake has to be told of the next.
_TOLD_BY_DETAIL = frozenset(("templates_refused",))
_RANKS: Mapping[str, int] = {"info": 0, "warning": 1, "error": 2}
_COLOURS: Mapping[str, str] = {"info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m"}
_RESET = "\x1b[0m"


class _Topic(msgspec.Struct):
    level: Level
    since_s: float
    said: int = 1
    left_out: int = 0


class Repetition:
    """The pure part: whether an event is said now, or has been said enough.

    The first of its topic is said, then one per period. A change of level is a change of state and
    is said at once, a few times per period.

    Args:
        period_s: seconds.
    """

    def __init__(self, period_s: float = PERIOD_S) -> None:
        self._period_s = period_s
        self._topics: dict[tuple[str, str, str], _Topic] = {}

    def admit(
        self, event: str, about: str, level: Level, now_s: float, *, detail: str = ""
    ) -> int | None:
        """How often the event was left out before, if it is said now; None if it is not."""
        key = (event, about, detail)
        topic = self._topics.get(key)
        if topic is None or now_s - topic.since_s >= self._period_s:
            self._remember(key, _Topic(level, now_s))
            return topic.left_out if topic else 0
        if level != topic.level and topic.said < _SAID_PER_PERIOD_MAX:
            left_out, topic.left_out = topic.left_out, 0
            topic.level = level
            topic.said += 1
            return left_out
        topic.left_out += 1
        return None

    def overdue(self, now_s: float) -> list[tuple[str, str, Level, int]]:
        """Topics whose period is over with events left out: event, about, level, how many.

        Topics whose period is over are forgotten.
        """
        over = [
            (key, topic)
            for key, topic in self._topics.items()
            if now_s - topic.since_s >= self._period_s
        ]
        for key, _ in over:
            del self._topics[key]
        return [
            (event, about, topic.level, topic.left_out)
            for (event, about, _), topic in over
            if topic.left_out
        ]

    def _remember(self, key: tuple[str, str, str], topic: _Topic) -> None:
        self._topics.pop(key, None)
        if len(self._topics) >= _TOPICS_MAX:
            del self._topics[next(iter(self._topics))]
        self._topics[key] = topic


class EventLog:
    """Says the gateway's own events.

    Args:
        writer: the thread that writes; owned by the log from now on.
        format: `json`, or `console` for people, coloured on a terminal.
        clock: the time.
        dropped: counts lines lost because the writer could not keep up.
        write_errors: counts failed writes.
        level: events below it are not said.
    """

    def __init__(
        self,
        writer: LogWriter,
        format: LogFormat,  # noqa: A002  # the settings call it so
        clock: Clock,
        *,
        dropped: Counter,
        write_errors: Counter,
        level: Level = "info",
    ) -> None:
        self._rank = _RANKS[level]
        self._writer = writer
        self._format = format
        self._clock = clock
        self._dropped = dropped
        self._write_errors = write_errors
        self._repetition = Repetition()
        self._times = TimeText()

    def say(self, level: Level, event: str, about: str = "", **fields: Value) -> None:
        """Log an event, unless the same was said a moment ago. Never blocks, never raises.

        Args:
            level: how bad it is; a change of it is said at once.
            event: its stable name, such as `provider_unreachable`.
            about: what it happened to, such as the provider; told apart from others.
            fields: what else there is to know; never a secret. `detail` may be long, and of several
                lines; others are cut short.
        """
        if _RANKS[level] < self._rank:
            return
        detail = str(fields.get("detail")) if event in _TOLD_BY_DETAIL else ""
        left_out = self._repetition.admit(
            event, about, level, self._clock.monotonic_s(), detail=detail
        )
        if left_out is not None:
            self._write(level, event, about, left_out, fields)

    def flush(self) -> None:
        """Say how often events were left out, where their period is over; called now and then."""
        for event, about, level, left_out in self._repetition.overdue(self._clock.monotonic_s()):
            self._write(level, event, about, left_out, {})
        if failed := self._writer.take_errors():
            self._write_errors.increment(failed)

    def reopen(self) -> None:
        """Go on in a new file, for after a rotation."""
        self._writer.reopen()

    def close(self) -> bool:
        """Write all and end the thread; returns whether everything was written."""
        self.flush()
        return self._writer.close()

    def _write(
        self, level: Level, event: str, about: str, left_out: int, fields: dict[str, Value]
    ) -> None:
        if left_out:
            fields = {**fields, "left_out": left_out}
        time, coloured = self._times.spell(self._clock.wall_s()), self._writer.is_terminal
        if not self._writer.put(
            event_bytes(self._format, time, level, event, about, fields, coloured=coloured)
        ):
            self._dropped.increment()


class DirectEventLog:
    """Says events at once and without a thread, for a process that forks.

    Args:
        open_sink: where to; opened for each event, so that nothing is inherited or kept open.
        format: as for `EventLog`.
        clock: the time.
        level: events below it are not said.
    """

    def __init__(
        self,
        open_sink: Callable[[], Sink],
        format: LogFormat,  # noqa: A002  # the settings call it so
        clock: Clock,
        *,
        level: Level = "info",
    ) -> None:
        self._open_sink = open_sink
        self._format = format
        self._clock = clock
        self._rank = _RANKS[level]

    def say(self, level: Level, event: str, about: str = "", **fields: Value) -> None:
        """Log an event; may block, never raises. The arguments are those of `EventLog.say`."""
        if _RANKS[level] < self._rank:
            return
        time = TimeText().spell(self._clock.wall_s())
        sink = self._open_sink()
        coloured = sink.is_terminal
        line = event_bytes(self._format, time, level, event, about, fields, coloured=coloured)
        try:
            sink.write(memoryview(line))
        except OSError:
            return  # whoever says it has better things to do than to try again
        finally:
            sink.close()


def event_bytes(
    format_: LogFormat,
    time: str,
    level: Level,
    event: str,
    about: str,
    fields: Mapping[str, Value],
    *,
    coloured: bool,
) -> bytes:
    """An event as a line; what comes from outside is cleaned."""
    details = {
        name: (detailed if name == "detail" else cleaned)(value)
        if isinstance(value, str)
        else value
        for name, value in (("about", about or None), *fields.items())
        if value is not None
    }
    if format_ == "json":
        # The fixed names come last, so that no detail can take their place.
        line = {"time": time, **details} | {"time": time, "level": level, "event": event}
        return msgspec.json.encode(line) + b"\n"
    return event_line(time, level, event, details, coloured).encode()


def event_line(
    time: str, level: Level, event: str, details: Mapping[str, Value], coloured: bool
) -> str:
    """An event for people."""
    shown = f"{_COLOURS[level]}{level:<7}{_RESET}" if coloured else f"{level:<7}"
    said = " ".join(f"{name}={value}" for name, value in details.items())
    return f"{time[11:-1]}  {shown}  {event}  {said}".rstrip() + "\n"
