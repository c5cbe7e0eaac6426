"""What the provider has seen, so that a test can ask what reached it."""

import collections
import hashlib
from typing import TypeVar

import msgspec

from headrace.clock import Clock
from headrace.sim.prefixes import Bill

LAST_REQUESTS_MAX = 64
_BODY_BYTES_MAX = 1 << 20
_TALLIES_MAX = 65_536
_OVERFLOW = "(other)"

Key = TypeVar("Key", str, tuple[str, str])


class Request(msgspec.Struct, frozen=True):
    """A request as it came.

    Attributes:
        method: such as `POST`.
        path: without the query.
        headers: names in lower case; of a repeated header the last one.
        body: the bytes after any chunked framing is taken off.
        keep_alive: whether the connection may go on afterwards.
        query: what follows the path, without its mark.
    """

    method: str
    path: str
    headers: dict[bytes, bytes]
    body: bytes
    keep_alive: bool
    query: str = ""


class SeenRequest(msgspec.Struct, frozen=True):
    """A request as `GET /_sim/stats` tells it; the body as text, its first MiB."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


class StatsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `GET /_sim/stats`. Calls to `/_sim/` are not in it.

    Attributes:
        requests_total: requests since the start or the last reset.
        requests: how many by path and model; the model is empty where none was read.
        inflight: requests whose answer is not finished.
        streams_aborted: streams whose client went away in the middle.
        calls_aborted: other calls whose client went away before the whole answer.
        last_abort_age_s: seconds since the last of these, `None` before the first.
        connections_open: connections open now, the asking one included.
        connections_total: connections accepted since the start or the last reset.
        faults_applied: how many faults by kind.
        refused: calls above `inflight_max`, or above a limit per minute.
        cached_tokens: tokens that were read from the prompt cache.
        written_tokens: tokens that were put there, for which a fee is due.
        charged_tokens: what was taken of a limit of tokens per minute.
        bodies: how many requests by the SHA-256 of their body, in hex.
        last_requests: the last 64 requests, oldest first.
    """

    requests_total: int
    requests: dict[str, dict[str, int]]
    inflight: int
    streams_aborted: int
    calls_aborted: int
    last_abort_age_s: float | None
    connections_open: int
    connections_total: int
    faults_applied: dict[str, int]
    refused: int
    charged_tokens: int
    cached_tokens: int
    written_tokens: int
    bodies: dict[str, int]
    last_requests: list[SeenRequest]


class Stats:
    """Counts of one simulated provider."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.inflight = 0
        self._connections_open = 0
        self._clear()

    def _clear(self) -> None:
        self._requests_total = 0
        self._requests: dict[tuple[str, str], int] = {}
        self._streams_aborted = 0
        self._calls_aborted = 0
        self._aborted_at_s: float | None = None
        self._connections_total = 0
        self._faults: dict[str, int] = {}
        self._refused = 0
        self._charged_tokens = 0
        self._cached_tokens = 0
        self._written_tokens = 0
        self._bodies: dict[str, int] = {}
        self._last: collections.deque[Request] = collections.deque(maxlen=LAST_REQUESTS_MAX)

    def reset(self) -> None:
        """Forget everything but what is open and in flight now."""
        self._clear()

    def connected(self) -> None:
        """A connection was accepted."""
        self._connections_open += 1
        self._connections_total += 1

    def disconnected(self) -> None:
        """A connection is gone."""
        self._connections_open -= 1

    def saw(self, request: Request) -> None:
        """A request arrived."""
        self._requests_total += 1
        _count(self._bodies, hashlib.sha256(request.body).hexdigest(), _OVERFLOW)
        if len(request.body) > _BODY_BYTES_MAX:
            request = msgspec.structs.replace(request, body=request.body[:_BODY_BYTES_MAX])
        self._last.append(request)

    def routed(self, path: str, model: str) -> None:
        """The request that arrived was for `model`."""
        _count(self._requests, (path, model), (_OVERFLOW, ""))

    def spoiled(self, kind: str) -> None:
        """A fault of `kind` was applied."""
        self._faults[kind] = self._faults.get(kind, 0) + 1

    def refused(self) -> None:
        """A call was refused, since there were too many."""
        self._refused += 1

    def charged(self, tokens: int) -> None:
        """So much was taken of the limit of tokens."""
        self._charged_tokens += tokens

    def billed(self, bill: Bill) -> None:
        """The prompt cache had so much of a prompt, and holds so much more of it."""
        self._cached_tokens += bill.read
        self._written_tokens += bill.written_5m + bill.written_1h

    def aborted(self, *, stream: bool) -> None:
        """A client went away before its answer was whole."""
        self._aborted_at_s = self._clock.monotonic_s()
        if stream:
            self._streams_aborted += 1
        else:
            self._calls_aborted += 1

    def report(self) -> StatsReport:
        """Everything counted so far."""
        requests: dict[str, dict[str, int]] = {}
        for (path, model), times in self._requests.items():
            requests.setdefault(path, {})[model] = times
        aborted_at_s = self._aborted_at_s
        age_s = None if aborted_at_s is None else self._clock.monotonic_s() - aborted_at_s
        return StatsReport(
            requests_total=self._requests_total,
            requests=requests,
            inflight=self.inflight,
            streams_aborted=self._streams_aborted,
            calls_aborted=self._calls_aborted,
            last_abort_age_s=age_s,
            connections_open=self._connections_open,
            connections_total=self._connections_total,
            faults_applied=dict(self._faults),
            refused=self._refused,
            charged_tokens=self._charged_tokens,
            cached_tokens=self._cached_tokens,
            written_tokens=self._written_tokens,
            bodies=dict(self._bodies),
            last_requests=[_seen(request) for request in self._last],
        )


def _count(tally: dict[Key, int], key: Key, overflow: Key) -> None:
    if key not in tally and len(tally) >= _TALLIES_MAX:
        key = overflow
    tally[key] = tally.get(key, 0) + 1


def _seen(request: Request) -> SeenRequest:
    return SeenRequest(
        method=request.method,
        path=request.path,
        headers={k.decode("latin-1"): v.decode("latin-1") for k, v in request.headers.items()},
        body=request.body.decode("utf-8", "replace"),
    )
