"""The provider without its sockets: a request goes in, a `Play` comes out."""

import http
import math
from collections.abc import Callable, Mapping

import msgspec

from headrace.clock import Clock
from headrace.errors import (
    BodyTooLarge,
    HeadraceError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    Unauthenticated,
)
from headrace.sim import anthropic, openai, openai_more
from headrace.sim.batch_api import BatchApi, BatchTerms
from headrace.sim.cache import ReplyCache, WireCache
from headrace.sim.faults import Fault, FaultKind, Script, ScriptBody
from headrace.sim.options import Limits, SimOptions
from headrace.sim.pace import AT_ONCE, Pace, Profile, knee_factor
from headrace.sim.play import Ending, Play, faulty, good, sized_head
from headrace.sim.prefixes import ClockShift, PrefixStore, Shelf
from headrace.sim.prompt import decode
from headrace.sim.rate import Quota, RateBuckets
from headrace.sim.refusals import Limited, Scripted
from headrace.sim.reply import Grammar, Reply
from headrace.sim.stats import Request, Stats
from headrace.sim.text import seeded_fraction
from headrace.sim.wanted import wanted_pace, wanted_tokens, wants_anything

BODY_BYTES_MAX = 64 << 20
_OPENAI = openai_more.OpenAIGrammar()
_ANTHROPIC = anthropic.AnthropicGrammar()
_MODELS = "/v1/models"
_REASONS: Mapping[int, bytes] = {status.value: status.phrase.encode() for status in http.HTTPStatus}
_UNTOLD = Reply()

Answering = Callable[[int, bytes, int | None, int, Shelf | None], Reply]


class Route(msgspec.Struct, frozen=True):
    """Who answers a path, and in which dialect."""

    answer: Answering
    grammar: Grammar


_ROUTES: Mapping[str, Route] = {
    "/v1/chat/completions": Route(openai.chat, _OPENAI),
    "/v1/embeddings": Route(openai_more.embeddings, _OPENAI),
    "/v1/messages": Route(anthropic.messages, _ANTHROPIC),
    "/v1/messages/count_tokens": Route(anthropic.count, _ANTHROPIC),
}


class Service:
    """One simulated provider's state and the order in which a request meets it.

    Args:
        options: what it was started with.
        clock: where `created`, the rate limit and ages come from.
    """

    def __init__(self, options: SimOptions, clock: Clock) -> None:
        self.stats = Stats(clock)
        self.script = Script(options.seed)
        self._options = self._started_with = options
        self._clock = clock
        self._cache = ReplyCache()
        self._wires = WireCache()
        self._prefixes = PrefixStore(clock, options.seed) if options.prompt_cache else None
        self._plain = _is_plain(options)
        self._sequence = 0
        self.batches = BatchApi(clock, self._answer_line)
        self._keys = frozenset(key.encode() for key in options.api_keys)
        self._bucket = self._new_bucket()
        self._idle_heads: dict[bytes, tuple[int, bytes]] = {}
        self._controls: Mapping[str, Callable[[bytes], None]] = {
            "/_sim/reset": lambda _: self.reset(),
            "/_sim/script": lambda body: self.script.load(decode(body, ScriptBody).faults),
            "/_sim/limits": lambda body: self.limit(decode(body, Limits)),
            "/_sim/batches": lambda body: self.batch_by(decode(body, BatchTerms)),
            "/_sim/clock": lambda body: self.leap(decode(body, ClockShift)),
        }

    def _new_bucket(self) -> RateBuckets | None:
        limit_rpm, limit_tpm = self._options.rate_limit_rpm, self._options.rate_limit_tpm
        if limit_rpm is None and limit_tpm is None:
            return None
        return RateBuckets(limit_rpm, limit_tpm, self._clock)

    def reset(self) -> None:
        """Forget script, counts, changed limits, what limits and prompt cache hold, the draws."""
        self.script.load([])
        self._go_by(self._started_with)
        self.stats.reset()
        self._bucket = self._new_bucket()
        self._sequence = 0
        self.batches.reset()
        if self._prefixes is not None:
            self._prefixes.clear()

    def leap(self, shift: ClockShift) -> None:
        """Let the prompt cache's time leap ahead, where there is one."""
        if self._prefixes is not None:
            self._prefixes.leap(shift)

    def batch_by(self, terms: BatchTerms) -> None:
        """Have batches go by other terms."""
        self.batches.terms = terms

    def _answer_line(self, path: str, body: bytes) -> bytes:
        """The answer to a line of a batch, which costs no time."""
        route = _ROUTES.get(path)
        if route is None:
            raise NotFound(f"Invalid URL (POST {path})", code="unknown_url")
        reply = route.answer(self._options.seed, body, None, int(self._clock.wall_s()), None)
        if reply.stream:
            raise InvalidRequest("A line of a batch cannot be streamed.", param="stream")
        return reply.body

    def limit(self, limits: Limits) -> None:
        """Go by other limits from now on.

        Raises:
            ValueError: one is below 1.
        """
        self._go_by(limits.upon(self._options))

    def _go_by(self, options: SimOptions) -> None:
        self._options = options
        self._plain = _is_plain(options)

    def respond(self, request: Request, *, reused: bool) -> Play:
        """Decide how to answer; the caller plays it, then counts it out of `stats.inflight`.

        Args:
            request: what came.
            reused: whether its connection has carried a request before.
        """
        if self._plain and not self.script.pending and not wants_anything(request.headers):
            repeated = self._repeat(request)
            if repeated is not None:
                return repeated
        return self._respond(request, reused=reused)

    def _repeat(self, request: Request) -> Play | None:
        """The answer to a request that was answered at once within this second."""
        wire = self._wires.get(request.path, request.body, int(self._clock.wall_s()))
        if wire is None or request.method != "POST":
            return None
        model, before, after, stream = wire
        self._sequence += 1
        self.stats.saw(request)
        self.stats.routed(request.path, model)
        return Play((b"%breq_%024x%b" % (before, self._sequence, after),), stream=stream)

    def _keep(self, request: Request, play: Play, request_id: bytes, model: str) -> None:
        if not self._plain or wants_anything(request.headers) or request.method != "POST":
            return
        before, _, after = play.writes[0].partition(request_id)
        second = int(self._clock.wall_s())
        self._wires.put(request.path, request.body, second, (model, before, after, play.stream))

    def _respond(self, request: Request, *, reused: bool) -> Play:
        if request.path.startswith("/_sim/") or request.path == "/healthz":
            return self._control(request)
        self._sequence += 1
        self.stats.saw(request)
        grammar = _grammar(request)
        request_id = b"req_%024x" % self._sequence
        quota: Quota | None = None
        model = ""
        try:
            _check_body(request)
            self._authenticate(request)
            is_kept = self.batches.serves(request.path)  # what is kept is only where no 500 is told
            reply = _UNTOLD if is_kept else self._reply(request)
            model = reply.model
            fault = self.script.take(model=model, path=request.path, reused=reused)
            if fault is not None and fault.kind is FaultKind.STATUS:
                self.stats.spoiled(fault.kind)
                return self._status(fault, grammar, request_id)
            if is_kept:
                reply = self._of_batches(request)
            if fault is None:
                quota = self._admit(reply)
            if self._prefixes is not None:
                self._prefixes.keep(reply.bill.kept)
                self.stats.billed(reply.bill)
            pace = self._pace(request, reply)
        except HeadraceError as error:
            return self._refusal(error, grammar, request_id, quota)
        finally:
            self.stats.routed(request.path, model)
        head = self._head(200, grammar, request_id, quota, pace)
        if fault is None:
            play = good(head, reply, pace)
            if not is_kept:
                self._keep(request, play, request_id, model)
            return play
        self.stats.spoiled(fault.kind)
        return faulty(fault, head, reply, pace)

    def _authenticate(self, request: Request) -> None:
        if not self._keys:
            return
        bearer = request.headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        if not self._keys & {bearer, request.headers.get(b"x-api-key")}:
            raise Unauthenticated("Incorrect API key provided.")

    def _reply(self, request: Request) -> Reply:
        if request.path == _MODELS or request.path.startswith(_MODELS + "/"):
            return self._models(request)
        route = _ROUTES.get(request.path)
        if route is None:
            raise NotFound(f"Invalid URL ({request.method} {request.path})", code="unknown_url")
        if request.method != "POST":
            raise MethodNotAllowed(f"{request.path} takes POST, not {request.method}.")
        wanted = wanted_tokens(request.headers)
        key = (request.path, request.body, wanted)
        created_s = int(self._clock.wall_s())
        shelf = self._shelf(request)
        reply = None if shelf is not None else self._cache.get(key, created_s)
        if reply is None:
            tokens = wanted or self._options.tokens
            reply = route.answer(self._options.seed, request.body, tokens, created_s, shelf)
            if shelf is None:
                self._cache.put(key, created_s, reply)
        return reply

    def _of_batches(self, request: Request) -> Reply:
        kind = request.headers.get(b"content-type", b"")
        return self.batches.reply(request.method, request.path, request.query, kind, request.body)

    def _shelf(self, request: Request) -> Shelf | None:
        """What the caller's key may find in the prompt cache; with one, no answer is a repeat."""
        if self._prefixes is None:
            return None
        headers = request.headers
        account = headers.get(b"x-api-key") or headers.get(b"authorization", b"")
        return Shelf(self._prefixes, account)

    def _models(self, request: Request) -> Reply:
        if request.method != "GET":
            raise MethodNotAllowed(f"{request.path} takes GET, not {request.method}.")
        name = request.path[len(_MODELS) + 1 :]
        if name:
            return Reply(body=openai_more.model_body(name))
        if b"anthropic-version" in request.headers:
            return Reply(body=anthropic.models_body(self._options.models))
        return Reply(body=openai_more.models_body(self._options.models))

    def _admit(self, reply: Reply) -> Quota | None:
        inflight_max = self._options.inflight_max
        if inflight_max is not None and self.stats.inflight > inflight_max:
            self.stats.refused()
            raise RateLimited(
                f"Too many requests at once: {inflight_max} may run. Please try again later.",
                code="rate_limit_exceeded",
            )
        quota = None
        if self._bucket is not None:
            quota = self._bucket.take(reply.charge)
            if quota.retry_after_s:
                self.stats.refused()
                raise Limited(quota)
            if quota.tokens is not None:
                self.stats.charged(reply.charge)
        rate = self._options.fail_rate
        if rate and seeded_fraction(self._options.seed, b"fail", self._sequence) < rate:
            raise HeadraceError("The server had an error while processing your request.")
        return quota

    def _pace(self, request: Request, reply: Reply) -> Pace:
        pace = wanted_pace(request.headers, self._options.pace(self._sequence), reply.inputs)
        factor = knee_factor(self.stats.inflight, self._options.capacity)
        return pace if factor == 1.0 else pace.slowed(factor)

    def _head(
        self, status: int, grammar: Grammar, request_id: bytes, quota: Quota | None, pace: Pace
    ) -> bytes:
        """Status line and header lines; those that nothing limits are made once a second."""
        wall_s = self._clock.wall_s()
        if quota is None and pace is AT_ONCE:
            second, lines = self._idle_heads.get(grammar.id_header, (0, b""))
            if second != int(wall_s):
                lines = grammar.headers(None, 0, wall_s)
                self._idle_heads[grammar.id_header] = (int(wall_s), lines)
        else:
            lines = grammar.headers(quota, int(pace.ttft_s * 1000), wall_s)
        return b"%b%b: %b\r\n%b" % (_status_line(status), grammar.id_header, request_id, lines)

    def _refusal(
        self, error: HeadraceError, grammar: Grammar, request_id: bytes, quota: Quota | None
    ) -> Play:
        if isinstance(error, Limited):
            quota = error.quota
        head = self._head(error.status, grammar, request_id, quota, AT_ONCE)
        if error.retry_after_s is not None:
            head += b"retry-after: %d\r\n" % math.ceil(error.retry_after_s)
        body = grammar.error_body(error, request_id.decode())
        ending = Ending.CLOSE if isinstance(error, BodyTooLarge) else Ending.KEEP
        return Play((sized_head(head, len(body)) + body,), ending=ending)

    def _status(self, fault: Fault, grammar: Grammar, request_id: bytes) -> Play:
        error = Scripted("The simulator's script says so.", fault.status)
        body = (
            grammar.error_body(error, request_id.decode())
            if fault.body is None
            else fault.body.encode()
        )
        head = self._head(fault.status, grammar, request_id, None, AT_ONCE)
        for name, value in fault.headers.items():
            head += f"{name}: {value}\r\n".encode()
        return Play((sized_head(head, len(body)) + body,), fault.delay_s)

    def _control(self, request: Request) -> Play:
        status, body = 200, b'{"status":"ok"}'
        obey = self._controls.get(request.path) if request.method == "POST" else None
        if obey is not None:
            status, body = _obeyed(lambda: obey(request.body), body)
        elif request.path == "/_sim/stats":
            body = msgspec.json.encode(self.stats.report())
        elif request.path != "/healthz":
            status, body = 404, b'{"error":"no such control"}'
        head = _status_line(status)
        return Play((sized_head(head, len(body)) + body,))


def _obeyed(order: Callable[[], None], body: bytes) -> tuple[int, bytes]:
    """Do what a control says; status and body of the answer to it."""
    try:
        order()
    except InvalidRequest as error:
        return 400, _OPENAI.error_body(error, "")
    return 200, body


def _is_plain(options: SimOptions) -> bool:
    """Whether every good call is answered, and at once."""
    limits = (
        options.rate_limit_rpm,
        options.rate_limit_tpm,
        options.capacity,
        options.inflight_max,
        options.api_keys or None,
        options.prompt_cache or None,
    )
    return (
        options.profile is Profile.INSTANT
        and not options.fail_rate
        and all(limit is None for limit in limits)
    )


def _grammar(request: Request) -> Grammar:
    route = _ROUTES.get(request.path)
    if route is not None:
        return route.grammar
    if b"anthropic-version" in request.headers or request.path.startswith("/v1/messages"):
        return _ANTHROPIC
    return _OPENAI


def _check_body(request: Request) -> None:
    if len(request.body) > BODY_BYTES_MAX:
        raise BodyTooLarge(f"The body is larger than {BODY_BYTES_MAX} bytes.")


def _status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (status, _REASONS.get(status, b"Status"))
