"""Who may ask how much: the limits of keys and of addresses, through reloads.

What a limit is, and the algorithm, is in `flow/rate.py`. Here limits are found for whoever asks,
refusals are put into words, and tokens are estimated before a call and put right after it.
"""

import string
from collections.abc import Iterable, Mapping
from math import ceil, inf
from typing import Any, Final, Self

from headrace.cache.entry import Answer, Shape
from headrace.clock import Clock
from headrace.errors import RateLimited
from headrace.flow.addresses import AddressRates, address_group
from headrace.flow.rate import CallerRate, RateLimits, Refusal
from headrace.gateway.reader import TEXTS, Source
from headrace.identity.keys import Principal
from headrace.model import DialectName
from headrace.server.limit_lines import standing_lines
from headrace.server.shared_rates import SharedRates
from headrace.settings import KeySettings, Settings
from headrace.settings.flow import AddressLimitSettings

_BYTES_PER_TOKEN: Final = 4
# A block of this many bytes of nothing else is of a picture, a sound or a document in base64.
_BASE64: Final = (string.ascii_letters + string.digits + "+/=_-").encode()
_BLOCK_BYTES: Final = 1024
_TOKENS_OF_ENCODED: Final = 1_000
# How much the last answer counts in the mean of those before.
_MEAN_SHARE: Final = 0.2
_ERRORS: Final = 400


class Admission:
    """One request of a limited caller, until its end. Belongs to one event loop.

    Args:
        caller: whose it is.
        input_tokens: estimate of what is sent.
    """

    __slots__ = ("_caller", "_input_tokens", "_is_settled", "_reserved")

    def __init__(self, caller: "Caller", input_tokens: int) -> None:
        self._caller = caller
        self._input_tokens = input_tokens
        self._reserved = 0.0
        self._is_settled = False

    def reserve(self) -> None:
        """A provider is going to be asked: take the tokens that will probably take.

        Raises:
            RateLimited: there is no room for them; the request counts no more.
        """
        self._reserved = self._caller.reserve(self._input_tokens)

    def settle(self, source: Source | None, answer: Answer | None, *, is_unknown: bool) -> None:
        """Put right what was taken, as soon as it is known what was used.

        Args:
            source: where the answer comes from.
            answer: the whole of it.
            is_unknown: there was no whole answer, and a provider may have worked all the same.
        """
        if self._is_settled or not self._caller.rate.limits_tokens:
            return
        self._is_settled = True
        used = self._used(source, answer, is_unknown=is_unknown)
        self._caller.settle(self._reserved, used)

    def end(self) -> None:
        """The request is over."""
        self._caller.rate.release()

    def _used(self, source: Source | None, answer: Answer | None, *, is_unknown: bool) -> float:
        if source is None or source.is_free or source.fallback in TEXTS:
            return 0.0
        if answer is None:
            return self._reserved if is_unknown and source.attempts else 0.0
        if answer.usage is not None:
            self._caller.saw_output(answer.usage.output_tokens)
            return answer.usage.input_tokens + answer.usage.output_tokens
        if answer.status >= _ERRORS:
            return 0.0
        if answer.shape is Shape.WHOLE:
            return self._reserved
        return self._input_tokens + answer.body.count(b"\ndata:")  # about a token an event


class Caller:
    """A key with limits: what it may ask, and what it has under way.

    Args:
        name: what messages call it.
        tenant: whose it is.
        rate: its limits.
        clock: the time.

    Attributes:
        refused: requests that were refused.
    """

    __slots__ = ("_clock", "_output_tokens", "name", "rate", "refused", "tenant")

    def __init__(self, name: str, tenant: str, rate: CallerRate, clock: Clock) -> None:
        self.name = name
        self.tenant = tenant
        self.rate = rate
        self.refused = 0
        self._clock = clock
        self._output_tokens = 0.0  # the mean of what was answered of late

    def has_room(self) -> bool:
        """Whether one more request may come, which needs no provider."""
        return self.rate.request_wait_s(self._clock.monotonic_s()) == 0.0

    def repeated(self, dialect: DialectName) -> bytes:
        """Count a request that needed no provider; gives the lines for its answer."""
        self.rate.count(self._clock.monotonic_s())
        return self.lines(dialect)

    def enter(self, body: bytes) -> Admission:
        """Admit a request.

        Args:
            body: as it came.

        Raises:
            RateLimited: it may ask no more for now.
        """
        refusal = self.rate.enter(self._clock.monotonic_s())
        if refusal is not None:
            raise self._refused(self._until_both(refusal, body))
        return Admission(self, estimate_tokens(body) if self.rate.limits_tokens else 0)

    def reserve(self, input_tokens: int) -> float:
        """Take tokens for a request that has entered; gives how many."""
        rate = self.rate
        if not rate.limits_tokens:
            return 0.0
        tokens = self._guess(input_tokens)
        refusal = rate.reserve(tokens, self._clock.monotonic_s())
        if refusal is None:
            return tokens
        rate.uncount()
        raise self._too_small(tokens) if refusal.retry_after_s == inf else self._refused(refusal)

    def settle(self, reserved: float, used: float) -> None:
        """Put right what a request was counted with."""
        self.rate.settle(reserved, used, self._clock.monotonic_s())

    def saw_output(self, tokens: int) -> None:
        """Learn how long answers are."""
        self._output_tokens += _MEAN_SHARE * (tokens - self._output_tokens)

    def lines(self, dialect: DialectName) -> bytes:
        """The header lines that say how its limits stand."""
        clock = self._clock
        return standing_lines(dialect, self.rate.standings(clock.monotonic_s()), clock.wall_s())

    def told(self) -> dict[str, Any]:
        """How it does, as plain data."""
        left = {
            f"{standing.name}_left": standing.left
            for standing in self.rate.standings(self._clock.monotonic_s())
        }
        return {
            "name": self.name,
            "tenant": self.tenant,
            "inflight": self.rate.inflight,
            "refused": self.refused,
            **left,
        }

    def _guess(self, input_tokens: int) -> float:
        """What a request will probably use; no mean of others makes it too large."""
        most = self.rate.tokens_max
        return max(float(input_tokens), min(input_tokens + self._output_tokens, most))

    def _until_both(self, refusal: Refusal, body: bytes) -> Refusal:
        """Where requests are too many, until there is room for this one's tokens as well."""
        rate = self.rate
        if refusal.limit != "requests" or not rate.limits_tokens:
            return refusal
        tokens = self._guess(estimate_tokens(body))
        wait_s = rate.tokens_wait_s(tokens, self._clock.monotonic_s())
        return Refusal(refusal.limit, max(refusal.retry_after_s, wait_s))

    def _refused(self, refusal: Refusal) -> RateLimited:
        self.refused += 1
        after_s = refusal.retry_after_s
        whose = f"Key '{self.name}'"
        if refusal.limit == "concurrent":
            return RateLimited(
                f"{whose} has {self.rate.inflight_of_all} requests under way, and may have no "
                "more: try again when one has ended (keys[].concurrent).",
                code="rate_limit_concurrent",
                retry_after_s=after_s,
            )
        if refusal.limit == "requests":
            return RateLimited(
                f"{whose} has made as many requests as it may for now: try again in "
                f"{after_s:.1f} s (keys[].requests_per_minute).",
                code="rate_limit_requests",
                retry_after_s=after_s,
            )
        return RateLimited(
            f"{whose} has used as many tokens as it may for now: try again in {after_s:.1f} s "
            "(keys[].tokens_per_minute).",
            code="rate_limit_tokens",
            retry_after_s=after_s,
        )

    def _too_small(self, tokens: float) -> RateLimited:
        self.refused += 1
        return RateLimited(
            f"This request takes about {tokens:.0f} tokens, and key '{self.name}' may use "
            f"{self.rate.tokens_max:.0f} at once at the most: send less, or raise "
            "keys[].tokens_per_minute or keys[].burst_s.",
            code="rate_limit_too_small",
        )


class Callers:
    """Every limit of callers that a worker knows. Belongs to one event loop.

    Args:
        clock: the time.
        shared: what several workers count together.
        worker: number of this one.

    Attributes:
        limited: those keys that have limits, by their digest; the same mapping for good.
    """

    def __init__(self, clock: Clock, shared: SharedRates | None = None, worker: int = 0) -> None:
        self.limited: dict[bytes, Caller] = {}
        self._clock = clock
        self._shared = shared
        self._worker = worker
        self._known: dict[bytes, Caller] = {}  # with those that have lost their limits of late
        self._address = AddressLimitSettings()
        self._addresses: AddressRates | None = None

    @property
    def limits_addresses(self) -> bool:
        """Whether any address is limited."""
        return self._addresses is not None

    @classmethod
    def of(cls, settings: Settings, clock: Clock, shared: SharedRates | None, worker: int) -> Self:
        """Those that the settings name."""
        callers = cls(clock, shared, worker)
        callers.adopt(settings)
        return callers

    def adopt(self, settings: Settings) -> None:
        """Go by other settings; what was asked lately still counts.

        Of addresses it does so only where their settings are the same.
        """
        self.change(settings.keys, settings.limits.address)

    def change(self, keys: Iterable[KeySettings], address: AddressLimitSettings) -> None:
        """The same, by the settings that matter."""
        now_s = self._clock.monotonic_s()
        before, known = self._known, dict[bytes, Caller]()
        self.limited.clear()
        for key in keys:
            if not key.is_limited:
                continue
            place = key.place_bytes()
            caller = before.get(place)
            if caller is None:
                caller = Caller(key.shown_name, key.tenant, self._rate(key), self._clock)
            else:
                caller.name, caller.tenant = key.shown_name, key.tenant
                caller.rate.change(_limits(key), now_s)
            known[place] = self.limited[key.digest_bytes()] = caller
        # What is under way counts again where a key gets limits anew.
        busy = {place: caller for place, caller in before.items() if caller.rate.inflight}
        self._known = busy | known
        if address != self._address:
            self._address, self._addresses = address, _address_rates(address)

    def knock(self, peer: str) -> RateLimited | None:
        """Count a request of an address; the error is why it is not looked at."""
        if self._addresses is None or not peer:
            return None
        wait_s = self._addresses.admit(address_group(peer), self._clock.monotonic_s())
        if wait_s == 0:
            return None
        return RateLimited(
            f"Too many requests from this address: try again in {ceil(wait_s)} s "
            "(limits.address.requests_per_minute).",
            code="rate_limit_address",
            retry_after_s=wait_s,
        )

    def told(self) -> dict[str, Any]:
        """How callers do, as plain data."""
        return {
            "keys": [caller.told() for caller in self.limited.values()],
            "addresses": None if self._addresses is None else len(self._addresses),
        }

    def _rate(self, key: KeySettings) -> CallerRate:
        cells = None if self._shared is None else self._shared.cells(key)
        if cells is None:
            return CallerRate(_limits(key))
        return CallerRate(_limits(key), cells, self._worker)


def _limits(key: KeySettings) -> RateLimits:
    return RateLimits(
        requests_per_minute=key.requests_per_minute,
        tokens_per_minute=key.tokens_per_minute,
        concurrent=key.concurrent,
        burst_s=key.burst_s,
    )


def find_caller(
    limited: Mapping[bytes, Caller], principal: Principal | None, *, is_console: bool
) -> Caller | None:
    """Whose limits count; the console has none, or nobody could look at what goes on."""
    if principal is None or is_console:
        return None
    return limited.get(principal.key_digest)


def _address_rates(settings: AddressLimitSettings) -> AddressRates | None:
    if settings.requests_per_minute is None:
        return None
    return AddressRates(settings.requests_per_minute, settings.burst_s, settings.addresses_max)


def estimate_tokens(body: bytes) -> int:
    """About how many tokens a request's body is: a quarter of its bytes.

    What is in base64 counts as a thousand, whatever its length. Its ends, up to a kilobyte each,
    are taken for text, so that a look at each block is enough.
    """
    text_bytes, encoded, was_encoded = len(body), 0, False
    for at in range(0, len(body) - _BLOCK_BYTES + 1, _BLOCK_BYTES):
        is_encoded = not body[at : at + _BLOCK_BYTES].translate(None, _BASE64)
        text_bytes -= _BLOCK_BYTES * is_encoded
        encoded += is_encoded and not was_encoded
        was_encoded = is_encoded
    return ceil(text_bytes / _BYTES_PER_TOKEN) + encoded * _TOKENS_OF_ENCODED
