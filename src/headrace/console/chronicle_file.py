"""A chronicle on disk, for the gateway after this one."""

import secrets
from pathlib import Path
from typing import Final

import msgspec

from headrace.console.chronicle import STEP_S, Chronicle, Sums

FILE: Final = "chronicle.json"
_VERSION: Final = 1
_BYTES_MAX: Final = 1 << 20
_NONCE_BYTES: Final = 8


class _Copy(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    step_s: float
    began: int
    steps: dict[int, Sums]


def read_chronicle(folder: Path, first: Sums, at_s: float) -> Chronicle:
    """The one that goes on from what is in a folder; a new one where nothing can be told of it.

    Args:
        folder: where data is kept.
        first: what is counted at this time.
        at_s: the time, seconds since the epoch.
    """
    path = folder / FILE
    try:
        if path.stat().st_size > _BYTES_MAX:
            return Chronicle(first, at_s)
        copy = msgspec.json.decode(path.read_bytes(), type=_Copy)
    except (OSError, ValueError, msgspec.DecodeError, RecursionError):
        return Chronicle(first, at_s)
    if (copy.version, copy.step_s) != (_VERSION, STEP_S):
        return Chronicle(first, at_s)
    return Chronicle(first, at_s, copy.steps, copy.began)


def write_chronicle(folder: Path, content: bytes) -> None:
    """Keep one. Waits for the disk.

    Args:
        folder: where data is kept.
        content: as `chronicle_bytes` gives it.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{FILE}.{secrets.token_hex(_NONCE_BYTES)}"  # nobody else's, wherever it runs
    try:
        draft.write_bytes(content)
        draft.replace(folder / FILE)
    finally:
        draft.unlink(missing_ok=True)


def chronicle_bytes(chronicle: Chronicle) -> bytes:
    """A chronicle as it is kept."""
    return msgspec.json.encode(
        _Copy(
            version=_VERSION,
            step_s=STEP_S,
            began=chronicle.began,
            steps=dict(chronicle.steps),
        )
    )
