"""Who of a model's targets is asked, after what failure the next, and what is told of it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI, free_port
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

NAMES = ("one", "two", "three")


@pytest.fixture(scope="module")
def sims() -> Iterator[dict[str, ThreadedSim]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(running(SimOptions())) for name in NAMES}


@pytest.fixture(autouse=True)
def mended(sims: dict[str, ThreadedSim]) -> None:
    for sim in sims.values():
        sim.reset()


def start(folder: Path, urls: dict[str, str], model: dict[str, Any], **provider: Any) -> Gateway:
    """A gateway with a model `smart`, and a provider for each URL that tries nothing twice."""
    usual = {"dialect": "openai", "retry": {"tries_max": 1}, "warm_connections": 0, **provider}
    providers = {name: {**usual, "base_url": f"{url}/v1"} for name, url in urls.items()}
    return Gateway(folder, {"providers": providers, "models": {"smart": model}})


def urls(sims: dict[str, ThreadedSim]) -> dict[str, str]:
    return {name: sim.url for name, sim in sims.items()}


def ask(gateway: Gateway, number: int = 0, **headers: str) -> Response:
    """A question that nobody asked before."""
    named = {f"x-headrace-{name}": value for name, value in headers.items()}
    return gateway.post(OPENAI.path, OPENAI.document("smart", seed=number), headers=named)


def who(response: Response) -> str:
    assert response.status == 200, response
    return response.headers["x-headrace-provider"]


def fail(sim: ThreadedSim, status: int, times: int | None = None) -> None:
    sim.script(Fault(kind=FaultKind.STATUS, status=status, times=times))


def last_line(gateway: Gateway, request: Response) -> dict[str, Any]:
    wanted = request.headers["x-request-id"]
    return eventually(
        lambda: next((each for each in gateway.requests() if each["request_id"] == wanted), None)
    )


@pytest.mark.parametrize(
    ("status", "leads_to"),
    [(401, "three"), (404, "three"), (413, "two"), (429, "two"), (400, None), (500, None)],
)
def test_failures_lead_where_the_settings_say(
    tmp_path: Path, sims: dict[str, ThreadedSim], status: int, leads_to: str | None
):
    targets = [
        "one/m",
        {"target": "two/m", "on": ["too_long", "rate_limited"]},
        {"target": "three/m", "on": ["denied"]},
    ]
    with start(tmp_path, urls(sims), {"targets": targets}) as gateway:
        fail(sims["one"], status)
        response = ask(gateway)
        if leads_to is None:
            assert response.status == status
            assert response.headers["x-headrace-provider"] == "one"
            assert response.headers["x-headrace-attempts"] == "1"
        else:
            assert who(response) == leads_to
            assert response.headers["x-headrace-attempts"] == "2"


TOO_LONG = (
    '{"error": {"message": "This model\'s maximum context length is 8192 tokens.", '
    '"type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}}'
)


def refuse(sim: ThreadedSim, body: str | None) -> None:
    headers = {"content-type": "application/json"}
    sim.script(Fault(kind=FaultKind.STATUS, status=400, body=body, headers=headers, times=None))


@pytest.mark.parametrize("stream", [False, True])
def test_a_400_for_a_prompt_that_is_too_long_leads_to_a_larger_model(
    tmp_path: Path, sims: dict[str, ThreadedSim], *, stream: bool
):
    targets = ["one/m", {"target": "two/m", "on": ["too_long"]}]
    with start(tmp_path, urls(sims), {"targets": targets}) as gateway:
        refuse(sims["one"], TOO_LONG)
        document = OPENAI.document("smart", seed=1, stream=stream)
        response = gateway.post(OPENAI.path, document)
        assert who(response) == "two"
        assert response.headers["x-headrace-attempts"] == "2"
        assert last_line(gateway, response)["tried"] == ["one/m: too_long"]
        assert b"maximum context" not in response.body
        # Each connection is as good as before: the same again, for another question.
        assert who(ask(gateway, 2)) == "two"
        sims["one"].reset()
        refuse(sims["one"], None)
        other = ask(gateway, 3)
        assert (other.status, other.headers["x-headrace-provider"]) == (400, "one")


def test_the_reason_of_a_400_is_awaited_before_a_target_is_chosen(
    tmp_path: Path, sims: dict[str, ThreadedSim]
):
    targets = [
        "one/m",
        {"target": "two/m", "on": ["refused"]},
        {"target": "three/m", "on": ["too_long"]},
    ]
    with start(tmp_path, urls(sims), {"targets": targets}) as gateway:
        refuse(sims["one"], TOO_LONG)
        assert who(ask(gateway, 1)) == "three"
        sims["one"].reset()
        refuse(sims["one"], None)
        assert who(ask(gateway, 2)) == "two"


def test_a_400_is_passed_on_where_nobody_else_takes_longer_prompts(
    tmp_path: Path, sims: dict[str, ThreadedSim]
):
    with start(tmp_path, urls(sims), {"targets": ["one/m", "two/m"]}) as gateway:
        refuse(sims["one"], TOO_LONG)
        response = ask(gateway)
        assert (response.status, response.headers["x-headrace-provider"]) == (400, "one")
        assert response.body == TOO_LONG.encode()


@pytest.mark.heavy
def test_log_tells_each_target_that_failed_and_how(tmp_path: Path, sims: dict[str, ThreadedSim]):
    places = {**urls(sims), "one": f"http://127.0.0.1:{free_port()}"}
    model = {"targets": ["one/a", "two/b", "three/c"]}
    with start(tmp_path, places, model, breaker={"row_max": 1, "open_s": 60}) as gateway:
        fail(sims["two"], 503, times=1)
        first = ask(gateway, 1)
        assert who(first) == "three"
        line = last_line(gateway, first)
        assert (line["provider"], line["attempts"]) == ("three", 3)
        assert line["tried"] == ["one/a: unreachable", "two/b: overloaded"]
        second = ask(gateway, 2)
        assert last_line(gateway, second)["tried"] == ["one/a: open", "two/b: open"]
        assert "tried" not in last_line(gateway, ask(gateway, 2))  # from memory


def test_what_fails_where_nobody_is_left_is_told_as_it_is(
    tmp_path: Path, sims: dict[str, ThreadedSim]
):
    """The last answer and its provider, though another one was left alone all the while."""
    model = {"targets": ["one/a", "two/b"]}
    with start(tmp_path, urls(sims), model, breaker={"row_max": 1, "open_s": 60}) as gateway:
        fail(sims["two"], 500)
        fail(sims["one"], 429)
        assert ask(gateway, 1).status == 500
        response = ask(gateway, 2)
        assert (response.status, response.headers["x-headrace-provider"]) == (429, "one")
        assert last_line(gateway, response)["tried"] == ["one/a: rate_limited", "two/b: open"]


def test_next_target_is_asked_where_every_connection_is_in_use(
    tmp_path: Path, sims: dict[str, ThreadedSim]
):
    """Whoever holds the only one is left alone, and gets its answer later."""
    few = {"connections_max": 1, "connect_timeout_s": 0.5}
    with start(tmp_path, urls(sims), {"targets": ["one/m", "two/m"]}, **few) as gateway:
        sims["one"].script(Fault(kind=FaultKind.STALL_BEFORE, path=OPENAI.path))
        with connect(gateway.url) as wire:
            wire.send(encode_request(OPENAI.path, OPENAI.document("smart", seed=1)))
            eventually(lambda: gateway.status()["upstream_calls"] == 1 or None)
            response = ask(gateway, 2)
        assert who(response) == "two"
        assert last_line(gateway, response)["tried"] == ["one/m: no_room"]


def test_who_has_no_other_target_is_told_that_every_connection_is_in_use(
    tmp_path: Path, sims: dict[str, ThreadedSim]
):
    few = {"connections_max": 1, "connect_timeout_s": 0.5}
    with start(tmp_path, urls(sims), {"targets": ["one/m"]}, **few) as gateway:
        sims["one"].script(Fault(kind=FaultKind.STALL_BEFORE, path=OPENAI.path))
        with connect(gateway.url) as wire:
            wire.send(encode_request(OPENAI.path, OPENAI.document("smart", seed=1)))
            eventually(lambda: gateway.status()["upstream_calls"] == 1 or None)
            response = ask(gateway, 2)
        assert response.status == 503
        assert response.json()["error"]["code"] == "pool_exhausted"
