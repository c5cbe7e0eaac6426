"""Requests that a client sends before it has the answer to the one before."""

from collections.abc import Callable

import pytest
from tests.support.house import OPENAI, SPEECHES, House, Speech
from tests.support.waiting import eventually
from tests.support.wire import Wire, connect, encode_request

from headrace.server.reading import READ_AHEAD_BYTES_MAX
from headrace.sim.faults import FaultKind

speeches = pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
leavings = pytest.mark.parametrize(
    "leave", [Wire.close, Wire.reset, Wire.half_close], ids=["close", "reset", "half-close"]
)

HEALTH = encode_request("/healthz")
BEHIND = {
    "request": HEALTH,
    "requests": HEALTH * 100,
    "large-request": encode_request(OPENAI.path, body=b"x" * 4 * READ_AHEAD_BYTES_MAX),
    "request-and-a-half": HEALTH + HEALTH[:20],
    "error": b"nonsense\r\n\r\n",
    "waiting-for-leave": encode_request(
        OPENAI.path, body=b"", headers={"expect": "100-continue", "content-length": "9"}
    ),
}


@leavings
@pytest.mark.parametrize("behind", BEHIND.values(), ids=list(BEHIND))
def test_a_client_that_leaves_ends_its_call_whatever_it_sent_behind(
    house: House, leave: Callable[[Wire], None], behind: bytes
):
    model = house.model()
    house.spoil(model, kind=FaultKind.STALL_BEFORE)
    aborts = house.gateway.metrics()["headrace_client_aborts_total"]
    with connect(house.gateway.url) as wire:
        wire.send(encode_request(OPENAI.path, OPENAI.document(model)))
        eventually(lambda: house.calls(model) == 1)
        wire.send(behind)
        assert house.gateway.left_behind()["upstream_active"] == 1
        leave(wire)
        house.gateway.wait_until_quiet()
    assert house.gateway.metrics()["headrace_client_aborts_total"] == aborts + 1


@speeches
def test_leave_to_send_a_body_comes_when_it_is_its_turn(house: House, speech: Speech):
    first = speech.document(house.model(speech.lane("slow")))
    second = speech.document(house.model(speech.lane("sim")))
    request = encode_request(speech.path, second, headers={"expect": "100-continue"})
    head, mark, body = request.partition(b"\r\n\r\n")
    with connect(house.gateway.url) as wire:
        wire.send(encode_request(speech.path, first) + HEALTH + head + mark)
        assert [wire.response().status for _ in range(2)] == [200, 200]
        assert wire.read_until(mark) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(body)
        assert wire.response().json()["model"] == second["model"].partition("/")[2]


def test_who_speaks_http_1_0_is_not_given_leave(house: House):
    request = encode_request(
        OPENAI.path,
        OPENAI.document(house.model()),
        headers={"expect": "100-continue"},
        version="1.0",
    )
    head, mark, body = request.partition(b"\r\n\r\n")
    with connect(house.gateway.url) as wire:
        wire.send(head + mark)
        wire.send(body)
        assert wire.read_until(mark).startswith(b"HTTP/1.1 200 ")


@speeches
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "wrong",
    [
        b"nonsense\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        pytest.param(b"\x16\x03\x01", marks=pytest.mark.heavy),
        pytest.param(b"\x00", marks=pytest.mark.heavy),
        pytest.param(b"GET / HTTP/1.1\r\nhost : x\r\n\r\n", marks=pytest.mark.heavy),
    ],
    ids=repr,
)
def test_what_is_good_is_answered_and_then_what_is_wrong(
    house: House, speech: Speech, stream: bool, wrong: bytes
):
    document = speech.document(house.model(speech.lane("trickle")), stream=stream)
    for _ in ("miss", "hit"):
        with connect(house.gateway.url) as wire:
            wire.send(encode_request(speech.path, document) + wrong)
            good = wire.response()
            assert (good.status, good.is_whole) == (200, True)
            refused = wire.response()
            assert (refused.status, refused.headers["connection"]) == (400, "close")
            assert wire.is_ended
