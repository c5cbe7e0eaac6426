"""Texts that were compressed before, so that a conversation is not done anew with each turn."""

from collections import OrderedDict
from hashlib import blake2b
from sys import getsizeof
from threading import Lock
from typing import Final

from headrace.prompt.compress.pipeline import Job, Outcome, compress_text

# A digest, an outcome and their places; measured with texts of no length.
_ENTRY_BYTES: Final = 400
_EFFECT_BYTES: Final = 112
_CHARS_MIN: Final = 256
"""Shorter texts are compressed faster than they are looked up."""


class Memo:
    """What became of texts, the least recently used of which are let go. Safe between threads.

    One for each counter and each set of rules: what comes out depends on both.

    Args:
        bytes_max: about how much memory the texts may take.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._outcomes: OrderedDict[bytes, Outcome] = OrderedDict()
        self._lock = Lock()

    @property
    def bytes_held(self) -> int:
        """About how much memory is taken."""
        return self._bytes

    def outcome(self, text: str, job: Job) -> Outcome:
        """What `compress_text` gives."""
        if len(text) < _CHARS_MIN:
            return compress_text(text, job)
        key = _key(text, job)
        with self._lock:
            found = self._outcomes.get(key)
            if found is not None:
                self._outcomes.move_to_end(key)
        if found is not None:
            # Unchanged texts are kept without their letters.
            return Outcome(found.text or text, found.before, found.after, found.effects)
        made = compress_text(text, job)
        self._keep(key, made, is_changed=made.text is not text)
        return made

    def _keep(self, key: bytes, made: Outcome, *, is_changed: bool) -> None:
        kept = made if is_changed else Outcome("", made.before, made.after, made.effects)
        size = _bytes_of(kept)
        if size > self._bytes_max:
            return
        with self._lock:
            if key in self._outcomes:
                return
            self._outcomes[key] = kept
            self._bytes += size
            while self._bytes > self._bytes_max:
                self._bytes -= _bytes_of(self._outcomes.popitem(last=False)[1])


def _key(text: str, job: Job) -> bytes:
    digest = blake2b(digest_size=16)
    for part in (job.place, *job.query, text):
        written = part.encode("utf-8", "surrogatepass")
        digest.update(len(written).to_bytes(8, "big"))
        digest.update(written)
    return digest.digest()


def _bytes_of(outcome: Outcome) -> int:
    return _ENTRY_BYTES + getsizeof(outcome.text) + _EFFECT_BYTES * len(outcome.effects)
