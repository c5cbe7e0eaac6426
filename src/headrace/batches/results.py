"""What a batch has got so far: two files that only grow, and from which a successor goes on.

A line of them is a result as the caller will get it, and its id ends in the number of the line it
answers. Whoever goes on with a batch reads them and asks only what is not there. A line that was
being written when the process died has no end, and is cut off.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from headrace.model import Usage

_PIECE_BYTES: Final = 1024 * 1024
_ID: Final = re.compile(rb'\{"id":"batch_req_[0-9a-z]+_(\d{1,9})"')
_PLAIN: Final = Usage()


class Result(NamedTuple):
    """One line's result.

    Attributes:
        line: as it is written, with its end.
        is_good: whether it was answered as it should be.
        usage: tokens it took, whoever paid them.
    """

    line: bytes
    is_good: bool
    usage: Usage = _PLAIN


class Totals(msgspec.Struct):
    """How far a batch is.

    Attributes:
        completed: lines that were answered.
        failed: lines that could not be, or were no requests.
        input_tokens: of all answers, as their providers counted them.
        output_tokens: the same.
        cached_tokens: the part of the input that providers read from their prompt caches.
    """

    completed: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0

    def add(self, result: Result) -> None:
        """Count one more."""
        self.completed += result.is_good
        self.failed += not result.is_good
        self.input_tokens += result.usage.input_tokens
        self.output_tokens += result.usage.output_tokens
        self.cached_tokens += result.usage.cached_tokens


class _Error(msgspec.Struct):
    code: str
    message: str
    param: str | None = None
    line: int | None = None


class _Response(msgspec.Struct):
    status_code: int
    request_id: str
    body: msgspec.Raw


class _Line(msgspec.Struct):
    id: str
    custom_id: str | None
    response: _Response | None
    error: _Error | None


_encode: Final = msgspec.json.Encoder().encode
_is_json: Final = msgspec.json.Decoder(msgspec.Raw).decode


class Writing(msgspec.Struct, frozen=True):
    """Words results of one batch; its id is without the prefix."""

    batch: str

    def answered(self, number: int, custom_id: str, status: int, body: bytes) -> bytes:
        """What a provider, or this gateway, answered."""
        told = self._id(number)
        response = _Response(status, told, msgspec.Raw(_one_line(body)))
        return _encode(_Line(told, custom_id, response, None)) + b"\n"

    def failed(
        self, number: int, custom_id: str | None, code: str, message: str, param: str | None = None
    ) -> bytes:
        """Why a line was not asked."""
        error = _Error(code, message, param, number)
        return _encode(_Line(self._id(number), custom_id, None, error)) + b"\n"

    def _id(self, number: int) -> str:
        return f"batch_req_{self.batch}_{number}"


def _one_line(body: bytes) -> bytes:
    """An answer's body as JSON within one line."""
    try:
        _is_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _encode(body.decode("utf-8", "replace"))
    if b"\n" not in body and b"\r" not in body:
        return body
    # Line ends within JSON can only stand between its parts.
    return body.replace(b"\n", b" ").replace(b"\r", b" ")


class Overtaken(OSError):
    """Another process has written to a file of results since this one read it."""


class ResultFile:
    """One of the two files. Blocks: for threads, one call at a time.

    Two processes may believe that they hold a batch, after a jump of the clock or a long sleep. So
    each write looks, under a lock, whether the file is still as this process knows it.

    Args:
        path: of the file; made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.bytes = 0

    def recover(self, done: bytearray, *, is_good: bool, totals: Totals) -> None:
        """Read what is there, and cut off what has no end.

        Args:
            done: by number of the line, whether it has its result; what is found is set.
            is_good: whether these are answers.
            totals: what is found is counted.

        Raises:
            OSError: the file cannot be read.
        """
        with self._locked():
            self._recover(done, is_good=is_good, totals=totals)

    def _recover(self, done: bytearray, *, is_good: bool, totals: Totals) -> None:
        rest = b""
        at = 0
        while piece := os.pread(self._fd, _PIECE_BYTES, at):
            at += len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                found = _ID.match(line)
                number = int(found[1]) if found else len(done)
                if number < len(done) and not done[number]:
                    done[number] = 1
                    totals.add(Result(b"", is_good, _usage_told(line) if is_good else _PLAIN))
        self.bytes = at - len(rest)
        os.ftruncate(self._fd, self.bytes)

    def append(self, lines: bytes) -> None:
        """Add whole lines, or nothing at all.

        Raises:
            Overtaken: another process has written to it.
            OSError: there is no room, or the file cannot be written to.
        """
        written = 0
        with self._locked():
            there = os.fstat(self._fd)
            if there.st_size != self.bytes or not there.st_nlink:
                raise Overtaken("Another process goes on with the batch")
            try:
                while written < len(lines):
                    written += os.pwrite(self._fd, lines[written:], self.bytes + written)
            except OSError:
                os.ftruncate(self._fd, self.bytes)
                raise
        self.bytes += written

    def sync(self) -> None:
        """Bring it to the disk.

        Raises:
            OSError: it did not get there.
        """
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # who waits tries again, as for a disk
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)


class _Told(msgspec.Struct):
    response: dict[str, Any] | None = None


_read_told: Final = msgspec.json.Decoder(_Told).decode


def _usage_told(line: bytes) -> Usage:
    try:
        response = _read_told(line).response or {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _PLAIN
    body = response.get("body")
    return usage_of(body.get("usage")) if isinstance(body, dict) else _PLAIN


def usage_of(told: object) -> Usage:
    """The tokens that an answer tells, in any dialect; none where it tells none."""
    if not isinstance(told, dict):
        return _PLAIN
    details = told.get("prompt_tokens_details") or told.get("input_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(
        input_tokens=_number(told.get("prompt_tokens", told.get("input_tokens"))),
        output_tokens=_number(told.get("completion_tokens", told.get("output_tokens"))),
        cached_tokens=_number(cached),
    )


def _number(told: object) -> int:
    return told if isinstance(told, int) and told > 0 else 0
