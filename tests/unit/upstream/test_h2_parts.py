"""A request for HTTP/1.1, taken apart for HTTP/2."""

from headrace.upstream.h2_parts import Parts, take_apart


def test_what_is_of_the_connection_is_left_out():
    request = (
        b"POST /v1/chat HTTP/1.1\r\nhost: h:1\r\nauthorization: Bearer a:b\r\nx: 1\r\nx: 2\r\n"
        b"content-length: 6\r\n\r\na\r\n\r\nb"
    )
    headers = (("authorization", "Bearer a:b"), ("x", "1"), ("x", "2"))
    assert take_apart(request) == Parts("POST", "/v1/chat", headers, b"a\r\n\r\nb")


def test_a_request_without_a_body():
    assert take_apart(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n") == Parts("GET", "/", (), b"")
