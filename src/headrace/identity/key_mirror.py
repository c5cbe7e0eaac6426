"""A copy of the store's keys in a file, for a gateway that starts while the store is away.

It holds digests only, and nobody but its owner may read it. A copy of another store, or one that
cannot be read, is as good as none.
"""

import os
import secrets
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from headrace.identity.key_records import EndedSession, KeyRecord, KeysSeen, known_of
from headrace.settings.values import key_digest

MIRROR_FILE: Final = "keys.json"
MIRROR_BYTES_MAX: Final = 64 << 20
_VERSION: Final = 1
_NONCE_BYTES: Final = 8


class _Copy(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    store: str
    change: int
    had_keys: bool
    keys: tuple[KeyRecord, ...]
    ended: tuple[EndedSession, ...] = ()


class KeyMirror:
    """The file. Whoever writes it replaces it as a whole, so several may.

    Args:
        folder: where data is kept; made where it is missing.
        store: which store the keys are of.
    """

    def __init__(self, folder: Path, store: str) -> None:
        self.path = folder / MIRROR_FILE
        self._store = store

    def read(self) -> KeysSeen | None:
        """What was seen before this process began; `None` where nothing can be told of it."""
        try:
            if self.path.stat().st_size > MIRROR_BYTES_MAX:
                return None
            copy = msgspec.json.decode(self.path.read_bytes(), type=_Copy)
            list(known_of(copy.keys))
        except (OSError, ValueError, msgspec.DecodeError, RecursionError):
            return None
        if copy.version != _VERSION or copy.store != self._store:
            return None
        return KeysSeen(copy.keys, copy.change, copy.had_keys, ended=copy.ended)

    def write(self, seen: KeysSeen) -> None:
        """Keep what was seen. Waits for the disk.

        Raises:
            OSError: it cannot be written; what was there before stays.
        """
        copy = _Copy(
            version=_VERSION,
            store=self._store,
            change=seen.change,
            had_keys=seen.had_keys,
            keys=seen.records,
            ended=seen.ended,
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Nobody else's, wherever that runs: in containers all have the same number.
        draft = self.path.with_name(f".{MIRROR_FILE}.{secrets.token_hex(_NONCE_BYTES)}")
        try:
            _write_private(draft, msgspec.json.encode(copy))
            draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)


def store_name(url: str) -> str:
    """What tells stores apart without telling how to reach them: a digest, without passwords."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    plain = urlunsplit((parts.scheme, f"{user}@{host}", parts.path, "", ""))
    return key_digest(plain.encode()).hex()[:32]


def _write_private(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)
