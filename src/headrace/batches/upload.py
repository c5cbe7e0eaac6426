"""A form with a file, written down as it comes (RFC 7578). Blocks: for threads."""

import fcntl
import os
from pathlib import Path
from typing import Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from headrace.errors import BodyTooLarge, InvalidRequest

FIELDS_MAX: Final = 16
FIELD_BYTES_MAX: Final = 1024
FILENAME_CHARS_MAX: Final = 255
_FORM: Final = b"multipart/form-data"
_FILE: Final = "file"


class Upload:
    """One form on its way in.

    Args:
        kind: the request's content type.
        path: where the file goes.
        bytes_max: the largest file.

    Attributes:
        fields: what else the form says.
        filename: what the caller calls the file.
        bytes: how much of the file has come.

    Raises:
        InvalidRequest: the request is no form.
    """

    def __init__(self, kind: str, path: Path, bytes_max: int) -> None:
        name, options = parse_options_header(kind)
        boundary = options.get(b"boundary")
        if name != _FORM or not boundary:
            raise InvalidRequest(
                "Send the file as multipart/form-data, with the fields `purpose` and `file`.",
                code="invalid_form",
            )
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.bytes = 0
        self._path = path
        self._bytes_max = bytes_max
        self._fd = -1
        self._is_over = False
        self._header = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._field = b""
        try:
            self._parser = MultipartParser(boundary, self._callbacks())  # type: ignore[arg-type]
        except MultipartParseError as error:
            raise _misread(error) from None

    def feed(self, part: bytes) -> None:
        """More of the form has come.

        Raises:
            InvalidRequest: it is no form, or says too much.
            BodyTooLarge: the file is too large.
            OSError: the disk does not take it.
        """
        try:
            self._parser.write(part)
        except MultipartParseError as error:
            raise _misread(error) from None

    def end(self) -> None:
        """All has come; the file is on the disk.

        Raises:
            InvalidRequest: the form is not whole, or has no file.
            OSError: the disk does not take it.
        """
        if not self._is_over:
            raise InvalidRequest("The form breaks off: send all of it.", code="invalid_form")
        if self.filename is None:
            raise InvalidRequest("`file` is missing.", code="missing_field", param="file")
        os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # What the parser says.

    def _callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _part_begin(self) -> None:
        self._headers = {}
        self._field = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name == _FILE:
            if self.filename is not None:
                raise InvalidRequest("Send one `file` at a time.", param="file")
            self.filename = shown_name(options.get(b"filename", b"").decode("utf-8", "replace"))
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o600)
            # Held until its row is there: who finds a file without one can tell it from a lost one.
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        elif len(self.fields) >= FIELDS_MAX:
            raise InvalidRequest(f"The form has more than {FIELDS_MAX} fields.")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == _FILE:
            self.bytes += end - start
            if self.bytes > self._bytes_max:
                raise BodyTooLarge(
                    f"The file is above {self._bytes_max} bytes; send less at once, or raise "
                    "files.bytes_max."
                )
            self._write(memoryview(data)[start:end])
            return
        self._field += data[start:end]
        if len(self._field) > FIELD_BYTES_MAX:
            raise InvalidRequest(f"`{self._name}` is above {FIELD_BYTES_MAX} bytes.")

    def _part_end(self) -> None:
        if self._name != _FILE:
            self.fields[self._name] = self._field.decode("utf-8", "replace")

    def _end(self) -> None:
        self._is_over = True

    def _write(self, data: memoryview) -> None:
        while data:
            data = data[os.write(self._fd, data) :]


def shown_name(name: str) -> str:
    """A file's name as it is told again: its last part, without what no terminal should see."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(char for char in last if char.isprintable())[:FILENAME_CHARS_MAX]
    return shown if shown.strip(". ") else "file"


def _misread(error: MultipartParseError) -> InvalidRequest:
    return InvalidRequest(f"The form cannot be read: {error}.", code="invalid_form")
