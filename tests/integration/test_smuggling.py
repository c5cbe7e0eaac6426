"""Requests that two servers could read in two ways are refused, and so is all that follows them."""

import random
import re

import pytest
from tests.support.house import OPENAI, SPEECHES, House
from tests.support.wire import connect, encode_request

SEED = 20_260
MUTATIONS = 1_000

BODY = b'{"model":"sim/smuggled","messages":[{"role":"user","content":"x"}]}'
SECOND = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


def post(*lines: bytes, first: bytes = b"POST /v1/chat/completions HTTP/1.1") -> bytes:
    return b"\r\n".join((first, b"host: localhost", *lines)) + b"\r\n\r\n"


def chunked(body: bytes, *lines: bytes) -> bytes:
    return post(b"transfer-encoding: chunked", *lines) + body


SIZE = b"content-length: %d" % len(BODY)
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)

SHAPES = {
    # Two lengths.
    "length and chunks": post(SIZE, b"transfer-encoding: chunked") + CHUNK + b"0\r\n\r\n",
    "chunks and length": post(b"transfer-encoding: chunked", SIZE) + CHUNK + b"0\r\n\r\n",
    "two equal lengths": post(SIZE, SIZE) + BODY,
    "two lengths": post(SIZE, b"content-length: 3") + BODY,
    "list of equal lengths": post(SIZE + b", %d" % len(BODY)) + BODY,
    "length with sign": post(b"content-length: +%d" % len(BODY)) + BODY,
    "negative length": post(b"content-length: -1") + BODY,
    "hexadecimal length": post(b"content-length: 0x10") + BODY,
    "length with a point": post(b"content-length: 5.0") + BODY,
    "length with a space in it": post(b"content-length: 6 6") + BODY,
    "empty length": post(b"content-length: ") + BODY,
    "length above 64 bits": post(b"content-length: 18446744073709551617") + BODY,
    # Transfer codings.
    "identity": post(b"transfer-encoding: identity") + BODY,
    "unknown coding": post(b"transfer-encoding: xchunked") + CHUNK + b"0\r\n\r\n",
    "chunked is not last": post(b"transfer-encoding: chunked, identity") + CHUNK + b"0\r\n\r\n",
    "compressed": post(b"transfer-encoding: gzip, chunked") + CHUNK + b"0\r\n\r\n",
    "chunked twice": post(b"transfer-encoding: chunked, chunked") + CHUNK + b"0\r\n\r\n",
    "two coding lines": post(b"transfer-encoding: chunked", b"transfer-encoding: identity")
    + CHUNK
    + b"0\r\n\r\n",
    "two chunked lines": post(b"transfer-encoding: chunked", b"transfer-encoding: chunked")
    + CHUNK
    + b"0\r\n\r\n",
    "coding with a quote": post(b'transfer-encoding: "chunked"') + CHUNK + b"0\r\n\r\n",
    "coding with a parameter": post(b"transfer-encoding: chunked;q=1") + CHUNK + b"0\r\n\r\n",
    "coding behind a control": post(b"transfer-encoding: \x0bchunked") + CHUNK + b"0\r\n\r\n",
    "coding behind a null": post(b"transfer-encoding: \x00chunked") + CHUNK + b"0\r\n\r\n",
    "empty coding": post(b"transfer-encoding: ") + CHUNK + b"0\r\n\r\n",
    "coding in HTTP/1.0": post(
        b"transfer-encoding: chunked", first=b"POST /v1/chat/completions HTTP/1.0"
    )
    + CHUNK
    + b"0\r\n\r\n",
    # Chunk sizes.
    "chunk size of no digits": chunked(b"x\r\n%b\r\n0\r\n\r\n" % BODY),
    "chunk size missing": chunked(b"\r\n%b\r\n0\r\n\r\n" % BODY),
    "chunk size with prefix": chunked(b"0x43\r\n%b\r\n0\r\n\r\n" % BODY),
    "chunk size with sign": chunked(b"+43\r\n%b\r\n0\r\n\r\n" % BODY),
    "negative chunk size": chunked(b"-43\r\n%b\r\n0\r\n\r\n" % BODY),
    "chunk size behind a space": chunked(b" 43\r\n%b\r\n0\r\n\r\n" % BODY),
    "chunk size before a space": chunked(b"43 \r\n%b\r\n0\r\n\r\n" % BODY),
    "chunk size above 64 bits": chunked(b"10000000000000043\r\n%b\r\n0\r\n\r\n" % BODY),
    "chunk size with underscore": chunked(b"4_3\r\n%b\r\n0\r\n\r\n" % BODY),
    "chunk longer than it says": chunked(b"5\r\n%b\r\n0\r\n\r\n" % BODY),
    "chunk without line end": chunked(b"%x\r\n%b0\r\n\r\n" % (len(BODY), BODY)),
    "bare LF behind a chunk size": chunked(b"%x\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "bare CR behind a chunk size": chunked(b"%x\r%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "bare LF behind a chunk": chunked(b"%x\r\n%b\n0\r\n\r\n" % (len(BODY), BODY)),
    "bare LF in a chunk extension": chunked(b"%x;a\nb\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "bare LF behind the last chunk": chunked(CHUNK + b"0\n\n"),
    "length in a trailer": chunked(CHUNK + b"0\r\ncontent-length: 3\r\n\r\n"),
    # Lines.
    "bare LF behind the request line": post(first=b"GET /v1/models HTTP/1.1\nhost: y"),
    "bare LF between headers": post(b"a: b\nc: d", first=b"GET /v1/models HTTP/1.1"),
    "bare LF everywhere": b"GET /v1/models HTTP/1.1\nhost: localhost\n\n",
    "bare CR in a value": post(b"a: b\rc: d", first=b"GET /v1/models HTTP/1.1"),
    "null in a value": post(b"a: b\x00c", first=b"GET /v1/models HTTP/1.1"),
    "obsolete folding": post(b"a: b\r\n c", first=b"GET /v1/models HTTP/1.1"),
    "obsolete folding with a tab": post(b"a: b\r\n\tc", first=b"GET /v1/models HTTP/1.1"),
    "folded length": post(b"content-length:\r\n %d" % len(BODY)) + BODY,
    "folded coding": post(b"transfer-encoding:\r\n chunked") + CHUNK + b"0\r\n\r\n",
    "space before the first header": b"GET /v1/models HTTP/1.1\r\n host: localhost\r\n\r\n",
    "space before the colon": post(b"content-length : %d" % len(BODY)) + BODY,
    "tab before the colon": post(b"transfer-encoding\t: chunked") + CHUNK + b"0\r\n\r\n",
    "space in a name": post(b"content length: 3", first=b"GET /v1/models HTTP/1.1"),
    "no colon": post(b"content-length", first=b"GET /v1/models HTTP/1.1"),
    "no name": post(b": x", first=b"GET /v1/models HTTP/1.1"),
    "control in a name": post(b"a\x01: x", first=b"GET /v1/models HTTP/1.1"),
    # Request lines.
    "space in the target": post(first=b"GET /v1/mod els HTTP/1.1"),
    "version 0.9": b"GET /v1/models\r\n\r\n",
    "version 1.2": post(first=b"GET /v1/models HTTP/1.2"),
    "version 2.0": post(first=b"GET /v1/models HTTP/2.0"),
    "version in lower case": post(first=b"GET /v1/models http/1.1"),
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "method in lower case": post(first=b"get /v1/models HTTP/1.1"),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_what_can_be_read_in_two_ways_is_refused(house: House, shape: bytes):
    calls = house.calls("sim/smuggled")
    with connect(house.gateway.url) as wire:
        wire.send(shape + SECOND)
        response = wire.response()
        assert response.status == 400, response
        assert response.headers["connection"] == "close"
        assert response.error["message"]
        assert wire.is_ended  # what followed is not answered
    assert house.calls("sim/smuggled") == calls


@pytest.mark.parametrize("hosts", [0, 2])
def test_a_request_names_its_host_once(house: House, hosts: int):
    with connect(house.gateway.url) as wire:
        wire.send(b"GET /v1/models HTTP/1.1\r\n" + b"host: localhost\r\n" * hosts + b"\r\n")
        assert wire.response().status == 400


def test_white_space_in_front_never_becomes_a_known_head(house: House):
    """Whoever asks later must not be taken for who asked before."""
    request = encode_request(OPENAI.path, OPENAI.document("sim/m"))
    body = request.partition(b"\r\n\r\n")[2]
    with connect(house.gateway.url) as wire:
        wire.send(b"\n\r\n\r\n" + request)
        assert wire.response().status == 200
    with connect(house.gateway.url) as wire:
        wire.send(b"\n\r\n\r\n" + body)
        assert wire.response().status == 400


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_body_behind_an_offer_to_upgrade_is_never_a_request(house: House, method: str):
    headers = {"connection": "upgrade", "upgrade": "h2c"}
    request = encode_request(OPENAI.path, method=method, body=SECOND, headers=headers)
    with connect(house.gateway.url) as wire:
        wire.send(request + encode_request("/readyz"))
        assert wire.response().status == (400 if method == "POST" else 405)
        assert wire.response().status == 200
        wire.half_close()
        assert wire.is_ended


def mutated(request: bytes, chance: random.Random) -> bytes:
    """`request` with a few bytes changed, lost, doubled or put in."""
    data = bytearray(request)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data))
        match chance.randrange(6):
            case 0:
                data[place] = chance.randrange(256)
            case 1:
                del data[place : place + chance.randint(1, 8)]
            case 2:
                data[place:place] = data[place : place + chance.randint(1, 40)]
            case 3:
                data[place:place] = bytes((chance.choice(b'\r\n\t :;,{}[]"\\\x00\xff0'),))
            case 4:
                data[place] ^= 1 << chance.randrange(8)
            case _:
                del data[max(1, len(data) - chance.randint(1, 60)) :]
    return bytes(data)


MODELS = encode_request("/v1/models", headers={"anthropic-version": "2023-06-01"})


def requests() -> list[bytes]:
    """Good requests of every kind."""
    documents = [
        speech.document(speech.lane("sim/mutated"), stream=stream, temperature=0.5)
        for speech in SPEECHES
        for stream in (False, True)
    ]
    plain = [
        encode_request(speech.path, document, headers={"cache-control": "max-age=60"})
        for speech, document in zip((SPEECHES[0],) * 2 + (SPEECHES[1],) * 2, documents, strict=True)
    ]
    embed = encode_request("/v1/embeddings", {"model": "sim/mutated", "input": ["a", "b"]})
    return [*plain, embed, MODELS, chunked(CHUNK + b"0\r\ntrailer: x\r\n\r\n")]


def test_mutations_of_good_requests_do_no_harm(house: House):
    chance = random.Random(SEED)
    good = requests()
    statuses: dict[int, int] = {}
    for number in range(MUTATIONS):
        taken = chance.choice(good)
        sent = mutated(taken, chance)
        with connect(house.gateway.url) as wire:
            wire.send(sent)
            answer = b""
            if number % 2 == 0:
                wire.send(b"\r\n" * 2)
                # Without a body this ends a head for certain; who half-closes first has left.
                answer = wire.read_some() if taken is MODELS else b""
            wire.half_close()
            answer += wire.read_to_end()
        for found in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", answer):
            statuses[int(found)] = statuses.get(int(found), 0) + 1
            assert int(found) < 500, (sent, answer)
    assert statuses[400] > MUTATIONS // 10
    assert statuses[200] > 0
