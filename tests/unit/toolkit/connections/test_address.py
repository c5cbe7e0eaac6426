"""URLs lead where they say, or are refused without being repeated."""

import pytest

from headrace import InvalidRequest
from headrace.toolkit.connections.address import Addresses


@pytest.mark.parametrize(
    ("url", "origin", "path", "host"),
    [
        ("http://a.example", "http://a.example", b"/", b"a.example"),
        ("HTTPS://A.Example:443/x?y=1#z", "https://a.example", b"/x?y=1", b"a.example"),
        ("http://a.example:8080?q", "http://a.example:8080", b"/?q", b"a.example:8080"),
        ("http://127.0.0.1:80/", "http://127.0.0.1", b"/", b"127.0.0.1"),
        ("http://[0:0::1]:81/", "http://[::1]:81", b"/", b"[::1]:81"),
        ("http://bücher.example/ü?ü=\u20ac", "http://xn--bcher-kva.example",
         b"/%C3%BC?%C3%BC=%E2%82%AC", b"xn--bcher-kva.example"),
        ("http://h/a%20b%2Fc/{x}", "http://h", b"/a%20b%2Fc/%7Bx%7D", b"h"),
        ("http://my_service:1/", "http://my_service:1", b"/", b"my_service:1"),
    ],
)  # fmt: skip
def test_url_is_read(url: str, origin: str, path: bytes, host: bytes) -> None:
    target = Addresses().read(url)
    assert (str(target.origin), target.path, target.host) == (origin, path, host)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example/x",
        "//a.example/x",
        "ftp://a.example/",
        "http://",
        "http:///x",
        "http://a b/",
        "http://a.example/x y",
        "http://a.example/\r\nx: y",
        "http://a.example\n",
        "http://a.example/\x00",
        "http://a.example:0/",
        "http://a.example:65536/",
        "http://a.example:x/",
        "http://[::1/",
        "http://[::zz]/",
        "http://a..example/",
        "http://-a.example/",
        "http://a.example\\@b/",
        "http://" + "a" * 70 + ".example/",
    ],
)
def test_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest) as told:
        Addresses().read(url)
    assert told.value.param == "url"


def test_secrets_are_not_repeated() -> None:
    with pytest.raises(InvalidRequest) as told:
        Addresses().read("http://user:hunter2@a.example/?key=hunter2")
    assert "hunter2" not in str(told.value)


def test_what_is_no_text_is_told() -> None:
    with pytest.raises(TypeError, match="bytes"):
        Addresses().read(b"http://a.example")  # type: ignore[arg-type]


def test_what_was_read_is_remembered_within_a_bound() -> None:
    addresses = Addresses()
    first = addresses.read("http://a.example/")
    assert addresses.read("http://a.example/") is first
    for number in range(2000):
        addresses.read(f"http://a.example/{number}")
    assert len(addresses._targets) <= 1024
