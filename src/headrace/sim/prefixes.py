"""The provider's prompt cache: which prefixes of prompts it holds, for whom and how long."""

from hashlib import blake2b

import msgspec

from headrace.clock import Clock
from headrace.sim.text import seeded_fraction

PREFIXES_MAX = 65_536
MACHINES = 8
CALLS_PER_MACHINE_MAX = 15
"""Calls a minute with one key and one beginning that one machine takes, as OpenAI says it does."""
_STRAY_SHARE = 0.35
_DIGEST_BYTES = 16
_MINUTE_S = 60


class Kept(msgspec.Struct, frozen=True):
    """A prefix to be held, or held on to, from the start of a call on."""

    digest: bytes
    ttl_s: float


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a prompt was read from the prompt cache, and how much was put there.

    Attributes:
        read: tokens read.
        written_5m: tokens put there for 5 minutes, or for as long as the provider likes.
        written_1h: tokens put there for an hour.
        tells_writes: whether usage in OpenAI's words tells what was written.
        kept: the prefixes that are held from this call on.
    """

    read: int = 0
    written_5m: int = 0
    written_1h: int = 0
    tells_writes: bool = False
    kept: tuple[Kept, ...] = ()


NO_BILL = Bill()


class ClockShift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /_sim/clock`: seconds that the prompt cache's time leaps ahead."""

    ahead_s: float


def chain(*parts: bytes) -> bytes:
    """A digest of `parts`; the first is the digest of what came before them."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


class PrefixStore:
    """What a provider holds of prompts. The prefix that was used longest ago goes first.

    Args:
        clock: where time comes from.
        seed: decides which calls without a key stray to another machine.
    """

    __slots__ = ("_ahead_s", "_calls", "_clock", "_draws", "_minute", "_prefixes", "_seed")

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self._ahead_s = 0.0
        self._draws = 0
        self._prefixes: dict[bytes, tuple[float, float]] = {}
        self._minute = 0
        self._calls: dict[bytes, int] = {}

    def now_s(self) -> float:
        """Its time in seconds."""
        return self._clock.monotonic_s() + self._ahead_s

    def leap(self, shift: ClockShift) -> None:
        """Let its time leap ahead."""
        self._ahead_s += shift.ahead_s

    def clear(self) -> None:
        """Forget everything, also how far its time is ahead."""
        self._prefixes.clear()
        self._calls.clear()
        self._ahead_s = 0.0
        self._draws = 0

    def held_s(self, digest: bytes) -> float:
        """How long a prefix was to be held after each use, in seconds; 0 where it is not held."""
        ends_s, ttl_s = self._prefixes.get(digest, (0.0, 0.0))
        return ttl_s if self.now_s() < ends_s else 0.0

    def keep(self, kept: tuple[Kept, ...]) -> None:
        """Hold these prefixes from now on."""
        now_s = self.now_s()
        for prefix in kept:
            self._prefixes.pop(prefix.digest, None)
            self._prefixes[prefix.digest] = (now_s + prefix.ttl_s, prefix.ttl_s)
        while len(self._prefixes) > PREFIXES_MAX:
            del self._prefixes[next(iter(self._prefixes))]

    def machine(self, beginning: bytes, key: str | None) -> int:
        """The machine that a call goes to; each holds prefixes of its own.

        Calls of one key and one beginning go to one machine, up to so many a minute. Without a
        key some stray: providers only promise that a key makes hits likelier.

        Args:
            beginning: digest of account, model and the first tokens.
            key: the caller's `prompt_cache_key`.
        """
        routed = chain(beginning, b"" if key is None else key.encode())
        minute = int(self.now_s() // _MINUTE_S)
        if minute != self._minute or len(self._calls) >= PREFIXES_MAX:
            self._minute = minute
            self._calls.clear()
        calls = self._calls.get(routed, 0)
        self._calls[routed] = calls + 1
        machine = int.from_bytes(routed[:4]) + calls // CALLS_PER_MACHINE_MAX
        if key is None:
            self._draws += 1
            drawn = seeded_fraction(self._seed, b"machine", self._draws)
            if drawn < _STRAY_SHARE:
                machine += 1 + int(drawn / _STRAY_SHARE * (MACHINES - 1))
        return machine % MACHINES


class Shelf(msgspec.Struct, frozen=True):
    """What one account may find in the prompt cache."""

    store: PrefixStore
    account: bytes
