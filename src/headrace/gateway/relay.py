"""The stream tee: one upstream answer on its way to everyone who asked for it.

A relay takes an answer as it comes and gives it to its readers. Each reader has a seat with a
place in the list of chunks, so a slow one lags without holding the others up, and a late one
gets what has come so far and then the rest. When every reader is slow the upstream is paused;
when the last one leaves, the upstream call ends.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Protocol

from headrace.cache.entry import Answer, Headers
from headrace.errors import HeadraceError
from headrace.gateway.headers import content_type, end_to_end
from headrace.gateway.reader import Fallback, Reader, Stale
from headrace.gateway.tasks import attempt
from headrace.limits import RELAY_BYTES_MAX
from headrace.model import CacheResult
from headrace.upstream.faults import UpstreamFault
from headrace.upstream.h1 import Flow, RawHeaders


class Cancellable(Protocol):
    """A call to a provider."""

    def cancel(self) -> None:
        """Give it up; not for a call that has ended."""
        ...


class Seat:
    """One reader's place in a relay."""

    __slots__ = ("_relay", "is_slow", "place", "reader")

    def __init__(self, relay: "Relay", reader: Reader) -> None:
        self._relay = relay
        self.reader = reader
        self.place = 0
        self.is_slow = False

    def pause(self) -> None:
        """The reader cannot take more for now."""
        self.is_slow = True
        self._relay.slowed()

    def resume(self) -> None:
        """The reader can take more again."""
        self.is_slow = False
        self._relay.caught_up(self)

    def leave(self) -> None:
        """The reader is gone."""
        self._relay.leave(self)


class Relay(ABC):
    """One answer, many readers. Implements the upstream's `Sink`; whoever runs the call fills in
    what an answer is made of and what follows its end.
    """

    __slots__ = (
        "_bytes",
        "_chunks",
        "_conclusion",
        "_first",
        "_flow",
        "_seats",
        "attempts",
        "call",
        "delivered",
        "fallback",
        "found_in",
        "headers",
        "is_over",
        "is_stream",
        "similarity",
        "stale",
        "status",
    )

    def __init__(self) -> None:
        self._seats: list[Seat] = []
        self._chunks: list[bytes] = []
        self._first = 0  # the number of the oldest chunk still held
        self._bytes = 0
        self._flow: Flow | None = None
        self._conclusion: Answer | HeadraceError
        self.delivered: Answer | None = None
        self.found_in: CacheResult | None = None
        self.stale: Stale | None = None
        self.fallback: Fallback | None = None
        self.similarity: float | None = None
        self.call: Cancellable | None = None
        self.attempts = 0
        self.status = 0
        self.headers: Headers = ()
        self.is_stream = False
        self.is_over = False

    @abstractmethod
    def ended(self) -> None:
        """All has come: see to it that `conclude` and then `deliver` are called soon."""

    @abstractmethod
    def concluded(self) -> Answer:
        """Make an answer of what came.

        Raises:
            UpstreamFault: what came is not an answer.
        """

    @abstractmethod
    def consoled(self, error: HeadraceError) -> bool:
        """Give readers something better than this error; says whether there was anything."""

    @abstractmethod
    def failed(self, error: HeadraceError) -> None:
        """There is no answer; nobody can join any more."""

    @abstractmethod
    def closed(self) -> None:
        """The answer has grown too long for anybody to join."""

    @abstractmethod
    def on_bug(self, bug: BaseException) -> None:
        """What came was too much for the code that reads it."""

    @abstractmethod
    def abandoned(self) -> None:
        """Nobody waits any more."""

    # The upstream's side.

    def on_attempt(self, flow: Flow) -> None:
        self.attempts += 1
        self._flow = flow

    def moved(self, flow: Flow | None) -> None:
        """The answer comes over another connection than it was first asked for over."""
        self._flow = flow

    def on_head(self, status: int, headers: RawHeaders) -> None:
        self.status = status
        self.headers = end_to_end(headers)
        if status == 200 and content_type(self.headers).startswith(b"text/event-stream"):
            self.is_stream = True
            for seat in self._seats.copy():
                seat.reader.begin(status, self.headers)

    def on_body(self, chunk: bytes, framed: bytes | None = None) -> None:
        chunks = self._chunks
        chunks.append(chunk)
        self._bytes += len(chunk)
        if not self.is_stream:
            return
        here = self._first + len(chunks)
        for seat in self._seats if len(self._seats) == 1 else self._seats.copy():
            if not seat.is_slow:
                seat.place = here
                seat.reader.feed(chunk, framed)
        if self._bytes > RELAY_BYTES_MAX:
            self._shorten()

    def on_end(self) -> None:
        self.is_over = True
        self.ended()

    def on_fault(self, error: HeadraceError) -> None:
        if not self.is_over:
            self.is_over = True
            self._count_unsent(error)
            if self.is_stream or not self._seats or not self.consoled(error):
                self._fail(error)

    def begin_again(self, error: HeadraceError | None = None) -> None:
        """Another attempt follows one that failed before a reader had anything of it."""
        if error is not None:
            self._count_unsent(error)
        self._chunks.clear()
        self._bytes = 0
        self._flow = None
        self.status = 0
        self.headers = ()

    def _count_unsent(self, error: HeadraceError) -> None:
        if isinstance(error, UpstreamFault) and error.is_unsent:
            self.attempts += 1  # as much of an attempt as one that failed later

    # The end.

    def conclude(self) -> None:
        """Make up one's mind about what came."""
        self._conclusion = attempt(type(self).concluded, self, self.on_bug)

    def prepare(self) -> None:
        """Let every reader get ready for the conclusion."""
        answer = self._conclusion
        if not self.is_stream and not isinstance(answer, HeadraceError):
            for seat in self._seats:
                seat.reader.prepare(answer)

    def deliver(self) -> None:
        """Give the conclusion to every reader."""
        answer = self._conclusion
        if isinstance(answer, HeadraceError):
            if self.is_stream or not self.consoled(answer):
                self._fail(answer)
            return
        seats, self.delivered = self._seats, answer
        if self.is_stream:
            self._seats = [seat for seat in seats if seat.is_slow]
            for seat in seats:
                if not seat.is_slow:
                    seat.reader.end(answer)
        else:
            for seat in seats.copy():
                seat.reader.answer(answer)

    def dismiss(self) -> None:
        """Let the readers of a whole answer go."""
        if not self.is_stream:
            seats, self._seats = self._seats, []
            for seat in seats:
                seat.reader.done()

    def give(
        self, answer: Answer, age_s: float | None = None, found_in: CacheResult | None = None
    ) -> None:
        """End with an answer that was not the provider's: one that was stored, or made here."""
        self.is_over = True
        self.delivered = answer
        self.found_in = found_in
        seats, self._seats = self._seats, []
        for seat in seats:
            seat.reader.answer(answer, age_s)
        for seat in seats:
            seat.reader.done()

    def _fail(self, error: HeadraceError) -> None:
        self.failed(error)
        seats, self._seats = self._seats, []
        for seat in seats:
            seat.reader.fail(error)

    # The readers' side.

    @property
    def body(self) -> bytes:
        """What has come so far; of a very long stream, its last part."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    @property
    def is_intact(self) -> bool:
        """Whether `body` is all that came."""
        return self._first == 0

    @property
    def flow(self) -> Flow | None:
        """The connection that the answer comes over."""
        return self._flow

    @property
    def readers(self) -> int:
        """How many wait."""
        return len(self._seats)

    @property
    def bytes_held(self) -> int:
        """How long `body` is."""
        return self._bytes

    def head(self, size: int) -> bytes:
        """At least the first `size` bytes of `body`, where there are as many."""
        return b"".join(_enough(self._chunks, size))

    def tail(self, size: int) -> bytes:
        """At least the last `size` bytes that came, where there are as many."""
        chunks = self._chunks
        if chunks and len(chunks[-1]) >= size:
            return chunks[-1]
        return b"".join(reversed(_enough(reversed(chunks), size)))

    def count(self, mark: bytes) -> int:
        """How often `mark`, which does not begin as it ends, stands in `body`."""
        found, reach = 0, len(mark) - 1
        end = b""  # of what was looked through: a mark may begin there
        for chunk in self._chunks:
            found += chunk.count(mark) + (end + chunk[:reach]).count(mark)
            end = chunk[-reach:] if len(chunk) >= reach else (end + chunk)[-reach:]
        return found

    def join(self, reader: Reader) -> None:
        """Wait for the answer too; of a stream, what has come so far comes first.

        It comes as fast as the reader takes it: who pauses its seat lags like any other.
        """
        seat = Seat(self, reader)
        self._seats.append(seat)
        reader.seated(seat)
        if self.is_stream:
            reader.begin(self.status, self.headers)
            self.caught_up(seat)

    def leave(self, seat: Seat) -> None:
        """Wait no longer. Leaving twice does nothing."""
        if seat not in self._seats:
            return
        self._seats.remove(seat)
        if self.is_over:
            return
        if not self._seats:
            self.is_over = True
            self.abandoned()
        elif all(each.is_slow for each in self._seats):
            self.slowed()
        elif self._flow:
            self._flow.resume()  # who left may be the one that held the others back

    def slowed(self) -> None:
        """A reader fell behind or left: pause the upstream when nobody takes what comes."""
        if not self.is_over and self._flow and all(seat.is_slow for seat in self._seats):
            self._flow.pause()

    def caught_up(self, seat: Seat) -> None:
        """A reader can take more: give it what it has missed."""
        while not seat.is_slow and (index := seat.place - self._first) < len(self._chunks):
            seat.place += 1
            seat.reader.feed(self._chunks[index])
        if seat.is_slow:
            return
        if self.delivered is not None:
            if seat in self._seats:
                self._seats.remove(seat)
                seat.reader.end(self.delivered)
        elif self._flow and not self.is_over:
            self._flow.resume()

    def _shorten(self) -> None:
        """Let go of what every reader has; nobody can join any more."""
        if self._first == 0:
            self.closed()
        taken = min((seat.place for seat in self._seats), default=0)
        while len(self._chunks) > 1 and self._first < taken and self._bytes > RELAY_BYTES_MAX // 2:
            self._bytes -= len(self._chunks.pop(0))
            self._first += 1
        if self._bytes > RELAY_BYTES_MAX and self._flow:
            self._flow.pause()  # a slow reader holds the rest back, until it has caught up


def _enough(chunks: Iterable[bytes], size: int) -> list[bytes]:
    """Chunks from the first on, as many as make `size` bytes."""
    taken: list[bytes] = []
    for chunk in chunks:
        taken.append(chunk)
        size -= len(chunk)
        if size <= 0:
            break
    return taken
