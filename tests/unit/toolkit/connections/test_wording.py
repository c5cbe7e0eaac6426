"""A call is said as it should be, and nothing can be smuggled into it."""

from typing import Any

import pytest

from headrace import InvalidRequest, __version__
from headrace.toolkit.connections.address import Addresses
from headrace.toolkit.connections.wording import body_of, render

TARGET = Addresses().read("http://a.example:81/x")


def lines(method: str = "GET", headers: dict[str, str] | None = None, **said: Any) -> list[bytes]:
    body, kind = body_of(said.get("content"), said.get("json"))
    return render(method, TARGET, headers, body, kind).split(b"\r\n")


def test_plain_call() -> None:
    assert lines() == [
        b"GET /x HTTP/1.1",
        b"host: a.example:81",
        b"accept-encoding: identity",
        b"user-agent: headrace/" + __version__.encode(),
        b"accept: */*",
        b"",
        b"",
    ]


def test_json_says_its_type_and_length() -> None:
    said = lines("POST", json={"a": 1})
    assert b"content-type: application/json" in said
    assert b"content-length: 7" in said
    assert said[-2:] == [b"", b'{"a":1}']


def test_text_is_utf8() -> None:
    said = lines("PUT", content="\u20ac")
    assert b"content-length: 3" in said
    assert said[-1] == "\u20ac".encode()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_empty_body_has_a_length(method: str) -> None:
    assert b"content-length: 0" in lines(method)


def test_own_headers_take_the_place_of_ours() -> None:
    own = {"Host": "b", "User-Agent": "u", "Accept": "a", "Accept-Encoding": "e"}
    said = lines("POST", {**own, "Content-Type": "c"}, json=1)
    assert said == [
        *(b"POST /x HTTP/1.1", b"Host: b", b"User-Agent: u", b"Accept: a"),
        *(b"Accept-Encoding: e", b"Content-Type: c", b"content-length: 1", b"", b"1"),
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {"x": "a\r\ny: b"},
        {"x": "a\nb"},
        {"x": "a\x00"},
        {"x\r\ny": "a"},
        {"x y": "a"},
        {"": "a"},
        {"x": "\u20ac"},
        {"Content-Length": "1"},
        {"Transfer-Encoding": "chunked"},
    ],
)
def test_headers_that_cannot_be_sent_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        lines(headers=headers)


def test_secrets_in_headers_are_not_repeated() -> None:
    with pytest.raises(InvalidRequest) as told:
        lines(headers={"authorization": "Bearer hunter2\n"})
    assert "hunter2" not in str(told.value)
    assert "authorization" in str(told.value)


@pytest.mark.parametrize("method", ["", "GET /", "GE\r\nT", "G\u00cbT"])
def test_methods_that_are_none_are_refused(method: str) -> None:
    with pytest.raises(InvalidRequest):
        lines(method)


def test_one_body_at_most() -> None:
    with pytest.raises(TypeError, match="not both"):
        body_of(b"x", {"a": 1})
    with pytest.raises(TypeError, match="int"):
        body_of(5, None)  # type: ignore[arg-type]


def test_what_json_cannot_say_is_told() -> None:
    with pytest.raises(InvalidRequest) as told:
        body_of(None, object())
    assert told.value.param == "json"
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidRequest):
        body_of(None, loop)
