"""What clients do wrong: each is told so with its own status, and the gateway goes on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.house import ANTHROPIC, OPENAI, SPEECHES, House, Speech
from tests.support.wire import Response, ask, connect, encode_request

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

speeches = pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)

ADMIN_KEY = "key-of-the-administrator"
USER_KEY = "key-of-a-user"
LIMITS = {
    "header_bytes_max": 4096,
    "header_count_max": 20,
    "body_bytes_max": 2000,
    "header_timeout_s": 0.3,
    "body_timeout_s": 0.3,
    "idle_timeout_s": 0.5,
}


class StrictHouse(House):
    """A house that asks for keys and is short of patience."""

    def assert_sound(self) -> None:
        response = self.ask(OPENAI, OPENAI.document(self.model()), bearer(USER_KEY))
        assert response.status == 200, response
        self.gateway.wait_until_quiet()
        assert self.gateway.bugs() == []


@pytest.fixture(scope="module")
def shared_strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StrictHouse]:
    folder: Path = tmp_path_factory.mktemp("strict")
    with running(SimOptions()) as sim:
        house = StrictHouse.build(
            folder,
            sim,
            admin_key=ADMIN_KEY,
            listen=LIMITS,
            keys=[
                {"key": USER_KEY, "tenant": "users"},
                {"key": ADMIN_KEY, "tenant": "staff", "admin": True},
            ],
        )
        with house.gateway:
            yield house


@pytest.fixture
def strict(shared_strict: StrictHouse) -> Iterator[StrictHouse]:
    yield shared_strict
    shared_strict.assert_sound()


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def assert_refused(response: Response, status: int, code: str | None = None) -> None:
    assert response.status == status, response
    assert response.is_whole
    assert response.error["message"]
    if code is not None:
        assert response.error["code"] == code


# What is in the body.


@speeches
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe{}",
        b'{"model": "sim/m"',
        b'{"model": NaN}',
        b'{"model": "sim/m", "messages": [{"role": "user", "content": "\xc3"}]}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=repr,
)
def test_what_is_not_a_json_object(house: House, speech: Speech, body: bytes):
    response = house.gateway.post(speech.path, body=body)
    assert_refused(response, 400)
    if speech is ANTHROPIC:
        assert response.json()["type"] == "error"
        assert response.error["type"] == "invalid_request_error"
    else:
        assert response.error["code"] == "invalid_json"


@speeches
@pytest.mark.parametrize(
    ("first", "second", "param"),
    [
        (b'{"model"', b'{"model":"other","model"', "model"),
        (b'"role": "user"', b'"role":"user","\\u0072ole":"system"', "messages[0].role"),
    ],
    ids=["top", "message"],
)
def test_names_that_stand_twice(
    house: House, speech: Speech, first: bytes, second: bytes, param: str
):
    """The first value would be read by one, and the second by another."""
    model = house.model()
    whole = json.dumps(speech.document(model)).encode()
    assert first in whole
    for _ in range(2):
        response = house.gateway.post(speech.path, body=whole.replace(first, second, 1))
        assert_refused(response, 400, "invalid_json")
        assert response.error["param"] == param
        assert f"`{param}` is written twice" in response.error["message"]
    assert house.calls(model) == 0


@speeches
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"model": ""}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": 1, "content": "x"}]}, "messages[0].role"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": "hot"}, "temperature"),
    ],
    ids=str,
)
def test_fields_of_the_wrong_type(house: House, speech: Speech, fields: dict[str, Any], param: str):
    response = house.ask(speech, {**speech.document("sim/m"), **fields})
    assert_refused(response, 400)
    assert f"`{param}`" in response.error["message"]
    if speech is OPENAI:
        assert response.error["param"] == param


@speeches
def test_a_model_nobody_serves(house: House, speech: Speech):
    response = house.ask(speech, speech.document("some-model-without-provider"))
    assert_refused(response, 404)
    assert "some-model-without-provider" in response.error["message"]


def test_a_model_of_the_other_dialect(house: House):
    response = house.ask(OPENAI, OPENAI.document("claude-sim/m"))
    assert_refused(response, 400, "wrong_dialect")
    assert "/v1/messages" in response.error["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/messages", 405),
        ("POST", "/v1/models", 405),
        ("POST", "/healthz", 405),
        ("POST", "/v1/chat/completion", 404),
        ("GET", "/", 404),
        ("GET", "/v1/models/", 404),
        ("GET", "/admin/nothing", 404),
        ("GET", "//v1/models", 404),
        ("GET", "/v1/../metrics", 404),
        ("BREW", "/v1/chat/completions", 400),
    ],
)
def test_routes_and_methods(house: House, method: str, path: str, status: int):
    body = b"{}" if method == "POST" else None
    response = ask(house.gateway.url, encode_request(path, method=method, body=body))
    assert response.status == status


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-headrace-ttl", "soon"),
        ("x-headrace-ttl", "-1"),
        ("x-headrace-deadline-ms", "1.5"),
        ("x-headrace-deadline-ms", "9" * 4000),
        ("cache-control", "max-age=x"),
        ("content-encoding", "gzip"),
    ],
)
def test_headers_that_make_no_sense(house: House, name: str, value: str):
    response = house.ask(OPENAI, OPENAI.document(house.model()), {name: value})
    assert_refused(response, 400)


# Who asks.


@speeches
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": f"Basic {USER_KEY}"},
        {"authorization": USER_KEY},
        {"x-api-key": "wrong"},
        {"x-api-key": ""},
        {"authorization": "Bearer wrong", "x-api-key": USER_KEY},
    ],
    ids=str,
)
def test_missing_and_wrong_keys(strict: StrictHouse, speech: Speech, headers: dict[str, str]):
    model = strict.model(speech.lane("sim"))
    response = strict.ask(speech, speech.document(model), headers)
    assert_refused(response, 401)
    assert response.error["type"] == "authentication_error"
    assert strict.calls(model) == 0


@pytest.mark.parametrize("headers", [bearer(USER_KEY), {"x-api-key": USER_KEY}], ids=str)
def test_known_keys_in_either_header(strict: StrictHouse, headers: dict[str, str]):
    for speech in SPEECHES:
        document = speech.document(strict.model(speech.lane("sim")))
        assert strict.ask(speech, document, headers).status == 200


def test_the_status_is_for_administrators(strict: StrictHouse):
    assert_refused(strict.gateway.get("/admin/status"), 401)
    assert_refused(strict.gateway.get("/admin/status", headers=bearer(USER_KEY)), 403)
    assert strict.gateway.get("/healthz").status == 200


# How much.


def padded(size: int) -> bytes:
    document = OPENAI.document("sim/padded")
    return json.dumps({**document, "user": "x" * (size - len(json.dumps(document)) - 12)}).encode()


def test_bodies_up_to_the_bound_are_taken(strict: StrictHouse):
    body = padded(2000)
    assert len(body) == 2000
    response = strict.gateway.post(OPENAI.path, body=body, headers=bearer(USER_KEY))
    assert response.status == 200


def test_declared_body_above_the_bound(strict: StrictHouse):
    with connect(strict.gateway.url) as wire:
        request = encode_request(OPENAI.path, body=padded(2001), headers=bearer(USER_KEY))
        wire.send(request[: request.index(b"\r\n\r\n") + 4])  # it is refused before it is sent
        assert_refused(wire.response(), 413, "body_too_large")
        assert wire.is_ended


def test_declared_length_of_many_digits(strict: StrictHouse):
    for digits in ("9" * 18, "9" * 25):
        with connect(strict.gateway.url) as wire:
            wire.send(
                b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: %b\r\n\r\n"
                % digits.encode()
            )
            assert wire.response().status in (400, 413)
            assert wire.is_ended


def test_chunked_body_above_the_bound(strict: StrictHouse):
    with connect(strict.gateway.url) as wire:
        head = encode_request(
            OPENAI.path, method="POST", headers={**bearer(USER_KEY), "transfer-encoding": "chunked"}
        )
        wire.send(head + b"400\r\n%b\r\n400\r\n%b\r\n" % (b"x" * 1024, b"x" * 1024))
        assert_refused(wire.response(), 413, "body_too_large")
        assert wire.is_ended


def test_a_refusal_arrives_although_the_client_still_sends(strict: StrictHouse):
    request = encode_request(OPENAI.path, body=b"x" * 3_000_000, headers=bearer(USER_KEY))
    with connect(strict.gateway.url) as wire:
        wire.send(request)
        assert_refused(wire.response(), 413)


@pytest.mark.parametrize(
    "lines",
    [
        {"x-long": "x" * 5000},
        {f"x-{number}": "x" * 250 for number in range(17)},
        {"x" * 5000: "x"},
        {f"x-{number}": "x" for number in range(30)},
    ],
    ids=["one-long", "long-together", "long-name", "many"],
)
def test_headers_above_the_bound(strict: StrictHouse, lines: dict[str, str]):
    request = encode_request("/v1/models", headers={**bearer(USER_KEY), **lines})
    with connect(strict.gateway.url) as wire:
        wire.send(request)
        assert_refused(wire.response(), 431, "headers_too_large")
        assert wire.is_ended


@pytest.mark.parametrize("endless", [b"x-a: b\r\n", b"x"], ids=["lines", "one-line"])
def test_headers_without_end(strict: StrictHouse, endless: bytes):
    with connect(strict.gateway.url) as wire:
        wire.send(b"GET /v1/models HTTP/1.1\r\nx-first: ")
        wire.send(endless * 6000)
        assert_refused(wire.response(), 431)


def test_target_above_the_bound(strict: StrictHouse):
    with connect(strict.gateway.url) as wire:
        wire.send(b"GET /" + b"x" * 6000)
        assert_refused(wire.response(), 431)


BEGUN = encode_request(
    OPENAI.path, method="POST", headers={**bearer(USER_KEY), "transfer-encoding": "chunked"}
)


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"1;a=", b"x" * 8),
        (b"", b"0" * 8),
        (b"", b"1;%b\r\nx\r\n" % (b"x" * 50)),
        (b"0\r\n", b"x-a: b\r\n"),
        (b"0\r\nx-a: ", b"x" * 8),
    ],
    ids=["one-extension", "one-size", "many-extensions", "many-trailers", "one-trailer"],
)
def test_chunks_with_more_around_them_than_in_them(
    strict: StrictHouse, start: bytes, endless: bytes
):
    with connect(strict.gateway.url) as wire:
        wire.send(BEGUN + start)
        wire.send(endless * 1000)
        assert_refused(wire.response(), 431, "headers_too_large")
        assert wire.is_ended


# How fast.


UNFINISHED = encode_request(OPENAI.path, body=b"x" * 999, headers=bearer(USER_KEY))[:-990]


@pytest.mark.parametrize(
    ("start", "piece", "what"),
    [
        (b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\n", b"x-a: b\r\n", "headers"),
        (b"POST /v1/mess", b"a", "headers"),
        (UNFINISHED, b"x", "body"),
    ],
    ids=["header", "target", "body"],
)
def test_clients_that_send_too_slowly(strict: StrictHouse, start: bytes, piece: bytes, what: str):
    with connect(strict.gateway.url, timeout_s=0.02) as wire:
        wire.send(start)
        answer = b""
        while not answer:  # a byte now and then does not win time
            wire.send(piece)
            try:
                answer = wire.sock.recv(65536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"The %b came too slowly" % what.encode() in answer


def test_idle_connections_are_closed(strict: StrictHouse):
    with connect(strict.gateway.url) as silent, connect(strict.gateway.url) as used:
        used.send(encode_request("/healthz"))
        assert used.response().status == 200
        assert used.is_ended
        assert silent.is_ended


def test_a_client_that_stops_sending_in_the_middle_is_gone(strict: StrictHouse):
    request = encode_request(OPENAI.path, OPENAI.document("sim/m"), headers=bearer(USER_KEY))
    for end in (1, 40, len(request) - 1):
        with connect(strict.gateway.url) as wire:
            wire.send(request[:end])
            wire.half_close()
            assert wire.is_ended
