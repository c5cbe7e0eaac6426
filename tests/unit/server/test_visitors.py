"""While no keys are set, a page of another site cannot use the gateway."""

import pytest

from headrace.errors import Forbidden
from headrace.server.visitors import check_visitor

NONE: frozenset[bytes] = frozenset()


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"localhost:8080",
        b"LOCALHOST.",
        b"app.localhost:1",
        b"127.0.0.1",
        b"127.3.2.1:80",
        b"[::1]",
        b"[::1]:8080",
    ],
)
def test_this_machine_may_call(host: bytes) -> None:
    check_visitor({b"host": host}, NONE)
    check_visitor({b"host": host, b"origin": b"http://" + host}, NONE)


@pytest.mark.parametrize(
    "host",
    [b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example", b"127.evil", b"[::2]"],
)
def test_a_name_that_only_resolves_here_may_not(host: bytes) -> None:
    with pytest.raises(Forbidden) as told:
        check_visitor({b"host": host}, NONE)
    assert told.value.code == "host_not_allowed"


@pytest.mark.parametrize("origin", [b"https://evil.example", b"null", b"", b"http://127.1.evil"])
def test_a_page_of_another_site_may_not(origin: bytes) -> None:
    with pytest.raises(Forbidden) as told:
        check_visitor({b"host": b"localhost:8080", b"origin": origin}, NONE)
    assert told.value.code == "origin_not_allowed"


def test_an_origin_that_was_asked_in_may_call() -> None:
    fields = {b"host": b"localhost", b"origin": b"https://app.example"}
    check_visitor(fields, frozenset((b"https://app.example",)))
    check_visitor(fields, frozenset((b"*",)))


def test_a_request_of_http_1_0_needs_no_host() -> None:
    check_visitor({}, NONE)
