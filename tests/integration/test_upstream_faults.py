"""Whatever a provider does wrong, the caller is told in its dialect and nothing is left behind."""

import gzip

import pytest
from tests.support.house import ANTHROPIC, OPENAI, SPEECHES, House, Speech
from tests.support.wire import Response

from headrace.sim.faults import FaultKind

speeches = pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])

CODE_BY_KIND = {
    FaultKind.RESET_BEFORE: (502, "upstream_reset"),
    FaultKind.GARBAGE: (502, "upstream_garbage"),
    FaultKind.STALL_BEFORE: (504, "upstream_timeout_first_byte"),
}


def assert_told(speech: Speech, response: Response, status: int, code: str) -> None:
    assert response.status == status, response
    assert response.is_whole
    error = response.error
    assert error["message"]
    if speech is OPENAI:
        assert error["code"] == code


def assert_broken_off(speech: Speech, response: Response) -> None:
    """The stream tells of an error and is never ended as a good one is."""
    assert response.status == 200
    assert speech.is_error_event(response.events[-1]), response.events
    assert not any(speech.final in event for event in response.events)
    assert not response.is_whole


def assert_good_next(house: House, speech: Speech, document: dict[str, object]) -> None:
    """Once the provider is well the same request works: the failure was not kept."""
    house.mend()
    response = house.ask(speech, document)
    assert (response.status, response.cache) == (200, "miss"), response


@speeches
@both
@pytest.mark.parametrize("kind", CODE_BY_KIND, ids=str)
def test_no_answer_at_all(house: House, speech: Speech, stream: bool, kind: FaultKind):
    lane = "impatient" if kind is FaultKind.STALL_BEFORE else "sim"
    model = house.model(speech.lane(lane))
    document = speech.document(model, stream=stream)
    house.spoil(model, kind=kind, times=None)  # a used connection is tried twice
    status, code = CODE_BY_KIND[kind]
    assert_told(speech, house.ask(speech, document), status, code)
    assert_good_next(house, speech, document)


@speeches
@both
def test_refused_connection(house: House, speech: Speech, stream: bool):
    model = house.model(speech.lane("refused"))
    response = house.ask(speech, speech.document(model, stream=stream))
    assert_told(speech, response, 502, "upstream_connect")
    assert response.headers["x-headrace-attempts"] == "1"


@speeches
@pytest.mark.parametrize("chunks", [0, 1, 5])
@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.RESET_MID, FaultKind.END_EARLY], ids=str)
def test_stream_that_breaks_off(house: House, speech: Speech, kind: FaultKind, chunks: int):
    model = house.model(speech.lane("sim"))
    document = speech.document(model, stream=True)
    house.spoil(model, kind=kind, after_chunks=chunks)
    assert_broken_off(speech, house.ask(speech, document))
    assert_good_next(house, speech, document)


@speeches
def test_stream_that_stalls_in_the_middle(house: House, speech: Speech):
    model = house.model(speech.lane("impatient"))
    document = speech.document(model, stream=True)
    house.spoil(model, kind=FaultKind.STALL_MID, after_chunks=3)
    assert_broken_off(speech, house.ask(speech, document))
    assert_good_next(house, speech, document)


@speeches
@both
def test_answer_that_takes_too_long_altogether(house: House, speech: Speech, stream: bool):
    model = house.model(speech.lane("hasty"))
    document = speech.document(model, stream=stream)
    house.spoil(model, kind=FaultKind.STALL_MID, after_chunks=3)
    response = house.ask(speech, document)
    if stream:
        assert_broken_off(speech, response)
    else:
        assert_told(speech, response, 504, "upstream_timeout_total")
    assert_good_next(house, speech, document)


@speeches
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FaultKind.CUT, "upstream_cut"),
        (FaultKind.RESET_MID, "upstream_cut"),
        (FaultKind.END_EARLY, "upstream_garbage"),
        (FaultKind.MALFORMED, "upstream_garbage"),
    ],
    ids=str,
)
def test_whole_answer_that_breaks_off(house: House, speech: Speech, kind: FaultKind, code: str):
    model = house.model(speech.lane("sim"))
    document = speech.document(model)
    house.spoil(model, kind=kind)
    assert_told(speech, house.ask(speech, document), 502, code)
    assert_good_next(house, speech, document)


@speeches
def test_whole_answer_that_stalls_in_the_middle(house: House, speech: Speech):
    model = house.model(speech.lane("impatient"))
    document = speech.document(model)
    house.spoil(model, kind=FaultKind.STALL_MID)
    assert_told(speech, house.ask(speech, document), 504, "upstream_timeout_idle")
    assert_good_next(house, speech, document)


@speeches
@both
@pytest.mark.parametrize("status", [400, 401, 404, 408, 429, 500, 503, 529])
def test_errors_of_the_provider_are_passed_on(
    house: House, speech: Speech, stream: bool, status: int
):
    model = house.model(speech.lane("sim"))
    document = speech.document(model, stream=stream)
    body = '{"error":{"message":"as the provider says it"}}'
    # The finer one is what counts, or each next request would wait for seven seconds.
    headers = {
        "retry-after": "7",
        "retry-after-ms": "20",
        "x-ratelimit-reset-requests": "9s",
    }
    house.spoil(model, kind=FaultKind.STATUS, status=status, headers=headers, body=body)
    response = house.ask(speech, document)
    assert (response.status, response.body.decode()) == (status, body)
    assert response.headers["retry-after"] == "7"
    assert response.headers["x-ratelimit-reset-requests"] == "9s"
    assert_good_next(house, speech, document)


@speeches
@both
def test_stale_kept_alive_connection_is_replaced_once(house: House, speech: Speech, stream: bool):
    lane = speech.lane("sim")
    first = house.ask(speech, speech.document(house.model(lane)))
    assert first.status == 200  # leaves a connection that was used
    model = house.model(lane)
    house.spoil(model, kind=FaultKind.STALE)
    response = house.ask(speech, speech.document(model, stream=stream))
    assert response.status == 200
    assert response.is_whole
    assert response.headers["x-headrace-attempts"] == "2"
    assert house.calls(model) == 2


def test_stale_connection_is_replaced_only_once(house: House):
    first = house.ask(OPENAI, OPENAI.document(house.model()))
    assert first.status == 200
    model = house.model()
    house.spoil(model, kind=FaultKind.RESET_BEFORE, times=2)
    response = house.ask(OPENAI, OPENAI.document(model))
    assert_told(OPENAI, response, 502, "upstream_reset")
    assert response.headers["x-headrace-attempts"] == "2"
    assert response.headers["x-should-retry"] == "false"
    assert house.calls(model) == 2


@speeches
def test_whole_answer_in_gzip_is_passed_on_but_not_kept(house: House, speech: Speech):
    model = house.model(speech.lane("sim"))
    document = speech.document(model)
    house.spoil(model, kind=FaultKind.GZIP)
    response = house.ask(speech, document)
    assert response.status == 200
    assert response.headers["content-encoding"] == "gzip"
    assert b'"id"' in gzip.decompress(response.body)
    assert_good_next(house, speech, document)


@speeches
def test_stream_in_gzip_is_passed_on_but_not_kept(house: House, speech: Speech):
    model = house.model(speech.lane("sim"))
    document = speech.document(model, stream=True)
    house.spoil(model, kind=FaultKind.GZIP)
    response = house.ask(speech, document)
    assert response.is_whole
    assert speech.final.encode() in gzip.decompress(response.body)
    assert_good_next(house, speech, document)


@speeches
def test_broken_event_in_a_stream_that_ends_is_passed_on_but_not_kept(house: House, speech: Speech):
    model = house.model(speech.lane("sim"))
    document = speech.document(model, stream=True)
    house.spoil(model, kind=FaultKind.MALFORMED, after_chunks=2)
    response = house.ask(speech, document)
    assert response.is_whole
    assert speech.final in response.events[-1]
    assert_good_next(house, speech, document)


def test_failures_show_in_the_metrics(house: House):
    def failed(kind: str) -> float:
        name = f'headrace_upstream_errors_total{{provider="claude-sim",kind="{kind}"}}'
        return house.gateway.metrics().get(name, 0.0)

    for kind, fault in (("cut", FaultKind.CUT), ("garbage", FaultKind.GARBAGE)):
        before = failed(kind)
        model = house.model("claude-sim")
        house.spoil(model, kind=fault)
        assert house.ask(ANTHROPIC, ANTHROPIC.document(model)).status == 502
        assert failed(kind) == before + 1
