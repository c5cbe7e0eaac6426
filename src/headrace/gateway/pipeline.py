"""The one place where the order of the stages is written.

    authenticate -> validate -> route -> look up -> join -> prepare -> send -> relay -> settle

`repeat` is the fast path: a body that was seen before is answered by its digest, before any JSON
is parsed and without a task. `handle` is the whole way. Authentication needs only the head of a
request, so it happens where that is read, and its outcome is part of the `Call`.
"""

from typing import Any

import msgspec

from headrace.cache.entry import Answer, Shape
from headrace.cache.key import canonical_key, decode_document, repeat_key
from headrace.cache.memory import MemoryCache
from headrace.cache.rules import request_cacheable, store_refusal
from headrace.cache.shapes import reshape
from headrace.clock import Clock
from headrace.errors import DeadlineExceeded, InvalidRequest
from headrace.flow.singleflight import SingleFlight
from headrace.gateway.call import Call, Stopwatch
from headrace.gateway.flight import Errand, Flight
from headrace.gateway.plan import Plan
from headrace.gateway.relay import Reader, Seat, Source
from headrace.model import CacheResult, Price, RequestView, Usage
from headrace.observe.metrics import Metrics

class Pipeline:
    """Takes requests through the stages. Belongs to one event loop. Implements `Tower`.

    Args:
        plan: what the settings say; replaced as a whole by `adopt`.
        cache: the memory tier.
        clock: tells the time.
        metrics: counts.
    """

    def __init__(
        self, plan: Plan, *, cache: MemoryCache, clock: Clock, metrics: Metrics
    ) -> None:
        self._plan = plan
        self._cache = cache
        self._metrics = metrics
        self._flights: SingleFlight[Flight] = SingleFlight()
        self.now_s = clock.monotonic_s

    @property
    def plan(self) -> Plan:
        """What the settings say at the moment."""
        return self._plan

    def adopt(self, plan: Plan) -> None:
        """Go by other settings from the next request on."""
        self._plan = plan
        self._cache.forget_repeats()

    def repeat(self, call: Call, body: bytes, now_s: float) -> Answer | None:
        """The fast path: the stored answer to this very body, found without parsing it."""
        hints = call.hints
        if not hints.looks_up:
            return None
        answer = self._cache.repeat(repeat_key(call.scope, body), now_s)
        if answer is None:
            return None
        if hints.age_s_max is not None and now_s - answer.stored_s > hints.age_s_max:
            return None
        self._count_saved(answer, answer.seconds)
        return answer

    def handle(self, call: Call, body: bytes, reader: Reader, watch: Stopwatch) -> Seat | None:
        """The whole way of a request whose body is not known.

        Args:
            call: what the head of the request says.
            body: its JSON.
            reader: who waits for the answer.
            watch: times the stages.

        Returns:
            The reader's place in a call under way, or `None` where it was answered at once.

        Raises:
            HeadraceError: the request is wrong, or cannot be served.
        """
        document = decode_document(body)
        view = call.dialect.read_request(call.grammar.operation, document)
        watch.passed("validate")
        errand = self._route(call, body, document, view)
        watch.passed("route")
        if errand.looks_up:
            answer = self._look_up(errand)
            watch.passed("look_up")
            if answer:
                reader.placed(Source(CacheResult.L1, answer.provider, answer.model))
                reader.answer(answer, self.now_s() - answer.stored_s)
                return None
        if call.hints.cached_only:
            raise DeadlineExceeded("The answer is not in the cache.", code="not_cached")
        flight, leads = self._join(errand)
        seat = self._relay(flight, reader, leads)
        watch.passed("join")
        if leads:
            self._send(flight, self._prepare(errand, body))
        return seat

    def _route(
        self, call: Call, body: bytes, document: dict[str, Any], view: RequestView
    ) -> Errand:
        plan = self._plan
        target = plan.directory.resolve(view.model, call.dialect.name)
        lane = plan.lanes[target.provider]
        uncounted = call.grammar.uncounted
        if plan.ignored:
            uncounted |= plan.ignored
        key = canonical_key(call.scope + lane.scope, document, uncounted, target.model)
        shape = _shape(view)
        cacheable = plan.cache_enabled and request_cacheable(view, plan.temperature_max)
        return Errand(
            call,
            view,
            lane,
            target.model,
            key,
            key + _SHAPE_SUFFIX[shape],
            repeat_key(call.scope, body),
            shape,
            cacheable,
            cacheable and call.hints.looks_up,
        )

    def _look_up(self, errand: Errand) -> Answer | None:
        now_s = self.now_s()
        entry = self._cache.find(errand.key, now_s)
        if entry is None:
            return None
        call = errand.call
        age_s_max = call.hints.age_s_max
        if age_s_max is not None and now_s - entry.stored_s > age_s_max:
            return None
        answer = reshape(call.dialect, call.grammar.operation, entry, errand.shape)
        if answer is None:
            return None
        self._cache.add_shape(entry, answer)
        self._cache.add_repeat(errand.digest, entry, answer)
        self._count_saved(answer, answer.seconds)
        return answer

    def _join(self, errand: Errand) -> tuple[Flight, bool]:
        if not errand.looks_up:
            return Flight(errand, self), True
        under_way = self._flights.find(errand.flight_key)
        if under_way is not None:
            return under_way, False
        flight = Flight(errand, self)
        self._flights.start(errand.flight_key, flight)
        return flight, True

    def _relay(self, flight: Flight, reader: Reader, leads: bool) -> Seat:
        errand = flight.errand
        cache = CacheResult.JOINED
        if leads:
            cache = CacheResult.MISS if errand.looks_up else CacheResult.BYPASS
        else:
            flight.followers += 1
            self._metrics.flights_joined.increment()
        reader.placed(Source(cache, errand.lane.endpoint.name, errand.model, flight))
        return flight.join(reader)

    def _prepare(self, errand: Errand, body: bytes) -> bytes:
        return body if errand.model == errand.view.model else _with_model(body, errand.model)

    def _send(self, flight: Flight, body: bytes) -> None:
        call = flight.errand.call
        endpoint = flight.errand.lane.endpoint
        flight.call = endpoint.send(b"POST", call.grammar.path, call.forwarded, body, flight)

    # What flights say.

    def price_of(self, errand: Errand) -> Price | None:
        return self._plan.price(errand.lane, errand.model)

    def closed(self, flight: Flight) -> None:
        self._flights.land(flight.errand.flight_key, flight)

    def landed(self, flight: Flight, answer: Answer | None) -> None:
        """Settle: nobody joins any more, the answer is booked and, where it may be, stored."""
        errand = flight.errand
        self._flights.land(errand.flight_key, flight)
        if answer is None:
            return
        errand.lane.meter.done(answer.status, answer.seconds)
        if answer.usage:
            errand.lane.meter.spent(answer.usage, answer.cost_usd)
        if answer.status == 200:
            for _ in range(flight.followers):
                self._count_saved(answer, 0.0)
        if errand.cacheable and errand.call.hints.stores:
            self._store(flight, answer)

    def _store(self, flight: Flight, answer: Answer) -> None:
        errand, plan = flight.errand, self._plan
        refusal: str | None = store_refusal(flight.facts, answer.status, plan.rules)
        if refusal is None and not _fits(flight, answer, plan.answer_bytes_max):
            refusal = "too_large"
        if refusal is None and flight.is_stream != errand.view.stream:
            refusal = "shape"
        if refusal is not None:
            refusals = self._metrics.cache_refusals
            refusals.add(refusals.at(refusal))
            return
        # What the provider said of this one call (limits, ids, times) is not true of the next.
        answer.headers = tuple([pair for pair in answer.headers if pair[0] == b"content-type"])
        now_s, ttl_s = self.now_s(), plan.ttl(errand.call.hints.ttl_s)
        entry = self._cache.store(errand.key, answer, now_s=now_s, ttl_s=ttl_s)
        if entry:
            self._metrics.cache_stores.increment()
            self._cache.add_repeat(errand.digest, entry, answer)

    def _count_saved(self, answer: Answer, seconds: float) -> None:
        usage = answer.usage or _NO_USAGE
        self._metrics.hit(
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_tokens,
            answer.cost_usd,
            seconds,
        )


_NO_USAGE = Usage()
_SHAPE_SUFFIX = tuple(bytes((shape,)) for shape in Shape)


def _fits(flight: Flight, answer: Answer, bytes_max: int) -> bool:
    return flight.is_intact and len(answer.body) <= bytes_max


def _shape(view: RequestView) -> Shape:
    if not view.stream:
        return Shape.WHOLE
    return Shape.EVENTS_WITH_USAGE if view.include_usage else Shape.EVENTS


def _with_model(body: bytes, model: str) -> bytes:
    """The same body for another model; every other value keeps its very bytes."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    fields["model"] = msgspec.Raw(msgspec.json.encode(model))
    return msgspec.json.encode(fields)
