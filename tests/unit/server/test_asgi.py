"""Applications behind the bridge: who asks, and answers that go out in parts."""

import json

import pytest
from tests.support.asgi_apps import Reading, Receive, Send, Steps, run, turns
from tests.support.connection import BIG, Client

from headrace.errors import NotFound
from headrace.identity.keys import Principal
from headrace.server.asgi import Message
from headrace.settings import KeySettings, Secret


def test_the_application_is_told_who_asks() -> None:
    async def test() -> None:
        app = Reading()
        app.may_read.set()
        keys = (KeySettings(key=Secret("k"), tenant="acme", name="n"),)
        client = Client(app=app, keys=keys)
        client.ask("/v1/jobs/a%20b?limit=2", "authorization: Bearer k", "x-own: 1")
        await turns()
        scope = app.scope
        principal = scope["state"]["principal"]
        assert isinstance(principal, Principal)
        assert (principal.tenant, principal.key_name) == ("acme", "n")
        assert scope["state"]["tenant"] == "acme"
        assert scope["state"]["request_id"].encode() in client.transport.held
        assert (scope["method"], scope["path"]) == ("GET", "/v1/jobs/a b")
        assert scope["query_string"] == b"limit=2"
        assert (b"x-own", b"1") in scope["headers"]

    run(test)


def test_limits_of_a_key_hold_for_applications_too() -> None:
    async def test() -> None:
        app = Reading()
        app.may_read.set()
        keys = (KeySettings(key=Secret("k"), tenant="t", requests_per_minute=1),)
        client = Client(app=app, keys=keys)
        client.ask("/v1/jobs", "authorization: Bearer k")
        await turns()
        client.ask("/v1/jobs", "authorization: Bearer k")
        await turns()
        assert client.transport.held.startswith(b"HTTP/1.1 200 ")
        assert client.transport.held.count(b"HTTP/1.1 429 ") == 1

    run(test)


def test_an_answer_in_parts_goes_out_as_it_comes() -> None:
    async def test() -> None:
        app = Steps()
        client = Client(app=app)
        client.ask("/v1/jobs/1/events")
        app.put.put_nowait(b"data: 1\n\n")
        await turns()
        assert b"transfer-encoding: chunked\r\n" in client.transport.held
        assert client.transport.held.endswith(b"\r\n\r\n9\r\ndata: 1\n\n\r\n")
        app.put.put_nowait(b"data: 2\n\n")
        app.put.put_nowait(None)
        await turns()
        assert client.transport.held.endswith(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")
        client.ask("/healthz")
        assert client.transport.held.endswith(b"\r\n\r\nok")

    run(test)


def test_an_application_waits_for_a_client_that_does_not_read() -> None:
    async def test() -> None:
        app = Steps(b"application/jsonl")
        client = Client(app=app)
        client.ask("/v1/files/1/content")
        for _ in range(3):
            app.put.put_nowait(BIG)
        await turns()
        assert app.sent == 0
        client.transport.take()
        await turns()
        assert app.sent == 1
        client.transport.take()
        client.transport.take()
        await turns()
        client.transport.take()
        app.put.put_nowait(None)
        await turns()
        assert client.transport.held == b"0\r\n\r\n"

    run(test)


def test_an_application_is_told_when_its_client_is_gone() -> None:
    async def test() -> None:
        app = Steps()
        client = Client(app=app)
        client.ask("/v1/jobs/1/events")
        app.put.put_nowait(b"data: 1\n\n")
        await turns()
        client.connection.connection_lost(None)
        await turns()
        assert app.left == {"type": "http.disconnect"}

    run(test)


def test_draining_ends_event_streams_and_waits_for_the_rest() -> None:
    async def test() -> None:
        events, file = Steps(), Steps(b"application/jsonl")

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await (events if "events" in scope["path"] else file)(scope, receive, send)

        watching = Client(app=app)
        watching.ask("/v1/jobs/1/events")
        events.put.put_nowait(b"data: 1\n\n")
        loading = Client(app=app)
        loading.bridge = watching.bridge
        loading.ask("/v1/files/1/content")
        file.put.put_nowait(b"1")
        await turns()
        watching.bridge.drain()
        loading.bridge.drain()
        await turns()
        assert watching.transport.held.endswith(b"0\r\n\r\n")
        assert events.left == {"type": "http.disconnect"}
        assert file.left == {}
        file.put.put_nowait(None)
        await turns()
        assert loading.transport.held.endswith(b"0\r\n\r\n")

    run(test)


@pytest.mark.parametrize("kind", [b"application/jsonl", b"text/event-stream"])
def test_what_goes_wrong_in_the_middle_breaks_the_connection(kind: bytes) -> None:
    async def test() -> None:
        app = Steps(kind)
        client = Client(app=app)
        client.ask("/v1/files/1/content")
        app.put.put_nowait(b"1")
        app.put.put_nowait(NotFound("It is gone."))
        await turns()
        assert client.transport.is_closing()
        assert not client.transport.held.endswith(b"0\r\n\r\n")
        assert (b"It is gone." in client.transport.held) == (kind == b"text/event-stream")

    run(test)


def test_an_error_of_the_tree_is_told_in_the_dialect() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        raise NotFound("No batch 'x'.", code="batch_not_found")

    async def test() -> None:
        client = Client(app=app)
        client.ask("/v1/batches/x")
        await turns()
        head, _, body = client.transport.held.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404 ")
        assert json.loads(body)["error"]["code"] == "batch_not_found"

    run(test)


def test_an_application_that_gives_no_answer_is_an_error() -> None:
    async def test() -> None:
        client = Client()
        client.ask("/v1/batches/x")
        await turns()
        assert client.transport.held.startswith(b"HTTP/1.1 500 ")

    run(test)
