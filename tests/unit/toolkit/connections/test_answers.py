"""Answers are convenient to read, and do not tell secrets by accident."""

import msgspec
import pytest

from headrace import UpstreamBroken, UpstreamRefused
from headrace.toolkit.connections.answers import HttpHeaders, HttpResponse

RAW = [(b"content-type", b"a/b"), (b"set-cookie", b"x=1"), (b"set-cookie", b"y=\xe9")]


def test_headers_have_no_case() -> None:
    headers = HttpHeaders(RAW)
    assert headers["Content-Type"] == headers["CONTENT-TYPE"] == "a/b"
    assert "Content-TYPE" in headers
    assert "x" not in headers
    assert 5 not in headers
    assert headers.get("x", "none") == "none"
    assert (list(headers), len(headers)) == (["content-type", "set-cookie"], 2)


def test_repeated_headers_are_joined_and_told_apart() -> None:
    headers = HttpHeaders(RAW)
    assert headers["set-cookie"] == "x=1, y=\u00e9"
    assert headers.get_all("Set-Cookie") == ["x=1", "y=\u00e9"]
    assert headers.get_all("x") == []


def test_printing_tells_no_values() -> None:
    assert "x=1" not in repr(HttpHeaders(RAW))
    assert "secret" not in repr(HttpResponse(200, RAW, b"secret"))


def test_json_as_data_and_as_a_type() -> None:
    class Told(msgspec.Struct):
        a: int

    answer = HttpResponse(200, [], b'{"a": 1}')
    assert answer.json() == {"a": 1}
    assert answer.json(Told).a == 1
    assert answer.text == '{"a": 1}'


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_told(content: bytes) -> None:
    with pytest.raises(UpstreamBroken) as told:
        HttpResponse(200, [], content).json()
    assert told.value.code == "upstream_garbage"


def test_json_of_another_type_is_told() -> None:
    with pytest.raises(UpstreamBroken, match="int"):
        HttpResponse(200, [], b'"x"').json(int)


def test_text_that_is_none_is_replaced() -> None:
    assert HttpResponse(200, [], b"a\xff").text == "a\ufffd"


def test_refusals_are_raised_when_asked_for() -> None:
    good, bad = HttpResponse(302, [], b""), HttpResponse(404, [], b"sk-secret")
    assert good.raise_for_status() is good
    assert (good.is_success, HttpResponse(204, [], b"").is_success) == (False, True)
    with pytest.raises(UpstreamRefused) as told:
        bad.raise_for_status()
    assert (told.value.upstream_status, told.value.body) == (404, b"sk-secret")
    assert "sk-secret" not in str(told.value)
