"""`GET /v1/models` over HTTP: one question to the provider for many callers, and no empty lies."""

import contextlib
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.house import SPEECHES, Speech, free_port, lanes
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import running

MANY = 10
VERSION = {"openai": {}, "anthropic": {"anthropic-version": "2023-06-01"}}
speeches = pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)


def good(response: Response) -> Response | None:
    return response if response.status == 200 else None


@speeches
def test_many_callers_are_one_call(tmp_path: Path, speech: Speech):
    with running(SimOptions()) as sim:
        provider = lanes(sim.url)[speech.lane("sim")]
        sim.script(Fault(kind=FaultKind.SLOW, path="/v1/models", delay_ms=300, times=None))
        with Gateway(tmp_path, {"providers": {"p": provider}}) as gateway:
            request = encode_request("/v1/models", headers=VERSION[speech.name])
            with contextlib.ExitStack() as stack:
                wires = [stack.enter_context(connect(gateway.url)) for _ in range(MANY)]
                for wire in wires:
                    wire.send(request)
                responses = [wire.response() for wire in wires]
            gateway.wait_until_quiet()
        assert {response.status for response in responses} == {200}
        assert all(response.json()["data"] for response in responses)
        assert sum(sim.stats().requests["/v1/models"].values()) == 1


@pytest.mark.heavy
@speeches
def test_no_provider_can_say(tmp_path: Path, speech: Speech):
    port = free_port()
    provider = lanes(f"http://127.0.0.1:{port}")[speech.lane("sim")]
    request = {"headers": VERSION[speech.name]}
    with Gateway(tmp_path, {"providers": {"p": provider}}) as gateway:
        for path in ("/v1/models", "/v1/models/one"):
            response = gateway.get(path, **request)
            assert response.status == 502
            assert "Provider 'p' could not be reached" in response.error["message"]
            assert response.error["code"] == "models_unavailable"
        with running(SimOptions(port=port)):
            found = eventually(lambda: good(gateway.get("/v1/models", **request)))
            assert found.json()["data"]
