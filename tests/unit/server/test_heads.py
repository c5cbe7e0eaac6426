"""Heads read: where they lead, and who asks."""

from typing import Any, cast

import pytest

from headrace.console.app import console_routes
from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.openai import OpenAIDialect
from headrace.identity.keys import KeyRing
from headrace.server.heads import (
    FORWARDED,
    Desk,
    RawHead,
    RequestHead,
    forwarded_names,
    read_head,
)
from headrace.server.places import PLACES, Route, find_place
from headrace.server.visitors import cors_lines
from headrace.settings import KeySettings, Secret, TelemetrySettings

Fields = dict[bytes, bytes]


def desk(*keys: str) -> Desk:
    ring = KeyRing.from_settings(KeySettings(key=Secret(key), tenant=key) for key in keys)
    dialects = {"openai": OpenAIDialect(), "anthropic": AnthropicDialect()}
    return Desk(ring, dialects, frozenset({b"https://a"}), body_bytes_max=100)  # type: ignore[arg-type]


def read(
    *headers: tuple[bytes, bytes],
    method: bytes = b"POST",
    target: bytes = b"/v1/chat/completions",
    version: str = "1.1",
    keys: tuple[str, ...] = (),
) -> RequestHead:
    raw = RawHead(method, target, version, True, [(b"host", b"localhost"), *headers])
    return read_head(raw, desk(*keys))


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/chat/completions", Route.CHAT),
        ("/v1/messages", Route.MESSAGES),
        ("/v1/embeddings", Route.EMBEDDINGS),
        ("/v1/models", Route.MODELS),
        ("/v1/models/a/b", Route.MODELS),
        ("/v1/files", Route.API),
        ("/v1/files/file_1/content", Route.API),
        ("/v1/responses/resp_1", Route.API),
        ("/api/create", Route.API),
        ("/api/task/job_1", Route.API),
        ("/api/task", Route.OTHER),
        ("/admin", Route.ADMIN),
        ("/admin/status", Route.ADMIN),
        ("/administrator", Route.OTHER),
        ("/V1/models", Route.OTHER),
        ("/v1/messages/", Route.OTHER),
    ],
)
def test_where_paths_lead(path: str, route: Route):
    assert find_place(path).route is route


def test_the_query_is_not_part_of_the_path():
    head = read(method=b"GET", target=b"/v1/models?limit=3?x")
    assert (head.path, head.query, head.error) == ("/v1/models", b"limit=3?x", None)


@pytest.mark.parametrize(
    ("headers", "tenant"),
    [
        ([(b"authorization", b"Bearer one")], "one"),
        ([(b"authorization", b"bearer  two ")], "two"),
        ([(b"x-api-key", b"two")], "two"),
        ([(b"authorization", b"Bearer two"), (b"x-api-key", b"one")], "two"),
    ],
)
def test_who_asks(headers: list[tuple[bytes, bytes]], tenant: str):
    head = read(*headers, keys=("one", "two"))
    assert head.call is not None
    assert head.call.tenant == tenant


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 401),
        ([(b"authorization", b"Bearer three")], 401),
        ([(b"x-api-key", b"one"), (b"content-length", b"101")], 413),
        ([(b"x-api-key", b"one"), (b"transfer-encoding", b"gzip")], 400),
        ([(b"x-api-key", b"one"), (b"host", b"y")], 400),
        ([(b"x-api-key", b"one"), (b"content-encoding", b"br")], 400),
    ],
)
def test_why_a_head_is_refused(headers: list[tuple[bytes, bytes]], status: int):
    head = read(*headers, keys=("one",))
    assert head.error is not None
    assert head.error.status == status
    assert head.call is None
    assert not head.is_reusable


def test_a_request_whose_end_is_uncertain_is_the_last_of_its_connection():
    for doubtful in ((b"transfer-encoding", b"x, chunked"), (b"content-length", b"101")):
        head = read(doubtful)
        assert (head.is_framed, head.keep_alive) == (False, False)
    assert read((b"transfer-encoding", b"chunked")).is_framed
    assert not read((b"transfer-encoding", b"chunked"), version="1.0").is_framed


def test_heads_worth_remembering():
    sized = (b"content-length", b"5")
    assert read(sized).is_reusable
    assert not read().is_reusable
    assert not read((b"transfer-encoding", b"chunked")).is_reusable
    assert not read(sized, (b"expect", b"100-continue")).is_reusable
    assert not read(sized, version="1.0").is_reusable
    # No other request is a part of the same span.
    assert not read(sized, (b"traceparent", b"t")).is_reusable


def test_a_trace_context_is_kept_unread_and_goes_on_where_that_is_wanted():
    given = ((b"traceparent", b"t"), (b"tracestate", b"v=1"))
    head = read(*given)
    assert head.carried == given
    assert head.call is not None
    assert head.call.forwarded == given
    assert read((b"tracestate", b"v=1")).carried == ()
    assert read(*given, (b"connection", b"traceparent")).carried == given[1:]
    assert forwarded_names(TelemetrySettings()) == FORWARDED
    for passes, traces in ((True, True), (False, False), (False, True)):
        settings = TelemetrySettings(pass_context=passes, traces=traces)
        assert forwarded_names(settings) == {b"idempotency-key"}


def test_what_separates_the_answers_of_two_callers():
    def scope(*headers: tuple[bytes, bytes], target: bytes = b"/v1/messages") -> bytes:
        call = read(*headers, target=target, keys=("one", "two")).call
        assert call is not None
        return call.scope

    one, two = (b"x-api-key", b"one"), (b"x-api-key", b"two")
    assert scope(one) == scope(one, (b"user-agent", b"x"), (b"traceparent", b"y"))
    beta = (b"anthropic-beta", b"b")
    assert len({scope(one), scope(two), scope(one, beta)}) == 3
    assert scope(one, target=b"/v1/embeddings") != scope(one, target=b"/v1/chat/completions")


def test_what_goes_along_to_the_provider():
    headers = [
        (b"authorization", b"Bearer one"),
        (b"cookie", b"c"),
        (b"traceparent", b"t"),
        (b"idempotency-key", b"i"),
        (b"openai-organization", b"o"),
        (b"anthropic-beta", b"b"),
    ]
    call = read(*headers, target=b"/v1/messages", keys=("one",)).call
    assert call is not None
    assert {name for name, _ in call.forwarded} == {
        b"traceparent",
        b"idempotency-key",
        b"anthropic-beta",
    }


def test_what_connection_names_does_not_go_along():
    given = ((b"traceparent", b"t"), (b"idempotency-key", b"k"), (b"openai-beta", b"b"))
    for value in (b"TraceParent, OpenAI-Beta", b"close,openai-beta , traceparent"):
        call = read(*given, (b"connection", value)).call
        assert call is not None
        assert call.forwarded == ((b"idempotency-key", b"k"),)
        assert call.scope == read().call.scope  # type: ignore[union-attr]  # no variant is left


def test_the_dialect_of_errors_on_shared_routes():
    assert read(method=b"GET", target=b"/v1/models").dialect.name == "openai"
    version = (b"anthropic-version", b"2023-06-01")
    assert read(version, method=b"GET", target=b"/v1/models").dialect.name == "anthropic"
    assert read(method=b"GET", target=b"/v1/messages").dialect.name == "anthropic"


def test_cors_lines():
    allowed = frozenset({b"https://a"})
    assert cors_lines(None, allowed) == b""
    assert cors_lines(b"https://b", allowed) == b""
    assert cors_lines(b"https://a", frozenset()) == b""
    assert b"access-control-allow-origin: https://a\r\n" in cors_lines(b"https://a", allowed)
    assert b"access-control-allow-origin: https://b\r\n" in cors_lines(
        b"https://b", frozenset({b"*"})
    )


@pytest.mark.parametrize(
    ("te", "wants"),
    [
        (b"trailers", True),
        (b"gzip, Trailers ;q=0.1, TRAILERS", True),
        (b"gzip", False),
        (b"trailers;q=0", False),
        (b"", False),
    ],
)
def test_who_reads_trailers_says_so(te: bytes, wants: bool):
    assert read((b"te", te)).takes_trailers is wants
    assert read().takes_trailers is False
    assert read((b"te", te), version="1.0").takes_trailers is False


def test_a_header_of_the_other_dialect_changes_no_route():
    head = read((b"anthropic-version", b"2023-06-01"))
    assert head.error is None
    assert head.dialect.name == "openai"
    other = read(target=b"/v1/messages")
    assert other.dialect.name == "anthropic"
    listed = read((b"anthropic-version", b"1"), method=b"GET", target=b"/v1/models")
    assert listed.dialect.name == "anthropic"


def test_where_there_is_nothing_every_route_is_told():
    refusal = read(target=b"/nowhere", method=b"GET").error
    assert refusal is not None
    console = console_routes(dict, *(cast("Any", None) for _ in range(3)))
    for path in {*PLACES, *(route.path for route in console)}:  # type: ignore[attr-defined]
        assert path in refusal.message
