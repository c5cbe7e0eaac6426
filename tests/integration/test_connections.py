"""How the gateway speaks HTTP/1.1 to clients that do everything right."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.support.house import ANTHROPIC, OPENAI, SPEECHES, TRICKLE_TOKENS, House, Speech
from tests.support.waiting import eventually
from tests.support.wire import ask, connect, encode_request

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

speeches = pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
PREFLIGHT = {"access-control-request-method": "POST"}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway with a key and a small bound on bodies."""
    with running(SimOptions()) as sim:
        house = House.build(
            tmp_path_factory.mktemp("locked"),
            sim,
            listen={"body_bytes_max": 1000},
            keys=[{"key": "the-key", "tenant": "t", "admin": True}],
            admin_key="the-key",
        )
        with house.gateway:
            yield house


def test_connections_are_kept(house: House):
    document = OPENAI.document(house.model())
    with connect(house.gateway.url) as wire:
        for cache in ("miss", "l1", "l1"):
            wire.send(encode_request(OPENAI.path, document))
            response = wire.response()
            assert response.cache == cache
            assert "connection" not in response.headers
        wire.send(encode_request("/v1/nothing"))
        assert wire.response().status == 404
        wire.send(encode_request(OPENAI.path, document, headers={"connection": "close"}))
        response = wire.response()
        assert (response.cache, response.headers["connection"]) == ("l1", "close")
        assert wire.is_ended


def test_pipelined_requests_are_answered_in_order(house: House):
    """Also a hit that is ready long before the slow miss in front of it."""
    hit = OPENAI.document(house.model())
    assert house.ask(OPENAI, hit).cache == "miss"
    slow = OPENAI.document(house.model("slow"))
    stream = ANTHROPIC.document(house.model("claude-slow"), stream=True)
    requests = [
        encode_request(OPENAI.path, slow),
        encode_request(OPENAI.path, hit),
        encode_request(ANTHROPIC.path, stream),
        encode_request("/v1/nothing"),
        encode_request(OPENAI.path, hit),
    ]
    with connect(house.gateway.url) as wire:
        wire.send(b"".join(requests))
        answers = [wire.response() for _ in requests]
    assert [answer.status for answer in answers] == [200, 200, 200, 404, 200]
    assert [answer.cache for answer in answers] == ["miss", "l1", "miss", None, "l1"]
    assert answers[0].json()["model"] == slow["model"].partition("/")[2]
    assert answers[1].json() == answers[4].json()
    assert ANTHROPIC.final in answers[2].events[-1]


def test_requests_may_come_in_any_pieces(house: House):
    document = OPENAI.document(house.model())
    request = encode_request(OPENAI.path, document)
    with connect(house.gateway.url) as wire:
        for size in (1, 7, len(request) // 2, len(request) - 1):
            for start in range(0, len(request), size):
                wire.send(request[start : start + size])
            assert wire.response().status == 200
        wire.send(request * 3)
        assert [wire.response().cache for _ in range(3)] == ["l1"] * 3


def test_chunked_requests_and_their_trailers(house: House):
    document = OPENAI.document(house.model())
    assert house.ask(OPENAI, document).cache == "miss"
    body = json.dumps(document).encode()
    head = encode_request(OPENAI.path, method="POST", headers={"transfer-encoding": "Chunked"})
    trailers = b"x-headrace-ttl: nonsense\r\nauthorization: Bearer x\r\n"
    chunks = b"%x;extension=1\r\n%b\r\n%X\r\n%b\r\n" % (9, body[:9], len(body) - 9, body[9:])
    with connect(house.gateway.url) as wire:
        for _ in range(2):
            wire.send(head + chunks + b"000\r\n" + trailers + b"\r\n")
            assert wire.response().cache == "l1"


def test_leave_to_send_a_body(house: House):
    request = encode_request(
        OPENAI.path, OPENAI.document(house.model()), headers={"expect": "100-continue"}
    )
    head, mark, body = request.partition(b"\r\n\r\n")
    with connect(house.gateway.url) as wire:
        for _ in range(2):
            wire.send(head + mark)
            assert wire.read_until(mark) == b"HTTP/1.1 100 Continue\r\n\r\n"
            wire.send(body)
            assert wire.response().status == 200


@pytest.mark.parametrize(
    ("headers", "size", "status"),
    [({}, 100, 401), ({"authorization": "Bearer the-key"}, 2000, 413)],
    ids=["no-key", "too-large"],
)
@speeches
def test_no_leave_to_send_a_body_in_vain(
    locked: House, speech: Speech, headers: dict[str, str], size: int, status: int
):
    request = encode_request(
        speech.path, body=b"x" * size, headers={"expect": "100-continue", **headers}
    )
    with connect(locked.gateway.url) as wire:
        wire.send(request[:-size])
        response = wire.response()
        assert response.status == status
        assert not response.raw_head.startswith(b"HTTP/1.1 100")
        assert (response.json().get("type") == "error") == (speech is ANTHROPIC)
        assert wire.is_ended
    locked.gateway.wait_until_quiet()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/models"])
def test_head_says_what_get_would(house: House, path: str):
    with connect(house.gateway.url) as wire:
        wire.send(encode_request(path, method="HEAD") + encode_request(path))
        told = wire.response(to_head=True)
        given = wire.response()
    assert (told.status, given.status) == (200, 200)
    assert int(told.headers["content-length"]) > 0
    assert told.headers["content-type"] == given.headers["content-type"]


def test_options_names_the_methods(house: House):
    with connect(house.gateway.url) as wire:
        wire.send(encode_request(OPENAI.path, method="OPTIONS") + encode_request("/healthz"))
        response = wire.response()
        assert response.status == 204
        assert response.headers["allow"] == "OPTIONS, POST"
        assert "content-length" not in response.headers  # RFC 9110, 8.6
        assert wire.response().status == 200


def test_pages_of_configured_origins_may_call(house: House):
    origin = {"origin": "https://app.example.com"}
    preflight = ask(
        house.gateway.url,
        encode_request(OPENAI.path, method="OPTIONS", headers={**origin, **PREFLIGHT}),
    )
    assert preflight.headers["access-control-allow-origin"] == origin["origin"]
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    document = OPENAI.document(house.model())
    for cache in ("miss", "l1"):  # also on the way past the parser
        response = house.ask(OPENAI, document, origin)
        assert response.cache == cache
        assert response.headers["access-control-allow-origin"] == origin["origin"]
    refused = house.ask(OPENAI, {"model": 1}, origin)
    assert refused.headers["access-control-allow-origin"] == origin["origin"]


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://app.example.com"])
def test_pages_of_other_origins_may_not(house: House, origin: str):
    for method in ("OPTIONS", "POST"):
        request = encode_request(
            OPENAI.path,
            OPENAI.document("sim/m"),
            method=method,
            headers={"origin": origin, **PREFLIGHT},
        )
        response = ask(house.gateway.url, request)
        assert not any(name.startswith("access-control") for name in response.headers)


def test_cors_is_off_unless_configured(locked: House):
    headers = {"origin": "https://app.example.com", "authorization": "Bearer the-key"}
    response = locked.ask(OPENAI, OPENAI.document("sim/m"), headers)
    assert not any(name.startswith("access-control") for name in response.headers)


@speeches
@pytest.mark.parametrize("headers", [{}, {"connection": "keep-alive"}], ids=str)
def test_clients_of_http_1_0(house: House, speech: Speech, headers: dict[str, str]):
    """They are given streams that the end of the connection ends, and never wait for it in vain."""
    for stream in (False, True):
        document = speech.document(house.model(speech.lane("trickle")), stream=stream)
        for cache in ("miss", "l1"):
            with connect(house.gateway.url) as wire:
                wire.send(encode_request(speech.path, document, headers=headers, version="1.0"))
                response = wire.response()
                assert (response.status, response.cache) == (200, cache)
                assert "transfer-encoding" not in response.headers
                assert response.headers["connection"] == "close"
                assert wire.is_ended
            if stream:
                assert speech.final in response.events[-1]
                assert len(response.events) >= TRICKLE_TOKENS


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_offers_to_upgrade_are_not_taken_up(house: House, protocol: str):
    headers = {"connection": "upgrade", "upgrade": protocol, "http2-settings": "AAMAAABkAAQ"}
    document = OPENAI.document(house.model())
    with connect(house.gateway.url) as wire:
        for cache in ("miss", "l1"):
            wire.send(encode_request(OPENAI.path, document, headers=headers))
            response = wire.response()
            assert (response.status, response.cache) == (200, cache)
        wire.send(encode_request("/healthz", headers=headers) + encode_request("/readyz"))
        assert [wire.response().status for _ in range(2)] == [200, 200]


def test_tunnels_are_not_dug(house: House):
    with connect(house.gateway.url) as wire:
        wire.send(b"CONNECT example.com:443 HTTP/1.1\r\nhost: localhost:443\r\n\r\n")
        assert wire.response().status == 400


@pytest.mark.parametrize("pieces", [1, 2], ids=["whole", "in-pieces"])
def test_http_2_is_told_what_is_spoken_here(house: House, pieces: int):
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)
    with connect(house.gateway.url) as wire:
        for piece in (preface[:10], preface[10:]) if pieces == 2 else (preface,):
            wire.send(piece)
        response = wire.response()
        assert (response.status, response.headers["connection"]) == (400, "close")
        assert "This port speaks HTTP/1.1" in response.error["message"]
        assert wire.is_ended


def test_https_on_an_http_port_is_told_to_both_sides(house: House):
    with connect(house.gateway.url) as wire, pytest.raises(ssl.SSLError):
        ssl.create_default_context().wrap_socket(wire.sock, server_hostname="localhost")

    def told() -> list[dict[str, object]]:
        return [line for line in house.gateway.events() if line["event"] == "tls_on_plain_port"]

    eventually(told)  # the log is written behind what happens
    assert told()[-1]["level"] == "warning"
    assert told()[-1]["peer"] == "127.0.0.1"
    assert "https" in str(told()[-1]["detail"])
    with connect(house.gateway.url) as wire:
        wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert "use http://" in wire.response().error["message"]
        assert wire.is_ended


def test_absolute_targets_are_refused(house: House):
    with connect(house.gateway.url) as wire:
        wire.send(b"GET http://example.com/v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert wire.response().status == 400


def test_request_ids_differ(house: House):
    document = OPENAI.document(house.model())
    ids = {house.ask(OPENAI, document).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.heavy
def test_tls_from_the_settings(tmp_path: Path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for part in certificate.cert_chain_pems:
        part.write_to_path(tmp_path / "cert.pem", append=True)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    files = {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    with running(SimOptions()) as sim:
        house = House.build(tmp_path / "gateway", sim, listen={"tls": files})
        with house.gateway as gateway:
            assert gateway.url.startswith("https://")
            with connect(gateway.url, tls=context) as wire:
                for speech in SPEECHES:
                    lane = speech.lane("trickle")
                    for stream in (False, True):
                        document = speech.document(house.model(lane), stream=stream)
                        wire.send(encode_request(speech.path, document))
                        response = wire.response()
                        assert (response.status, response.is_whole) == (200, True)
            with connect(gateway.url, tls=context) as wire:
                wire.send(b"nonsense\r\n\r\n")
                assert wire.response().status == 400
                assert wire.is_ended
            with connect(gateway.url) as wire:  # plain HTTP where TLS is spoken
                wire.send(encode_request("/healthz"))
                assert not wire.read_to_end().startswith(b"HTTP/")
            again = ask(gateway.url, encode_request("/readyz"), tls=context)
            assert again.status == 200
