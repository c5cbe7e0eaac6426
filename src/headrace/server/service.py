"""What the connections of a worker share: the desk, the pipeline, the bounds, and the books."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from headrace.clock import Clock
from headrace.errors import HeadraceError, Overloaded
from headrace.gateway.call import Stopwatch
from headrace.gateway.ledger.ledger import Ledger
from headrace.gateway.order import Order
from headrace.gateway.pipeline import Pipeline
from headrace.gateway.tasks import attempt
from headrace.limits import HEAD_MEMO_BYTES_MAX, HEAD_MEMO_ENTRIES_MAX
from headrace.observe.event_log import EventLog
from headrace.observe.metrics import Metrics
from headrace.observe.telemetry.traces import Tracer
from headrace.server.books import Books
from headrace.server.callers import Callers
from headrace.server.exchange import Exchange, State
from headrace.server.heads import (
    Desk,
    RawHead,
    RequestHead,
    leads_to_health,
    read_head,
    unread_head,
)
from headrace.server.logged import exchange_line, hit_line
from headrace.server.places import Route
from headrace.server.refused import count_refused
from headrace.server.replies import GATHERED_BYTES_MIN, hit_head, http_date, preflight_lines
from headrace.server.traced import is_traced, tell_hit, tell_request
from headrace.settings.schema import ListenSettings

Handler = Callable[[Exchange, bytes], None]


# Clients above the bound that are told so; a client more is cut without a word.
REFUSED_MAX = 64


class Connection(Protocol):
    """A client's connection as the service sees it."""

    peer: str

    @property
    def deadline_s(self) -> float: ...
    @property
    def is_idle(self) -> bool: ...
    def expire(self, now_s: float) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class Service:
    """Shared by all connections of one worker. Implements `Office` for their exchanges.

    Args:
        bounds: what one client may ask of the server.
        desk: what heads are read against.
        callers: who may ask how much.
        pipeline: where data-plane requests go.
        handlers: who answers the routes that are not the data plane's.
        clock: the time.
        metrics: counts.
        books: told of every request that is over.
        events: what the gateway has to say of itself.
        worker_tag: makes request ids unique among workers and restarts.
    """

    def __init__(
        self,
        *,
        bounds: ListenSettings,
        desk: Desk,
        callers: Callers,
        pipeline: Pipeline,
        handlers: Mapping[Route, Handler],
        clock: Clock,
        metrics: Metrics,
        books: Books,
        events: EventLog,
        worker_tag: str,
    ) -> None:
        self.bounds = bounds
        self.clock = clock
        self.is_draining = False
        self.known_heads: dict[bytes, RequestHead] = {}
        self.connections: set[Connection] = set()
        self._refused: set[Connection] = set()  # those of them that are being sent away
        self.inflight = 0
        self.unread_head = unread_head(desk.dialects["openai"])
        self.date_line = http_date(clock.wall_s())
        self.limits_addresses = callers.limits_addresses
        self._desk = desk
        self._callers = callers
        self._pipeline = pipeline
        self.ledger: Ledger | None = None  # set where one is wanted
        self.tracer: Tracer | None = None  # set where requests are traced
        self._handlers = handlers
        self._metrics = metrics
        self._books = books
        self.timing_line: Callable[[Stopwatch], bytes] = books.timing_line
        self._events = events
        self._worker_tag = worker_tag
        self._requests = 0
        self._arrived: list[tuple[Exchange, bytes]] = []

    def adopt(self, bounds: ListenSettings, desk: Desk) -> None:
        """Go by other settings from the next request on."""
        self.bounds = bounds
        self._desk = desk
        self.limits_addresses = self._callers.limits_addresses
        self.forget_heads()

    def forget_heads(self) -> None:
        """Read every head anew: what one means may have changed."""
        self.known_heads.clear()

    def next_request_id(self) -> str:
        """An id no other request has."""
        self._requests += 1
        return f"{self._worker_tag}-{self._requests:x}"

    # What connections ask for.

    def connected(self, connection: Connection) -> HeadraceError | None:
        """A client came; the error is why it has to go again.

        It is cut at once where many are being sent away: telling it takes a socket as well.
        """
        welcome = len(self.connections) - len(self._refused)
        if welcome < self.bounds.connections_max and not self.is_draining:
            self.connections.add(connection)
            return None
        self._metrics.connections_refused.increment()
        if len(self._refused) < REFUSED_MAX:
            self.connections.add(connection)
            self._refused.add(connection)
        else:
            connection.abort()
        if self.is_draining:  # it came in the moment in which the listening socket closed
            return Overloaded(
                "The gateway is going down; try again.", code="shutting_down", retry_after_s=1
            )
        return Overloaded(
            "Too many connections; try again later, or raise listen.connections_max.",
            code="too_many_connections",
            retry_after_s=1,
        )

    def disconnected(self, connection: Connection) -> None:
        """A client went."""
        self.connections.discard(connection)
        self._refused.discard(connection)

    def welcomes(self, peer: str) -> bool:
        """Count a request of an address that is limited; whether it may go on."""
        return self._callers.knock(peer) is None

    def read_head(self, raw: RawHead, peer: str) -> RequestHead:
        """What the head of a request says; that of an address that asks too much is not read."""
        refusal = None
        if self.limits_addresses and not leads_to_health(raw.target):
            refusal = self._callers.knock(peer)
        return read_head(raw, self._desk, refusal)

    def remember_head(self, raw: bytes, head: RequestHead) -> None:
        """Know the same bytes again without parsing them."""
        if not head.is_reusable or len(raw) > HEAD_MEMO_BYTES_MAX:
            return
        if len(self.known_heads) >= HEAD_MEMO_ENTRIES_MAX:
            del self.known_heads[next(iter(self.known_heads))]
        self.known_heads[raw] = head

    def answer_repeat(
        self,
        connection: Connection,
        head: RequestHead,
        body_bytes: int,
        digest: bytes,
        began_s: float,
    ) -> bytes | tuple[bytes, bytes] | None:
        """The fast path: the bytes that answer a body seen before, or `None`; two pieces where
        the answer is large.

        Args:
            connection: whose request it is.
            head: the head of the request.
            body_bytes: size of its body.
            digest: key of its body.
            began_s: when its first byte came, monotonic seconds.
        """
        call, caller = head.call, head.caller
        if call is None or self.is_draining or (caller is not None and not caller.has_room()):
            return None
        answer = self._pipeline.repeat(call, digest, began_s)
        if answer is None:
            return None
        extra = head.extra if caller is None else head.extra + caller.repeated(head.dialect.name)
        now_s = self.clock.monotonic_s()
        took_s = now_s - began_s
        request_id = self.next_request_id()
        rendered = answer.rendered
        if not rendered:
            rendered = answer.rendered = hit_head(answer)
        id_line = b"x-request-id: %b\r\n" % request_id.encode()
        if head.dialect.name == "anthropic":
            id_line += b"request-id: %b\r\n" % request_id.encode()
        body = answer.body
        is_large = len(body) >= GATHERED_BYTES_MIN
        reply = b"%b%bage: %d\r\nserver-timing: look_up;dur=%.3f\r\n%b%b%b%b" % (
            rendered,
            self.date_line,
            began_s - answer.stored_s,
            took_s * 1000,
            extra,
            id_line,
            b"\r\n" if head.keep_alive else b"connection: close\r\n\r\n",
            b"" if is_large else body,
        )
        if self.ledger is not None:
            self.ledger.repeat(call, digest, answer, request_id, took_s)
        took_ms = took_s * 1000
        line = hit_line(connection.peer, head, answer, (now_s, request_id, took_ms, body_bytes))
        if self.tracer is not None:
            tell_hit(self.tracer, head, line)
        self._books.note(line, _LOOK_UP, (took_ms,))
        return (reply, body) if is_large else reply

    def start(self, exchange: Exchange, body: bytes) -> None:
        """Take a request that is not a repeat to whoever answers it."""
        self.inflight += 1
        exchange.bytes_in = len(body)
        head = exchange.head
        if self.tracer is not None and is_traced(head):
            exchange.watch.trace = self.tracer.begin(head.carried)
        try:
            self._check(head)
            if head.caller is not None:
                exchange.admission = head.caller.enter(body)
            if head.call is not None and not head.place.is_spoken_over:
                self._gather(exchange, body)
            elif head.method == b"OPTIONS":
                self._answer_options(exchange)
            else:
                handler = self._handlers[head.place.route]
                outcome = attempt(lambda body: handler(exchange, body), body, self._tell_bug)
                if outcome is not None:
                    raise outcome
        except HeadraceError as error:
            exchange.fail(error)

    def refused(self, error: HeadraceError) -> None:
        """Count a request that was wrong, or too much."""
        count_refused(self._metrics, error.code)

    def tls_was_tried(self, peer: str) -> None:
        """Tell the operator of a client that spoke TLS where there is none."""
        self._events.say(
            "warning",
            "tls_on_plain_port",
            peer=peer,
            detail="a client spoke https on this port, which speaks http: give it an http:// URL, "
            "or set listen.tls",
        )

    def settled(self, exchange: Exchange, *, aborted: bool = False) -> None:
        """An exchange is over: count it and log it."""
        if exchange.head is not self.unread_head:
            self.inflight -= 1
        if exchange.admission is not None:
            exchange.settle_limits()
            exchange.admission.end()
        if aborted:
            self._metrics.client_aborts.increment()
        elif exchange.watch.names:
            exchange.watch.passed("settle", exchange.first_byte_s)
        line, watch = exchange_line(exchange, self.clock.monotonic_s()), exchange.watch
        if watch.trace is not None:
            tell_request(watch.trace, exchange, line)
        self._books.note(line, watch.names, watch.times_ms)

    # What the worker asks for.

    def sweep(self, now_s: float) -> None:
        """Act on every deadline that has passed."""
        self._metrics.inflight.set(self.inflight)
        self._metrics.connections.set(len(self.connections))
        self.date_line = http_date(self.clock.wall_s())
        for connection in [c for c in self.connections if c.deadline_s <= now_s]:
            connection.expire(now_s)

    def drain(self) -> None:
        """Take nothing new; connections close as soon as they owe nothing."""
        self.is_draining = True
        for connection in list(self.connections):
            if connection.is_idle:
                connection.close()

    # The inside.

    def _check(self, head: RequestHead) -> None:
        if head.error is not None:
            raise head.error
        if self.inflight > self.bounds.requests_max:
            raise Overloaded(
                "Too many requests in flight; try again later, or raise listen.requests_max.",
                code="too_many_requests_in_flight",
                retry_after_s=1,
            )

    def _answer_options(self, exchange: Exchange) -> None:
        head = exchange.head
        exchange.send(204, preflight_lines(head.place.methods, allowed=bool(head.extra)), b"")

    def _gather(self, exchange: Exchange, body: bytes) -> None:
        """Let the requests of this turn of the loop go through the pipeline together."""
        exchange.watch.passed("authenticate")
        self._arrived.append((exchange, body))
        if len(self._arrived) == 1:
            asyncio.get_running_loop().call_soon(self._handle_arrived)

    def _handle_arrived(self) -> None:
        arrived, self._arrived = self._arrived, []
        exchanges: list[Exchange] = []
        orders: list[Order] = []
        for exchange, body in arrived:
            call = exchange.head.call
            if call is not None and exchange.state is not _OVER:  # the client may be gone already
                exchanges.append(exchange)
                known = exchange.watch, exchange.digest
                orders.append(Order(call, body, exchange, *known, asker_books=True))
        self._pipeline.handle_all(orders)
        for exchange, order in zip(exchanges, orders, strict=True):
            if order.error is not None:
                exchange.fail(order.error)

    def _tell_bug(self, bug: BaseException) -> None:
        self._events.say("error", "bug", about=type(bug).__name__, detail=repr(bug))


_LOOK_UP = ("look_up",)
# Finding a member of an enum costs more than comparing with it.
_OVER = State.OVER
