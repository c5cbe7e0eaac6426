"""Who waits for an answer, and what it is told of where the answer comes from."""

import enum
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from headrace.cache.entry import Answer, Headers
from headrace.errors import HeadraceError
from headrace.model import CacheResult

Remarks = tuple[tuple[str, str], ...]
"""What stages tell the caller and the log: ends of `x-headrace-` names, and values."""

_CACHE_VALUES: Mapping[CacheResult, bytes] = {c: c.value.encode() for c in CacheResult}
# Finding a member of an enum costs more than comparing with it.
_MISS = CacheResult.MISS
_PAID = (_MISS, CacheResult.BYPASS)


class Stale(enum.StrEnum):
    """Why an answer is given although its time is over (RFC 5861)."""

    REVALIDATING = "while-revalidate"
    ERROR = "if-error"


class Fallback(enum.StrEnum):
    """What was done where an answer failed."""

    TEXT = "text"  # the text of the settings was given in its place
    TEMPLATE = "template"  # the same without asking anybody, for a service level's sake
    PASSED = "passed"  # another Headrace, which was asked, had no better than its own text
    CONTINUED = "continued"  # a stream that broke off went on with the words of another call


TEXTS: Final = frozenset((Fallback.TEXT, Fallback.TEMPLATE))
"""Answers that were made here."""
NO_ANSWERS: Final = TEXTS | {Fallback.PASSED}
"""What nobody takes for a model's answer who can ask again."""


class Told(msgspec.Struct, frozen=True, gc=False):
    """What is said of where an answer comes from, as it is at one moment.

    Attributes:
        cache: how the cache answered; a miss in memory may turn out to be elsewhere.
        provider: who answers; while the call is under way, who is asked now.
        model: what that provider calls the model.
        attempts: calls made to the provider so far.
        tried: who was asked in vain, or could not be asked, and how it failed.
        remarks: what stages said besides: of this request, and then of the call that it waits for.
        stale: why a stale answer is given, where it is stale.
        similarity: of the question that the answer was given to, 0 to 1; usually the same.
        fallback: what was done where the answer failed, where it did.
    """

    cache: CacheResult
    provider: str
    model: str
    attempts: int = 0
    tried: tuple[str, ...] = ()
    remarks: Remarks = ()
    stale: Stale | None = None
    similarity: float | None = None
    fallback: Fallback | None = None

    @property
    def cache_value(self) -> bytes:
        """How the cache answered, as it stands in a header."""
        return _CACHE_VALUES[self.cache]

    @property
    def is_free(self) -> bool:
        """Whether somebody else pays for the answer, or has paid."""
        return self.cache not in _PAID


class Outcome(Protocol):
    """A call as those who wait for it see it."""

    @property
    def found_in(self) -> CacheResult | None: ...
    @property
    def delivered(self) -> Answer | None: ...
    def told(self, cache: CacheResult, remarks: Remarks) -> Told: ...


class Place(Protocol):
    """A reader's place in a call under way."""

    def pause(self) -> None:
        """The reader cannot take more for now."""
        ...

    def resume(self) -> None:
        """The reader can take more again."""
        ...

    def leave(self) -> None:
        """The reader is gone."""
        ...


class Source:
    """Where one reader's answer comes from.

    Attributes:
        key: what the answer is kept under.
        asked: the model as the caller named it.
        intent: what the caller wanted, where that is told.
        is_stream: whether a stream was asked for.
    """

    __slots__ = (
        *("_cache", "_call", "_model", "_provider", "_remarks", "_stale", "_told"),
        *("asked", "intent", "is_stream", "key"),
    )

    def __init__(
        self,
        cache: CacheResult,
        provider: str,
        model: str,
        call: "Outcome | None" = None,
        stale: Stale | None = None,
        key: bytes = b"",
        remarks: Remarks = (),
        asked: str = "",
        intent: str = "",
        *,
        is_stream: bool = False,
    ) -> None:
        self.asked = asked
        self.intent = intent
        self.is_stream = is_stream
        self._cache = cache
        self._stale = stale
        self._provider = provider
        self._model = model
        self._call = call
        self.key = key
        self._remarks = remarks
        self._told: Told | None = None

    @property
    def flight(self) -> "Outcome | None":
        """The call that brings the answer, where it is not there already."""
        return self._call

    def told(self) -> Told:
        """All that is said of it now; one look costs less than asking for each."""
        if self._told is not None:
            return self._told
        call = self._call
        if call is None:
            who = self._provider, self._model
            return Told(self._cache, *who, remarks=self._remarks, stale=self._stale)
        told = call.told(self.cache, self._remarks)
        if call.delivered is not None:  # nothing of it changes any more
            self._told = told
        return told

    @property
    def cache(self) -> CacheResult:
        """How the cache answered; a miss in memory may turn out to be elsewhere."""
        if self._cache is _MISS and self._call and self._call.found_in:
            return self._call.found_in
        return self._cache

    @property
    def provider(self) -> str:
        """Who answers; while the call is under way, who is asked now."""
        return self.told().provider

    @property
    def model(self) -> str:
        """What that provider calls the model."""
        return self.told().model

    @property
    def stale(self) -> Stale | None:
        """Why a stale answer is given, where it is stale."""
        return self.told().stale

    @property
    def fallback(self) -> Fallback | None:
        """What was done where the answer failed, where it did."""
        return self.told().fallback

    @property
    def attempts(self) -> int:
        """Calls made to the provider so far."""
        return self.told().attempts

    @property
    def remarks(self) -> Remarks:
        """What stages said besides: of this request, and then of the call that it waits for."""
        return self.told().remarks

    def remark(self, name: str, value: str) -> None:
        """Tell this reader alone, by the header `x-headrace-NAME`."""
        self._remarks += ((name, value),)
        self._told = None

    @property
    def is_free(self) -> bool:
        """Whether somebody else pays for the answer, or has paid."""
        return self.cache not in _PAID


class Reader(Protocol):
    """Someone who waits for an answer."""

    def placed(self, source: Source) -> None:
        """It is known where the answer comes from; called once, before anything of it comes."""
        ...

    def prepare(self, answer: Answer) -> None:
        """The whole answer comes next: make ready what can be made ready."""
        ...

    def answer(self, answer: Answer, age_s: float | None = None) -> None:
        """The whole answer; `age_s` is how long it was stored, where it was."""
        ...

    def done(self) -> None:
        """The whole answer was given: time for what the reader does not wait for."""
        ...

    def seated(self, seat: "Place") -> None:
        """Its place in a call under way; called once, before anything of the answer comes."""
        ...

    def begin(self, status: int, headers: Headers) -> None:
        """A stream begins."""
        ...

    def feed(self, chunk: bytes, framed: bytes | None = None) -> None:
        """The next bytes of the stream; `framed` is the same as one HTTP chunk, if it is there."""
        ...

    def end(self, answer: Answer) -> None:
        """The stream is over, and complete; `answer` is the whole of it."""
        ...

    def fail(self, error: HeadraceError) -> None:
        """There will be no answer, or no more of it."""
        ...


class Nobody:
    """Reads what is asked for in the background, for the sake of those who ask next."""

    def placed(self, source: Source) -> None: ...

    def prepare(self, answer: Answer) -> None: ...

    def answer(self, answer: Answer, age_s: float | None = None) -> None: ...

    def done(self) -> None: ...

    def seated(self, seat: Place) -> None: ...

    def begin(self, status: int, headers: Headers) -> None: ...

    def feed(self, chunk: bytes, framed: bytes | None = None) -> None: ...

    def end(self, answer: Answer) -> None: ...

    def fail(self, error: HeadraceError) -> None: ...
