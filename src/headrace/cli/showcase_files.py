"""The files of a showcase: each whole or not at all."""

import os
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from headrace.bench.exhibit.results import Showcase
from headrace.bench.report.markdown import summary
from headrace.bench.report.page import page
from headrace.scratch import locked

_NAME: Final = "showcase"


def make_folder(folder: Path) -> None:
    """Make the folder, and find out before the trials what would else be found out after them.

    Raises:
        OSError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.close(locked(folder, waits=True))
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise OSError(
            error.errno, f"{folder}: {error.strerror}; name another folder by --out"
        ) from None


def write(folder: Path, found: Showcase) -> list[Path]:
    """Write the page, the summary and the figures.

    Returns:
        The files.

    Raises:
        OSError: one cannot be written; it is then what it was, and so are those behind it.
    """
    texts = {
        "html": page(found).encode(),
        "md": summary(found).encode(),
        "json": msgspec.json.format(msgspec.json.encode(found)) + b"\n",
    }
    paths = [folder / f"{_NAME}.{ending}" for ending in texts]
    # One at a time: drafts have fixed names, so that the next one writes over what a killed one
    # left.
    lock = locked(folder, waits=True)
    try:
        for path, text in zip(paths, texts.values(), strict=True):
            _replace(path, text)
    finally:
        os.close(lock)
    return paths


def _replace(path: Path, text: bytes) -> None:
    fresh = path.with_name(f".{path.name}.unfinished")
    try:
        with fresh.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise OSError(
            error.errno, f"{path}: {error.strerror}; what was found is shown above"
        ) from None
