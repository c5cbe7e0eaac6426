"""What fails is tried again, here or at the next target, as long as nothing of it was passed on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI, SPEECHES, House, Speech, free_port
from tests.support.wire import Response

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

speeches = pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def assert_good(response: Response, attempts: int) -> None:
    assert response.status == 200, response
    assert response.is_whole
    assert response.headers["x-headrace-attempts"] == str(attempts)


@speeches
@both
@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_statuses_that_are_tried_again(house: House, speech: Speech, stream: bool, status: int):
    model = house.model(speech.lane("stubborn"))
    house.spoil(model, kind=FaultKind.STATUS, status=status, times=2)
    response = house.ask(speech, speech.document(model, stream=stream))
    assert_good(response, 3)
    assert house.calls(model) == 3
    assert house.ask(speech, speech.document(model, stream=stream)).cache == "l1"


@speeches
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_statuses_that_are_not(house: House, speech: Speech, status: int):
    model = house.model(speech.lane("stubborn"))
    house.spoil(model, kind=FaultKind.STATUS, status=status, times=2)
    response = house.ask(speech, speech.document(model))
    assert (response.status, response.headers["x-headrace-attempts"]) == (status, "1")


@speeches
@both
@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.GARBAGE], ids=str)
def test_broken_connections(house: House, speech: Speech, stream: bool, kind: FaultKind):
    model = house.model(speech.lane("stubborn"))
    house.spoil(model, kind=kind, times=2)
    response = house.ask(speech, speech.document(model, stream=stream))
    if kind is FaultKind.GARBAGE:  # the same place would say the same again
        assert response.status == 502
    else:
        assert_good(response, 3)


@speeches
@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.RESET_MID], ids=str)
def test_whole_answers_that_break_off_are_asked_for_again(
    house: House, speech: Speech, kind: FaultKind
):
    model = house.model(speech.lane("stubborn"))
    house.spoil(model, kind=kind)
    response = house.ask(speech, speech.document(model))
    assert_good(response, 2)


@speeches
def test_streams_that_have_begun_are_not(house: House, speech: Speech):
    model = house.model(speech.lane("stubborn"))
    house.spoil(model, kind=FaultKind.CUT, after_chunks=2)
    response = house.ask(speech, speech.document(model, stream=True))
    assert not response.is_whole
    assert house.calls(model) == 1


@speeches
def test_when_every_try_fails_the_last_answer_is_given(house: House, speech: Speech):
    model = house.model(speech.lane("stubborn"))
    house.spoil(model, kind=FaultKind.STATUS, status=503, times=None)
    response = house.ask(speech, speech.document(model))
    assert (response.status, response.headers["x-headrace-attempts"]) == (503, "3")
    assert response.headers["x-should-retry"] == "false"
    house.mend()


class Twins:
    """A gateway with a model that two providers serve, the first of them with faults."""

    def __init__(self, folder: Path, first: str, second: ThreadedSim, **settings: object) -> None:
        provider = {"dialect": "openai", "retry": {"tries_max": 1}, "warm_connections": 0}
        self.gateway = Gateway(
            folder,
            {
                "providers": {
                    "one": {**provider, **settings, "base_url": f"{first}/v1"},
                    "two": {**provider, "base_url": f"{second.url}/v1"},
                },
                "models": {"smart": {"targets": ["one/small", "two/large"]}},
            },
        )


@pytest.fixture(scope="module")
def second() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


def test_the_next_target_is_asked_where_one_fails(
    tmp_path: Path, sim: ThreadedSim, second: ThreadedSim
):
    house = Twins(tmp_path, sim.url, second)
    with house.gateway as gateway:
        sim.script(Fault(model="small", kind=FaultKind.STATUS, status=500, times=None))
        whole = gateway.post(OPENAI.path, OPENAI.document("smart"))
        assert_good(whole, 2)
        assert whole.headers["x-headrace-provider"] == "two"
        answers = "headrace_upstream_requests_total"
        metrics = gateway.metrics()
        assert metrics[f'{answers}{{provider="one",status_class="5xx"}}'] == 1
        assert metrics[f'{answers}{{provider="two",status_class="2xx"}}'] == 1
        assert whole.headers["x-headrace-model"] == "large"
        assert gateway.post(OPENAI.path, OPENAI.document("smart")).cache == "l1"
        sim.script()


def test_a_target_that_is_down_is_left_alone_after_a_while(tmp_path: Path, second: ThreadedSim):
    down = f"http://127.0.0.1:{free_port()}"
    house = Twins(tmp_path, down, second, breaker={"calls_min": 5, "open_s": 60})
    with house.gateway as gateway:
        attempts = []
        for number in range(10):
            response = gateway.post(OPENAI.path, OPENAI.document("smart", seed=number))
            assert response.status == 200
            attempts.append(response.headers["x-headrace-attempts"])
        assert attempts == ["2"] * 5 + ["1"] * 5
        metrics = gateway.metrics()
        assert metrics['headrace_circuit_openings_total{provider="one"}'] == 1
        assert metrics['headrace_circuits_open{provider="one"}'] == 1


def test_where_every_target_is_left_alone_callers_are_told_when_to_come_back(tmp_path: Path):
    down = f"http://127.0.0.1:{free_port()}"
    settings = {
        "providers": {
            "one": {
                "dialect": "openai",
                "base_url": f"{down}/v1",
                "warm_connections": 0,
                "retry": {"tries_max": 1},
                "breaker": {"calls_min": 3, "open_s": 60},
            }
        }
    }
    with Gateway(tmp_path, settings) as gateway:
        answers = [
            gateway.post(OPENAI.path, OPENAI.document("one/m", seed=number)) for number in range(4)
        ]
    assert [answer.status for answer in answers] == [502, 502, 502, 503]
    assert answers[-1].error["code"] == "circuit_open"
    assert 40 <= int(answers[-1].headers["retry-after"]) <= 60
