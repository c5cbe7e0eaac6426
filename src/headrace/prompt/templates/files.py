"""The directory of templates on disk: what is read of it, and what is refused.

support/reply/1.prompt      template support/reply, version 1, which never changes
support/reply/2.prompt
support/reply/labels.yaml   production: 1
draft.prompt                template draft, without a number: it may change
_tone.prompt                a partial: only there to be included
"""

import os
import stat
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from headrace.prompt.templates.bounds import (
    DEPTH_MAX,
    FILE_BYTES_MAX,
    FILES_MAX,
    TOTAL_BYTES_MAX,
)
from headrace.prompt.templates.names import is_name, is_number
from headrace.prompt.templates.parsed import Source
from headrace.prompt.templates.problems import Problem

SUFFIX: Final = ".prompt"
LABELS: Final = "labels.yaml"


class Found(msgspec.Struct, frozen=True):
    """What a directory of templates holds.

    Attributes:
        sources: its `.prompt` files.
        labels: the texts of its `labels.yaml`, by the template's name.
        problems: what could not be read.
    """

    sources: tuple[Source, ...]
    labels: dict[str, str]
    problems: tuple[Problem, ...]


def read_directory(root: Path) -> Found:
    """Read every file of a directory of templates; nothing outside of it is opened."""
    return _Reading(root).run()


def stamp(root: Path) -> bytes:
    """A digest that changes when a file is written, added or taken away; reads no file."""
    digest = blake2b(digest_size=16)
    for path, entry in sorted(_walk(root, []), key=lambda each: each[0]):
        try:
            status = entry.stat()
        except OSError:
            continue
        digest.update(
            f"{path}\x00{status.st_mtime_ns}\x00{status.st_size}\x00{status.st_ino}\n".encode(
                errors="surrogateescape"
            )
        )
    return digest.digest()


def _walk(root: Path, problems: list[Problem]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The files that count, each with its path below `root`."""
    waiting: list[tuple[str, int]] = [("", 0)]
    count = 0
    while waiting:
        below, depth = waiting.pop()
        try:
            with os.scandir(root / below) as entries:
                listed = sorted(entries, key=lambda each: each.name)
        except OSError as error:
            problems.append(Problem(below or str(root), 0, f"cannot be read: {error.strerror}"))
            continue
        for entry in listed:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth + 1 >= DEPTH_MAX:
                    problems.append(Problem(path, 0, f"above {DEPTH_MAX} levels of directories"))
                else:
                    waiting.append((path, depth + 1))
            elif entry.name.endswith(SUFFIX) or entry.name == LABELS:
                count += 1
                if count > FILES_MAX:
                    problems.append(Problem(path, 0, f"above {FILES_MAX} files"))
                    return
                yield path, entry


class _Reading:
    """One reading of a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._bytes = 0
        self._problems: list[Problem] = []
        self._sources: list[Source] = []
        self._labels: dict[str, str] = {}

    def run(self) -> Found:
        try:
            self._real = os.path.realpath(self._root)
            for path, entry in _walk(self._root, self._problems):
                self._file(path, entry)
                if self._bytes > TOTAL_BYTES_MAX:
                    self._complain(path, f"all files together are above {TOTAL_BYTES_MAX} bytes")
                    break
        except ValueError:
            self._complain("templates", "the path of the directory is no path")
        return Found(tuple(self._sources), self._labels, tuple(self._problems))

    def _complain(self, path: str, message: str, line: int = 0) -> None:
        self._problems.append(Problem(path, line, message))

    def _file(self, path: str, entry: os.DirEntry[str]) -> None:
        below, _, last = path.rpartition("/")
        if last == LABELS:
            text = self._text(path, entry)
            if text is not None:
                self._labels[below] = text
            return
        stem = last.removesuffix(SUFFIX)
        if is_number(stem):
            name, version = below, int(stem)
        else:
            name, version = f"{below}/{stem}" if below else stem, 0
        if not is_name(name, partials=True):
            self._complain(
                path,
                "no name for a template: letters, digits, - and _, beginning with a letter or "
                "digit, and a number from 1 on for a version",
            )
            return
        text = self._text(path, entry)
        if text is not None:
            self._sources.append(Source(path, name, version, text))

    def _text(self, path: str, entry: os.DirEntry[str]) -> str | None:
        try:
            body = self._body(path, entry)
        except OSError as error:
            self._complain(path, f"cannot be read: {error.strerror}")
            return None
        if body is None:
            return None
        self._bytes += len(body)
        if len(body) > FILE_BYTES_MAX:
            self._complain(path, f"above {FILE_BYTES_MAX} bytes; is it a template?")
            return None
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._complain(path, "not UTF-8", body.count(b"\n", 0, error.start) + 1)
            return None

    def _body(self, path: str, entry: os.DirEntry[str]) -> bytes | None:
        name: str | os.PathLike[str] = entry.path
        if entry.is_symlink():
            # Mounted volumes are made of links within themselves; others lead elsewhere.
            name = os.path.realpath(entry.path)
            if os.path.commonpath((self._real, name)) != self._real:
                self._complain(path, "a link out of the directory; it is not followed")
                return None
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(name, flags), "rb") as file:  # noqa: PTH123  # a descriptor
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                self._complain(path, "no plain file")
                return None
            return file.read(FILE_BYTES_MAX + 1)
