"""One line for each request: who asked for what, how it went, how long it took, what it cost.

It holds no header, no body and no query string, so no secret. A line is recorded as it is, and made
into text with some others; the bytes are written by a thread, in larger batches.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from headrace.observe.handles import Counter
from headrace.observe.log_text import TimeText, cleaned
from headrace.observe.log_writer import LogWriter

LogFormat = Literal["json", "console"]
LINES_MAX = 20_000
# What is made into text in one go, for which the loop stands still.
_STEP_LINES = 64
# What the thread is woken for.
_BATCH_STEPS = 4
_LINE_BYTES_USUAL = 700
_JSON = msgspec.json.Encoder()
_RESET = "\x1b[0m"
_COLOURS: Mapping[int, str] = {2: "\x1b[32m", 3: "\x1b[36m", 4: "\x1b[33m", 5: "\x1b[31m"}


class AccessLine(msgspec.Struct, gc=False):
    """What is logged of a request; given away to the log when recorded.

    Attributes:
        time: end of the request, seconds since the epoch; the flush spells it as RFC 3339.
        path: without the query; the flush cuts one off.
        client: address of the peer.
        attempts: calls sent to providers.
        tried: targets that failed or were not asked, and how, in order: `provider/model: failure`.
        duration_ms: from the first byte of the request to the last byte of the answer.
        ttfb_ms: the same to the first byte of the answer.
        error: stable code of what went wrong.
        fallback: what was done where the answer failed; left out where it did not.
        remarks: what stages said of it, by the end of the header that tells the caller.
        trace_id: of its trace, where requests are traced.
    """

    time: float | str
    request_id: str
    method: str
    path: str
    route: str
    status: int
    tenant: str | None = None
    key_name: str | None = None
    client: str | None = None
    provider: str | None = None
    model: str | None = None
    cache: str | None = None
    stream: bool = False
    attempts: int = 0
    duration_ms: float = 0.0
    ttfb_ms: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    error: str | None = None
    fallback: str | msgspec.UnsetType = msgspec.UNSET
    tried: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    remarks: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    trace_id: str | msgspec.UnsetType = msgspec.UNSET


class AccessLog:
    """Collects lines, and hands them to the writer in batches.

    Args:
        writer: the thread that writes; owned by the log from now on.
        format: `json`, or `console` for people, coloured on a terminal.
        dropped: counts lines lost because the writer could not keep up.
        write_errors: counts failed writes.
        lines_max: lines that may wait for the writer.
    """

    def __init__(
        self,
        writer: LogWriter,
        format: LogFormat,  # noqa: A002  # the settings call it so
        *,
        dropped: Counter,
        write_errors: Counter,
        lines_max: int = LINES_MAX,
    ) -> None:
        self._writer = writer
        self._dropped = dropped
        self._write_errors = write_errors
        self._lines_max = lines_max
        self._lines: list[AccessLine] = []
        self._worded: deque[tuple[bytes, int]] = deque()  # text, and how many lines it has
        self._worded_lines = 0
        self._times = TimeText()
        self._encode = self._encoder(format)

    def record(self, line: AccessLine) -> None:
        """Take a line; it must not be touched afterwards. Never blocks, never raises."""
        if len(self._lines) >= _STEP_LINES:
            self._word()
            if len(self._worded) >= _BATCH_STEPS:
                self._hand_over()
        if self._worded_lines + len(self._lines) >= self._lines_max:
            self._dropped.increment()
        else:
            self._lines.append(line)

    def flush(self) -> None:
        """Hand a batch to the writer, if it has room; to be called now and then. Never blocks.

        A batch is what an event loop can spare the time for; busy logs flush as they are filled.
        """
        self._word()
        self._hand_over()
        self._count_errors()

    def reopen(self) -> None:
        """Go on in a new file, for after a rotation."""
        self.flush()
        self._writer.reopen()

    def close(self) -> bool:
        """Write all and end the thread; returns whether every line was written."""
        self._word()
        written = self._writer.close(b"".join(text for text, _ in self._worded))
        self._worded.clear()
        self._count_errors()
        return written

    def _word(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._finish(lines)
            self._worded.append((self._encode(lines), len(lines)))
            self._worded_lines += len(lines)

    def _hand_over(self) -> None:
        worded = self._worded
        if worded and self._writer.has_room:
            steps = [worded.popleft() for _ in range(min(len(worded), _BATCH_STEPS))]
            lines = sum(count for _, count in steps)
            self._worded_lines -= lines
            if not self._writer.put(b"".join([text for text, _ in steps])):
                self._dropped.increment(lines)

    def _count_errors(self) -> None:
        if failed := self._writer.take_errors():
            self._write_errors.increment(failed)

    def _encoder(self, format_: LogFormat) -> Callable[[list[AccessLine]], bytes]:
        if format_ == "json":
            return json_lines
        coloured = self._writer.is_terminal
        return lambda batch: "".join([console_line(line, coloured) for line in batch]).encode()

    def _finish(self, batch: list[AccessLine]) -> None:
        spell = self._times.spell
        for line in batch:
            if not isinstance(line.time, str):
                line.time = spell(line.time)
            # Whole microseconds; `round` with digits takes three times as long.
            line.duration_ms = int(line.duration_ms * 1000.0 + 0.5) / 1000.0
            if line.ttfb_ms is not None:
                line.ttfb_ms = int(line.ttfb_ms * 1000.0 + 0.5) / 1000.0


def json_lines(batch: list[AccessLine]) -> bytes:
    """Finished lines as JSON, cleaned where they have to be."""
    try:
        data = _JSON.encode_lines(batch)
    except UnicodeEncodeError:
        data = b""
    # Looking at the bytes of a batch is twenty times cheaper than looking at every field; what
    # could be a control character is escaped, not ASCII, or the one that JSON leaves as it is.
    if (
        not data
        or not data.isascii()
        or any(mark in data for mark in (b"\\", b"?", b"\x7f"))
        or max(map(len, data.split(b"\n"))) > _LINE_BYTES_USUAL
    ):
        for line in batch:
            clean(line)
        data = _JSON.encode_lines(batch)
    return data


def clean(line: AccessLine) -> None:
    """Cut off the query and bound and clean everything that came from outside."""
    line.path = cleaned(line.path.partition("?")[0])
    line.request_id = cleaned(line.request_id)
    line.method = cleaned(line.method)
    line.model = _cleaned_or_none(line.model)
    line.error = _cleaned_or_none(line.error)
    line.tenant = _cleaned_or_none(line.tenant)
    line.key_name = _cleaned_or_none(line.key_name)
    line.client = _cleaned_or_none(line.client)
    line.provider = _cleaned_or_none(line.provider)
    if line.tried is not msgspec.UNSET:
        line.tried = tuple(map(cleaned, line.tried))
    if line.remarks is not msgspec.UNSET:
        line.remarks = {name: cleaned(value) for name, value in line.remarks.items()}


def _cleaned_or_none(text: str | None) -> str | None:
    return None if text is None else cleaned(text)


def console_line(line: AccessLine, coloured: bool) -> str:
    """A finished line for people: what matters most first, in columns."""
    clean(line)
    status = f"{line.status}"
    if coloured:
        status = f"{_COLOURS.get(line.status // 100, '')}{status}{_RESET}"
    columns = (
        str(line.time)[11:-1],
        status,
        f"{line.method:<4} {line.path:<24}",
        f"{line.cache or '-':<6}",
        f"{line.duration_ms:>9.2f} ms",
        f"{_target(line):<28}",
        f"{_tokens(line):>11}",
        f"{line.cost_usd or 0.0:>10.6f} $",
        line.tenant or "-",
        line.request_id,
        line.error or line.fallback or "",
        *(line.tried or ()),
        *(f"{name}={value}" for name, value in (line.remarks or {}).items()),
        *((f"trace={line.trace_id}",) if line.trace_id else ()),
    )
    return "  ".join(columns).rstrip() + "\n"


def _target(line: AccessLine) -> str:
    return "/".join(part for part in (line.provider, line.model) if part) or "-"


def _tokens(line: AccessLine) -> str:
    if line.input_tokens is None and line.output_tokens is None:
        return "-"
    return f"{line.input_tokens or 0}+{line.output_tokens or 0} tok"
