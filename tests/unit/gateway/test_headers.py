"""Which of a provider's headers reach the caller."""

import pytest

from headrace.gateway.headers import content_type, end_to_end, is_encoded


def test_what_belongs_to_the_connection_stays_behind():
    given = [
        (b"content-type", b"application/json"),
        (b"content-length", b"3"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"set-cookie", b"c"),
        (b"x-headrace-cache", b"l1"),
        (b"retry-after", b"3"),
        (b"x-request-id", b"r"),
    ]
    assert end_to_end(given) == (
        (b"content-type", b"application/json"),
        (b"retry-after", b"3"),
        (b"x-upstream-request-id", b"r"),
    )


@pytest.mark.parametrize(
    "connection",
    [[b"X-Hop, keep-alive ,x-request-id"], [b"keep-alive", b"x-hop", b"close,X-Request-Id"]],
    ids=["one", "several"],
)
def test_what_connection_names_stays_behind(connection: list[bytes]):
    given = [
        (b"x-hop", b"secret"),
        (b"x-end", b"stays"),
        *((b"connection", value) for value in connection),
        (b"x-request-id", b"r"),
        (b"x-hop", b"again"),
    ]
    assert end_to_end(given) == ((b"x-end", b"stays"),)


def test_connection_does_not_change_what_a_body_is():
    body = ((b"content-type", b"application/json"), (b"content-encoding", b"gzip"))
    assert end_to_end([*body, (b"connection", b"content-type, content-encoding")]) == body


def test_content_type_in_lower_case():
    assert content_type(((b"a", b"b"), (b"content-type", b"Text/HTML"))) == b"text/html"
    assert content_type(()) == b""


@pytest.mark.parametrize(
    ("value", "encoded"), [(b"gzip", True), (b"br", True), (b"identity", False)]
)
def test_what_counts_as_encoded(value: bytes, encoded: bool):
    assert is_encoded(((b"content-encoding", value),)) is encoded
    assert not is_encoded(())


def test_a_provider_does_not_decide_whose_pages_may_read():
    assert end_to_end([(b"access-control-allow-origin", b"*")]) == ()
