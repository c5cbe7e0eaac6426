"""An exchange answers once, whatever is asked of it and in whatever order."""

from collections.abc import Callable

import msgspec
import pytest
from tests.support.connection import Client

from headrace.cache.entry import Answer, Shape
from headrace.errors import HeadraceError, InvalidRequest
from headrace.gateway.reader import Remarks, Source
from headrace.model import CacheResult
from headrace.server.exchange import Exchange

WRONG = InvalidRequest("It is wrong.")
BROKEN = HeadraceError("It is broken.")
ANSWER = Answer(200, ((b"content-type", b"application/json"),), b"{}", Shape.WHOLE, "p", "m")

INNER = (b"x-headrace-slo", b"shed;level=inner")

Step = Callable[[Exchange], None]


def word(exchange: Exchange) -> None:
    exchange.prepare(ANSWER)


def give(exchange: Exchange) -> None:
    exchange.answer(ANSWER)


def give_stored(exchange: Exchange) -> None:
    exchange.answer(ANSWER, 1.0)


def send(exchange: Exchange) -> None:
    exchange.send(200, b"", b"sent")


def fail(exchange: Exchange) -> None:
    exchange.fail(WRONG)


def done(exchange: Exchange) -> None:
    exchange.done()


def expire(exchange: Exchange) -> None:
    exchange.expire()


def asked() -> tuple[Client, Exchange]:
    """A client that waits, and what it waits for."""
    client = Client()
    client.ask("/v1/models")
    return client, client.waiting.pop()


@pytest.mark.parametrize("second", [word, give, give_stored, send, fail, expire, done])
@pytest.mark.parametrize("first", [give, give_stored, send, fail, expire])
def test_nobody_is_answered_twice(first: Step, second: Step) -> None:
    client, exchange = asked()
    first(exchange)
    given = client.transport.held
    second(exchange)
    exchange.done()
    assert client.transport.held == given
    assert given.count(b"HTTP/1.1 ") == 1
    client.ask("/healthz")  # the connection goes on
    assert client.transport.held.endswith(b"\r\n\r\nok")


@pytest.mark.parametrize(("last", "status"), [(fail, 400), (expire, 504)])
def test_what_was_made_ready_gives_way_to_an_error(last: Step, status: int) -> None:
    client, exchange = asked()
    exchange.prepare(ANSWER)
    last(exchange)
    assert client.transport.held.startswith(b"HTTP/1.1 %d " % status)
    assert client.transport.held.count(b"HTTP/1.1 ") == 1
    assert exchange.answer_given is None
    assert client.transport.held.endswith(
        b"\r\n\r\n" + client.transport.held[-exchange.bytes_out :]
    )


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    ("own", "told"), [((), INNER[1]), ((("slo", "degrade;level=outer"),), b"degrade;level=outer")]
)
def test_of_two_service_levels_that_gave_way_the_one_here_is_told(
    own: Remarks, told: bytes, *, is_stream: bool
) -> None:
    client, exchange = asked()
    exchange.placed(Source(CacheResult.MISS, "p", "m", remarks=own))
    answer = msgspec.structs.replace(ANSWER, headers=(*ANSWER.headers, INNER))
    if is_stream:
        exchange.begin(200, answer.headers)
    else:
        exchange.answer(answer)
    lines = client.transport.held.split(b"\r\n")
    assert [line for line in lines if line.startswith(INNER[0])] == [INNER[0] + b": " + told]
    assert b"content-type: application/json" in lines


def test_a_failed_stream_is_broken_and_left_alone() -> None:
    client, exchange = asked()
    exchange.begin(200, ())
    exchange.feed(b"data: 1\n\n")
    exchange.fail(BROKEN)
    told = client.transport.held
    assert told.count(b"It is broken.") == 1
    assert client.transport.is_closing()
    for step in (fail, give, send, done, expire):
        step(exchange)
    assert client.transport.held == told


@pytest.mark.parametrize("step", [word, give, give_stored, send, fail, expire, done])
def test_a_client_that_is_gone_is_told_nothing(step: Step) -> None:
    client, exchange = asked()
    exchange.client_gone()
    step(exchange)
    assert client.transport.held == b""
    assert exchange.error == "client_gone"
