"""A connection against a transport and a clock that move only when told to."""

from tests.support.connection import LISTEN, Client

from headrace.limits import LINGER_S, SWEEP_INTERVAL_S
from headrace.server.reading import READ_AHEAD_BYTES_MAX

SOON_S = SWEEP_INTERVAL_S
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
FAR_AHEAD = HEALTH * (READ_AHEAD_BYTES_MAX // len(HEALTH) + 1)


def test_the_last_answer_is_not_cut_while_the_client_takes_it():
    client = Client()
    client.ask("/metrics", "connection: close")
    for _ in range(5):
        client.wait(LINGER_S)
        client.transport.take(left=len(client.transport.held) - 1)
    assert not client.transport.is_aborted
    client.transport.take()
    client.wait(LINGER_S)
    client.wait(LINGER_S)
    assert client.transport.is_aborted


def test_who_never_takes_the_last_answer_is_cut():
    for path in ("/metrics", "/healthz"):
        for can_write_eof in (True, False):
            client = Client(can_write_eof=can_write_eof)
            client.ask(path, "connection: close")
            client.wait(LISTEN.write_timeout_s - SOON_S)
            assert not client.transport.is_aborted
            client.wait(SOON_S)
            client.wait(LINGER_S)
            assert client.transport.is_aborted


def test_an_idle_client_that_left_an_answer_lying_is_cut():
    client = Client()
    client.ask("/healthz")
    client.wait(LISTEN.idle_timeout_s)
    assert client.transport.is_closing()
    assert not client.transport.is_aborted
    client.wait(LISTEN.write_timeout_s)
    assert client.transport.is_aborted


def begun_far_ahead() -> Client:
    """A client that is not read from any more, in the middle of a head."""
    client = Client()
    client.ask("/v1/models")
    client.ask("/v1/models")
    assert client.transport.is_reading
    client.connection.data_received(FAR_AHEAD + b"GET /healthz HTTP/1.1\r\nho")
    assert not client.transport.is_reading
    return client


def answer_both(client: Client) -> None:
    for _ in range(2):
        client.waiting.pop().send(200, b"", b"here")
    assert client.transport.is_reading


def test_a_client_that_is_not_read_from_is_not_slow():
    client = begun_far_ahead()
    client.wait(LISTEN.header_timeout_s * 2)
    answer_both(client)
    client.wait(LISTEN.header_timeout_s - SOON_S)
    client.connection.data_received(b"st: localhost\r\n\r\n")
    assert client.transport.held.count(b"HTTP/1.1 200") == 3 + FAR_AHEAD.count(HEALTH)
    assert b"HTTP/1.1 408" not in client.transport.held


def test_a_client_that_is_read_from_again_has_the_time_it_had():
    client = begun_far_ahead()
    client.wait(LISTEN.header_timeout_s)
    answer_both(client)
    client.wait(LISTEN.header_timeout_s)
    assert b"HTTP/1.1 408" in client.transport.held


def test_a_client_that_sends_a_little_ahead_is_read_from_and_timed():
    client = Client()
    client.ask("/v1/models")
    client.ask("/v1/models")
    client.connection.data_received(b"GET /healthz HTTP/1.1\r\nho")
    client.wait(LISTEN.header_timeout_s)
    assert client.transport.is_reading
    assert client.transport.held == b""
    for _ in range(2):
        client.waiting.pop().send(200, b"", b"here")
    assert client.transport.held.count(b"HTTP/1.1 200") == 2
    assert client.transport.held.count(b"HTTP/1.1 408") == 1


def test_what_is_sent_behind_an_error_is_held_back_too():
    client = Client()
    client.ask("/v1/models")
    client.connection.data_received(b"nonsense\r\n\r\n")
    assert client.transport.is_reading
    client.connection.data_received(FAR_AHEAD)
    assert not client.transport.is_reading
    client.waiting.pop().send(200, b"", b"here")
    assert client.transport.is_reading  # so that the refusal arrives
    assert client.transport.held.count(b"HTTP/1.1 ") == 2


def test_a_client_that_leaves_is_let_go_although_it_never_took_its_answer():
    client = Client()
    client.ask("/healthz")
    client.ask("/v1/models")
    client.connection.eof_received()
    assert client.waiting.pop().error == "client_gone"
    assert not client.transport.is_aborted
    client.wait(LISTEN.write_timeout_s)
    assert client.transport.is_aborted


def test_who_takes_an_answer_slowly_is_not_cut_until_it_stops():
    for line in ("connection: close", "connection: keep-alive"):
        client = Client()
        client.ask("/metrics", line)
        for _ in range(5):
            client.wait(LISTEN.write_timeout_s - SOON_S)
            assert not client.transport.is_aborted
            client.transport.take(left=len(client.transport.held) - 1)
            client.wait(SOON_S)
        client.wait(LISTEN.write_timeout_s - SOON_S)
        assert not client.transport.is_aborted
        client.wait(SOON_S)
        assert client.transport.is_aborted


def test_a_body_is_timed_from_the_leave_to_send_it():
    client = Client()
    client.ask("/v1/models")
    client.ask("/healthz", "expect: 100-continue", "content-length: 2")
    client.wait(LISTEN.body_timeout_s * 2)
    assert client.transport.held == b""
    client.waiting.pop().send(200, b"", b"here")
    assert client.transport.held.endswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    client.wait(LISTEN.body_timeout_s - SOON_S)
    assert b"HTTP/1.1 408" not in client.transport.held
    client.wait(SOON_S)
    assert b"HTTP/1.1 408" in client.transport.held


def test_who_does_not_wait_for_leave_is_given_none():
    client = Client()
    client.ask("/v1/models")
    client.ask("/healthz", "expect: 100-continue", "content-length: 2")
    client.connection.data_received(b"x")
    client.waiting.pop().send(200, b"", b"here")
    client.connection.data_received(b"x")
    assert b"100 Continue" not in client.transport.held
    assert client.transport.held.count(b"HTTP/1.1 200") == 2


def test_any_number_of_requests_may_come_at_once():
    client = Client()
    client.connection.data_received(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n" * 2000)
    assert client.transport.held.count(b"HTTP/1.1 200") == 2000


def test_a_tunnel_is_refused_once():
    client = Client()
    client.connection.data_received(b"CONNECT * HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert client.transport.held.startswith(b"HTTP/1.1 400")
    assert client.transport.held.count(b"HTTP/1.1") == 1
