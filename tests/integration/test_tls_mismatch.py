"""A base_url that says http:// where TLS is spoken, or the other way round: told as what it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.provider import ScriptedProvider, scripted, sized
from tests.support.wire import Response

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

ALERT = b"\x15\x03\x01\x00\x02\x02\x46"
NGINX = b"<html><body><center>The plain HTTP request was sent to HTTPS port</center></body></html>"
GO = b"Client sent an HTTP request to an HTTPS server.\n"
SAYS_HTTP = "Provider 'p' speaks TLS at its port, and its base_url says http://; write https:// "
SAYS_HTTPS = "Provider 'p' does not speak TLS at its port, and its base_url says https://; write "


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with scripted() as provider:
        yield provider


def page(body: bytes, content_type: str) -> bytes:
    head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {content_type}\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n%b" % (len(body), body)


def asked(folder: Path, base_url: str) -> Response:
    """What a caller hears of a provider at `base_url`."""
    lane = {"dialect": "openai", "base_url": base_url, "warm_connections": 0}
    with Gateway(folder, {"providers": {"p": lane}}) as gateway:
        response = gateway.post(OPENAI.path, OPENAI.document("p/m"))
        gateway.wait_until_quiet()
    return response


@pytest.mark.parametrize(
    "answer",
    [ALERT, page(NGINX, "text/html"), page(GO, "text/plain; charset=utf-8")],
    ids=["alert", "nginx", "go"],
)
def test_http_where_tls_is_spoken(provider: ScriptedProvider, tmp_path: Path, answer: bytes):
    provider.answers = [answer]
    response = asked(tmp_path, provider.url)
    assert (response.status, response.error["code"]) == (502, "upstream_tls")
    assert SAYS_HTTP in response.error["message"]
    assert response.headers["x-headrace-attempts"] == "1"


def test_a_refusal_that_only_quotes_such_words_is_passed_on(
    provider: ScriptedProvider, tmp_path: Path
):
    body = b'{"error":{"message":"' + GO.strip() + b'"}}'
    provider.answers = [sized(body, "400 Bad Request")]
    response = asked(tmp_path, provider.url)
    assert (response.status, response.body) == (400, body)


def test_http_to_a_real_tls_server_that_just_closes(tmp_path: Path):
    issued = trustme.CA().issue_cert("127.0.0.1")
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    with running(SimOptions(tls_cert_file=cert, tls_key_file=key)) as sim:
        response = asked(tmp_path / "gateway", sim.url.replace("https://", "http://"))
    assert response.status == 502
    assert "https:// in its base_url" in response.error["message"]


def test_https_where_plain_http_is_spoken(tmp_path: Path):
    with running(SimOptions()) as sim:
        response = asked(tmp_path, sim.url.replace("http://", "https://"))
    assert (response.status, response.error["code"]) == (502, "upstream_tls")
    message = response.error["message"]
    assert SAYS_HTTPS + "http:// in its base_url" in message
    assert response.headers["x-headrace-attempts"] == "1"
