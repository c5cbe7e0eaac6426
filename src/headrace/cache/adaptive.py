"""Lifetimes that follow how often answers really change.

A share of hits is asked again behind the caller's back, and the new answer is compared with the
one that was given; so is every answer that comes anew while the old one is known. From that comes a
rate of change per category, and from that the longest lifetime that keeps the share of stale
answers below a target. Pure: chance is handed in, and time comes as ages.
"""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from math import log1p
from typing import Any, Final

import msgspec

from headrace.cache.changes import ChangeEstimate, ChangeRate, changes_allowed

_OBSERVATIONS_MIN: Final = 20.0
_OBSERVATIONS_PER_MOVE: Final = 8
_GROWTH_MAX: Final = 1.5
_SHRINKING_MAX: Final = 2.0
_NEVER: Final = 1 << 62
_DIGEST_BYTES: Final = 16

# What differs between two answers that say the same, at any depth.
_VOLATILE: Final = frozenset(
    {"id", "call_id", "tool_call_id", "created", "created_at", "usage", "system_fingerprint"}
)

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="deterministic").encode

SameAnswer = Callable[[bytes, bytes], bool]
"""Compares what was said with what is said now."""


def answer_digest(body: bytes) -> bytes:
    """16 bytes that two whole answers share where they say the same.

    Ids, times and token counts are not counted. What is not JSON counts byte for byte.
    """
    # What cannot be read says its bytes.
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = _encode(_lasting(_decode(body)))
    return blake2b(body, digest_size=_DIGEST_BYTES).digest()


def same_answer(first: bytes, second: bytes) -> bool:
    """Whether two whole answers say the same; see `answer_digest`."""
    return first == second or answer_digest(first) == answer_digest(second)


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lasting(part) for name, part in value.items() if name not in _VOLATILE}
    if isinstance(value, list):
        return [_lasting(part) for part in value]
    return value


class LastAnswers:
    """What was said last to each key, as digests: also when the answer itself has left.

    So that every new answer tells of a change or of none, without a call of its own. About 250
    bytes a key.

    Args:
        keys_max: keys that are remembered; the one said longest ago is forgotten.
    """

    __slots__ = ("_keys_max", "_said")

    def __init__(self, keys_max: int = 16_384) -> None:
        self._keys_max = keys_max
        self._said: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._said)

    def replace(self, key: bytes, digest: bytes, now_s: float) -> tuple[float, bool] | None:
        """A new answer came.

        Args:
            key: canonical key of what was asked.
            digest: from `answer_digest`.
            now_s: the moment, monotonic seconds.

        Returns:
            The age of the one before, and whether it said something else; `None` where none is
            remembered.
        """
        before = self._said.pop(key, None)
        self._said[key] = (digest, now_s)
        if len(self._said) > self._keys_max:
            self._said.popitem(last=False)
        return None if before is None else (now_s - before[1], before[0] != digest)


class CategoryTtl(msgspec.Struct, frozen=True):
    """What is known of one category; `rate` is `None` until enough was observed."""

    category: str
    ttl_s: float
    observations: int
    changed: int
    rate: ChangeRate | None


class _Category:
    __slots__ = ("changed", "estimate", "observations", "rate", "ttl_s")

    def __init__(self, ttl_s: float, memory: float) -> None:
        self.ttl_s = ttl_s
        self.estimate = ChangeEstimate(memory)
        self.observations = 0
        self.changed = 0
        self.rate: ChangeRate | None = None


class AdaptiveTtl:
    """A lifetime for each category (route, model and tenant, or a tag), and whom to check.

    A lifetime moves only where the observations say so: down where the most likely rate makes
    more answers stale than wanted, up where even the highest rate in the interval does not, and by
    a bounded factor at a time.

    Args:
        uniform: draws from [0, 1).
        ttl_s: lifetime of a category that nothing is known of, seconds.
        ttl_min_s: the shortest.
        ttl_max_s: the longest.
        stale_share_max: share of hits that may be stale.
        shadow_share: share of hits that are checked, each a paid call; 0 checks none.
        may_check: asked where chance wants a check; it may bound how often.
        categories_max: categories that are told apart; beyond it the one observed longest ago is
            forgotten.
        memory: about how many observations of a category count.

    Raises:
        ValueError: the lifetimes are not in order, or a share is not a share.
    """

    def __init__(
        self,
        *,
        uniform: Callable[[], float],
        ttl_s: float,
        ttl_min_s: float,
        ttl_max_s: float,
        stale_share_max: float = 0.05,
        shadow_share: float = 0.0,
        may_check: Callable[[], bool] = lambda: True,
        categories_max: int = 1024,
        memory: float = 400.0,
    ) -> None:
        if not 0.0 < ttl_min_s <= ttl_s <= ttl_max_s:
            raise ValueError("ttl_s has to lie between ttl_min_s and ttl_max_s, all above 0")
        if not (0.0 < stale_share_max < 1.0 and 0.0 <= shadow_share <= 1.0):
            raise ValueError("stale_share_max and shadow_share have to be shares")
        self._uniform = uniform
        self._ttl_s = ttl_s
        self._ttl_min_s = ttl_min_s
        self._ttl_max_s = ttl_max_s
        self._changes_max = changes_allowed(stale_share_max)
        self._shadow_share = shadow_share
        self._may_check = may_check
        self._categories_max = categories_max
        self._memory = memory
        self._categories: OrderedDict[str, _Category] = OrderedDict()
        # A large number and not infinity: counting down an integer is what a hit pays.
        self._skip = self._draw_skip() if shadow_share else _NEVER

    def ttl_s(self, category: str) -> float:
        """How long an answer of this category is fresh, seconds."""
        known = self._categories.get(category)
        return self._ttl_s if known is None else known.ttl_s

    def wants_check(self) -> bool:
        """Whether this hit is to be asked again and compared; call once per hit."""
        self._skip -= 1
        if self._skip >= 0:
            return False
        self._skip = self._draw_skip() if self._shadow_share else _NEVER
        return self._shadow_share > 0.0 and self._may_check()

    def observe(self, category: str, age_s: float, *, changed: bool) -> None:
        """A comparison came out: of a check, or of any refresh whose old answer was still held.

        Args:
            category: of the answer.
            age_s: seconds since the old answer was stored.
            changed: whether the new one says something else.
        """
        known = self._categories.get(category)
        if known is None:
            if len(self._categories) >= self._categories_max:
                self._categories.popitem(last=False)
            known = self._categories[category] = _Category(self._ttl_s, self._memory)
        self._categories.move_to_end(category)
        known.observations += 1
        known.changed += changed
        known.estimate.observe(age_s, changed=changed)
        if known.observations % _OBSERVATIONS_PER_MOVE == 0:
            self._move(known)

    def report(self) -> tuple[CategoryTtl, ...]:
        """What is known of every category, the one observed last at the end."""
        return tuple(
            CategoryTtl(name, known.ttl_s, known.observations, known.changed, known.rate)
            for name, known in self._categories.items()
        )

    def _move(self, known: _Category) -> None:
        if known.estimate.weight < _OBSERVATIONS_MIN:
            return
        known.rate = rate = known.estimate.fit()
        long_s = self._changes_max / rate.per_s
        safe_s = min(self._changes_max / rate.per_s_high, long_s)
        wanted_s = min(max(known.ttl_s, safe_s), long_s)
        wanted_s = min(max(wanted_s, known.ttl_s / _SHRINKING_MAX), known.ttl_s * _GROWTH_MAX)
        known.ttl_s = min(max(wanted_s, self._ttl_min_s), self._ttl_max_s)

    def _draw_skip(self) -> int:
        if self._shadow_share >= 1.0:
            return 0
        return int(log1p(-self._uniform()) / log1p(-self._shadow_share))
