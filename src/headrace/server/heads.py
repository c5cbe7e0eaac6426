"""From the head of a request to who asks for what: routing, authentication.

Everything here depends on the head's bytes and the desk alone, so a connection may remember the
outcome for a head it has seen before.
"""

from collections.abc import Mapping

import msgspec

from headrace.cache.entry import Headers
from headrace.dialects.base import Dialect, Operation
from headrace.errors import (
    BodyTooLarge,
    Forbidden,
    HeadraceError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
)
from headrace.gateway.call import Call, make_call, spoken_over
from headrace.gateway.headers import named_by_connection
from headrace.gateway.templating.expansion import read_template
from headrace.identity.deputy import FOR_HEADER, Deputy
from headrace.identity.keys import KeyRing, Principal, presented_key
from headrace.identity.sessions import COOKIE, Sessions
from headrace.limits import FORM_BYTES_MAX
from headrace.model import DialectName
from headrace.observe.telemetry.trace_context import NAMES as TRACE_NAMES
from headrace.observe.telemetry.trace_context import TRACEPARENT
from headrace.server.abilities import expects_continue, takes_trailers
from headrace.server.callers import Caller, find_caller
from headrace.server.hints import Fields, read_hints
from headrace.server.places import ADMIN_PLACES, NOWHERE, PLACES, Place, Route, find_place
from headrace.server.visitors import check_visitor, cors_lines
from headrace.settings.telemetry import TelemetrySettings

RawHeaders = list[tuple[bytes, bytes]]

# Request headers that go to the provider besides those that its dialect names, by default.
FORWARDED = frozenset((b"idempotency-key",)) | TRACE_NAMES


class RequestHead(msgspec.Struct, frozen=True):
    """The head of one request, read.

    Attributes:
        query: what follows `?` in the target, without it.
        call: for the data plane, who asks for what; none where there is an error.
        caller: what the key may ask, where it is limited.
        body_bytes: what `content-length` says; `None` for a chunked body, 0 for none.
        keep_alive: whether the connection goes on after the answer.
        is_http10: whether the client cannot read chunks.
        takes_trailers: whether the client wants to be told of a stream's cost behind its end.
        expects_continue: whether the client waits for leave to send its body.
        extra: header lines for every answer to this request, such as CORS.
        is_framed: whether it is certain where the request ends, and it will be read that far.
        headers: as they came, names in lower case; kept for applications only.
        file_bytes_max: the most bytes of a body that is handed on as it comes; 0 for one that is
            collected.
        is_session: whether it comes with the cookie of a session, which ends.
        carried: the caller's trace context, as it came and unread.
        error: why the request cannot be served, where the head already shows it.
    """

    method: bytes
    path: str
    query: bytes
    place: Place
    dialect: Dialect
    principal: Principal | None = None
    call: Call | None = None
    caller: Caller | None = None
    body_bytes: int | None = 0
    keep_alive: bool = False
    is_http10: bool = False
    takes_trailers: bool = False
    expects_continue: bool = False
    extra: bytes = b""
    is_framed: bool = True
    headers: tuple[tuple[bytes, bytes], ...] = ()
    file_bytes_max: int = 0
    is_session: bool = False
    carried: Headers = ()
    error: HeadraceError | None = None

    @property
    def is_reusable(self) -> bool:
        """Whether another request of the same bytes means the same."""
        return (
            self.call is not None
            and self.error is None
            and self.keep_alive
            and bool(self.body_bytes)
            and not self.expects_continue
            and not self.is_session
            and not self.carried  # which the next one has another of
        )


class Desk(msgspec.Struct, frozen=True):
    """What heads are read against; replaced as a whole on reload.

    Attributes:
        callers: those keys that are limited, by digest.
        file_bytes_max: the largest file that may be sent.
        by_session: whether models are chosen by session.
        has_templates: whether requests may name one.
        deputy: knows the gateway's own worker.
        sessions: knows who signed in with a browser.
        forwarded: request headers that go to the provider besides those that its dialect names.
    """

    keys: KeyRing
    dialects: Mapping[DialectName, Dialect]
    cors_origins: frozenset[bytes]
    body_bytes_max: int
    callers: Mapping[bytes, Caller] = {}
    file_bytes_max: int = 0
    by_session: bool = False
    has_templates: bool = False
    deputy: Deputy | None = None
    sessions: Sessions | None = None
    forwarded: frozenset[bytes] = FORWARDED


class RawHead(msgspec.Struct):
    """The head of one request as the parser gives it."""

    method: bytes
    target: bytes
    version: str
    keep_alive: bool
    headers: RawHeaders


def read_head(raw: RawHead, desk: Desk, refusal: HeadraceError | None = None) -> RequestHead:
    """Read a head. What is wrong with it is in `error`; nothing is raised.

    Args:
        raw: as it came.
        desk: what it is read against.
        refusal: why it is not served, whoever asks.
    """
    fields = _fields(raw.headers)
    path, query = _split(raw.target)
    place = find_place(path)
    dialect = desk.dialects["anthropic" if _speaks_anthropic(place, fields) else "openai"]
    error: HeadraceError | None = None
    principal: Principal | None = None
    call: Call | None = None
    body_bytes: int | None = 0
    is_framed = False
    file_bytes_max = desk.file_bytes_max if place.takes_files and raw.method == b"POST" else 0
    try:
        body_bytes = _body_bytes(raw, fields, desk.body_bytes_max, file_bytes_max)
        _check_target(raw, fields)
        is_framed = True
        if refusal is not None:
            raise refusal
        if desk.keys.is_open:
            check_visitor(fields, desk.cors_origins)
        if raw.method != b"OPTIONS":
            principal = _authenticate(place, raw.method, fields, desk)
            _check_place(place, raw.method, path)
        if place.operation and principal:
            call = _read_call(place.operation, principal, raw, fields, dialect, desk)
            if place.is_spoken_over:
                call = spoken_over(call, place.route.value)
    except HeadraceError as refused:
        error = refused
    return RequestHead(
        method=raw.method,
        path=path,
        query=query,
        place=place,
        dialect=dialect,
        principal=principal,
        call=call,
        caller=find_caller(desk.callers, principal, is_console=place.needs_admin),
        body_bytes=body_bytes,
        # HTTP/1.0 keeps connections by a header of its own, which nobody needs any more. What
        # follows a file is not read, since the answer may come before all of the file.
        keep_alive=raw.keep_alive and is_framed and raw.version != "1.0" and not file_bytes_max,
        is_http10=raw.version == "1.0",
        takes_trailers=takes_trailers(raw.version, fields),
        expects_continue=expects_continue(raw.version, fields),
        extra=cors_lines(fields.get(b"origin"), desk.cors_origins),
        is_framed=is_framed,
        headers=tuple(raw.headers) if place.is_app else (),
        file_bytes_max=file_bytes_max,
        is_session=COOKIE in fields.get(b"cookie", b""),
        carried=_end_to_end(raw.headers, TRACE_NAMES) if TRACEPARENT in fields else (),
        error=error,
    )


def _read_call(
    operation: Operation, who: Principal, raw: RawHead, fields: Fields, dialect: Dialect, desk: Desk
) -> Call:
    return make_call(
        dialect,
        operation,
        who.tenant,
        read_hints(fields),
        _forwarded(raw.headers, dialect, desk.forwarded),
        by_session=desk.by_session,
        key=who.key_name,
        template=read_template(fields, has_templates=desk.has_templates),
        models=who.models,
    )


def forwarded_names(telemetry: TelemetrySettings) -> frozenset[bytes]:
    """Request headers that go to providers as they came, whatever the dialect.

    Args:
        telemetry: whether a caller's trace context may, or calls get their own, which continue it.
    """
    passes = telemetry.pass_context and not telemetry.traces
    return FORWARDED if passes else FORWARDED - TRACE_NAMES


def unread_head(dialect: Dialect) -> RequestHead:
    """What stands for a head that could not be read; its error is told in `dialect`."""
    return RequestHead(b"-", "-", b"", NOWHERE, dialect)


def leads_to_health(target: bytes) -> bool:
    """Whether a request's target is one that is always looked at."""
    return find_place(_split(target)[0]).route is Route.HEALTH


def _fields(headers: RawHeaders) -> dict[bytes, bytes]:
    fields = dict(headers)
    if len(fields) != len(headers) and b"cache-control" in fields:
        values = [value for name, value in headers if name == b"cache-control"]
        fields[b"cache-control"] = b",".join(values)
    return fields


def _forwarded(headers: RawHeaders, dialect: Dialect, besides: frozenset[bytes]) -> Headers:
    return _end_to_end(headers, besides | dialect.variant_headers)


def _end_to_end(headers: RawHeaders, wanted: frozenset[bytes]) -> Headers:
    named = named_by_connection(value for name, value in headers if name == b"connection")
    return tuple(pair for pair in headers if pair[0] in wanted and pair[0] not in named)


def _split(target: bytes) -> tuple[str, bytes]:
    path, _, query = target.partition(b"?")
    return path.decode("latin-1"), query


def _speaks_anthropic(place: Place, fields: Fields) -> bool:
    # On a route with an operation of its own the route decides, whatever a client sends along.
    if place.operation is not None:
        return place.dialect == "anthropic"
    return b"anthropic-version" in fields


def _body_bytes(
    raw: RawHead, fields: Fields, body_bytes_max: int, file_bytes_max: int
) -> int | None:
    codings = [value for name, value in raw.headers if name == b"transfer-encoding"]
    if codings:
        # Servers that read any other coding differently are what smuggling needs (RFC 9112, 6.1).
        if len(codings) > 1 or codings[0].lower() != b"chunked" or raw.version == "1.0":
            raise InvalidRequest("The only transfer-encoding that is read here is one `chunked`.")
        return None
    length = int(fields.get(b"content-length", b"0"))
    if file_bytes_max:
        if length > file_bytes_max + FORM_BYTES_MAX:
            raise file_too_large(file_bytes_max)
    elif length > body_bytes_max:
        raise body_too_large(body_bytes_max)
    return length


def file_too_large(file_bytes_max: int) -> BodyTooLarge:
    """The refusal of a file above the bound."""
    return BodyTooLarge(
        f"The file is above {file_bytes_max} bytes; send less at once, or raise files.bytes_max."
    )


def body_too_large(body_bytes_max: int) -> BodyTooLarge:
    """The refusal of a body above the bound."""
    return BodyTooLarge(
        f"The body is above {body_bytes_max} bytes; send less, or raise listen.body_bytes_max."
    )


def _check_target(raw: RawHead, fields: Fields) -> None:
    if raw.method == b"CONNECT" or (not raw.target.startswith(b"/") and raw.target != b"*"):
        raise InvalidRequest("The request target must be a path such as /v1/chat/completions.")
    if raw.version not in ("1.0", "1.1"):
        raise InvalidRequest("Speak HTTP/1.1 here.")
    hosts = sum(name == b"host" for name, _ in raw.headers)
    if hosts > 1 or (hosts == 0 and raw.version != "1.0"):
        raise InvalidRequest(f"A request needs one Host header; this one has {hosts}.")
    if fields.get(b"content-encoding", b"identity").lower() != b"identity":
        raise InvalidRequest("Send the body without content-encoding; it is not decoded here.")


def _authenticate(place: Place, method: bytes, fields: Fields, desk: Desk) -> Principal | None:
    if not (place.needs_key or place.needs_admin):
        return None
    presented = presented_key(fields.get(b"authorization"), fields.get(b"x-api-key"))
    principal = None
    if desk.deputy is not None and FOR_HEADER in fields and not desk.keys.is_open:
        principal = desk.deputy.stands_for(presented, fields[FOR_HEADER], desk.keys)
    if presented is None and desk.sessions is not None:
        principal = desk.sessions.caller(method, fields, desk.keys)
    if principal is None:
        principal = desk.keys.authenticate(presented)
    if place.needs_admin and not principal.is_admin:
        raise Forbidden("This needs the key of an administrator: one with `admin: true`.")
    return principal


def _check_place(place: Place, method: bytes, path: str) -> None:
    if place is NOWHERE:
        shown = path if len(path) <= 100 else path[:100] + "…"
        hint = f"did you mean /v1{path}?" if "/v1" + path in PLACES else _ROUTES_TOLD
        raise NotFound(f"No route '{shown}'; {hint}", code="unknown_route")
    if method not in place.methods:
        allowed = ", ".join(sorted(name.decode() for name in place.methods))
        raise MethodNotAllowed(
            f"{path} takes {allowed}, not {method.decode('latin-1')}.", allowed=place.methods
        )


_ROUTES_TOLD = f"there are {', '.join((*PLACES, *ADMIN_PLACES))}."
