"""Responses of a gateway whose provider, store or client is not what it should be."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import ROOT, Document, Gateway
from tests.support.postgres import PostgresServer
from tests.support.provider import ScriptedProvider, scripted, sized, streamed
from tests.support.replies import DONE, completion, delta
from tests.support.response_events import check_event
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.sim.thread import ThreadedSim

PATH = "/v1/responses"


@pytest.fixture(scope="module")
def shared_provider() -> Iterator[ScriptedProvider]:
    with scripted() as provider:
        yield provider


@pytest.fixture
def provider(shared_provider: ScriptedProvider) -> ScriptedProvider:
    """Closes each connection after its answer."""
    shared_provider.closes = True
    shared_provider.answers = [sized(completion("fine"))]
    shared_provider.bodies.clear()
    return shared_provider


@pytest.fixture(scope="module")
def gateway(
    shared_provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("talk")
    made = settings(shared_provider.url, data_dir=str(folder / "data"))
    with Gateway(folder, made) as served:
        yield served


def settings(url: str, **more: Any) -> Document:
    return {
        "providers": {
            "local": {"dialect": "openai", "base_url": f"{url}/v1", "retry": {"tries_max": 1}}
        },
        "models": {"fast": {"targets": ["local/m"]}},
        "cache": {"enabled": False},
        **more,
    }


def asked(text: Any = "hello", **fields: Any) -> Document:
    return {"model": "fast", "input": text, **fields}


def lines(gateway: Gateway) -> list[Document]:
    """What the log says of requests for responses."""
    return [line for line in gateway.requests() if line["route"] == "responses"]


def good(response: Response) -> Response | None:
    return response if response.status == 200 else None


def events(body: bytes) -> list[Document]:
    """The events of a stream, which are named as they say."""
    found = []
    for block in body.decode().strip().split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


def test_a_provider_that_breaks_off_ends_the_stream_with_a_failure(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    provider.answers = [streamed(delta("half an"), ends=False)]
    response = gateway.post(PATH, asked(stream=True))
    assert response.is_whole, "the failure is told within the stream"
    *_, last = events(response.body)
    assert last["type"] == "response.failed"
    failed = last["response"]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "server_error")
    assert failed["output"][0]["content"][0]["text"] == "half an"
    assert gateway.get(f"{PATH}/{failed['id']}").status == 404, "what fails is not kept"
    assert eventually(lambda: [line for line in lines(gateway) if line.get("error")])


def test_an_error_in_the_middle_of_a_stream_is_a_failure(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    error = b'data: {"error": {"message": "out of memory"}}\n\n'
    provider.answers = [streamed(delta("half"), error, DONE)]
    *_, last = events(gateway.post(PATH, asked(stream=True)).body)
    assert last["type"] == "response.failed"
    assert "out of memory" in last["response"]["error"]["message"]


@pytest.mark.heavy
def test_a_deadline_that_passes_in_the_middle_is_a_failure(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    provider.closes = False  # and nothing more comes
    provider.answers = [streamed(delta("half an"), ends=False)]
    headers = {"x-headrace-deadline-ms": "3000"}
    response = gateway.post(PATH, asked(stream=True), headers=headers)
    assert (response.status, response.is_whole) == (200, True)
    told = events(response.body)
    for event in told:
        check_event(event)
    assert told[-1]["type"] == "response.failed"
    failed = told[-1]["response"]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "server_error")
    assert "deadline" in failed["error"]["message"]
    assert failed["output"][0]["content"][0]["text"] == "half an"
    assert gateway.get(f"{PATH}/{failed['id']}").status == 404, "what fails is not kept"
    assert eventually(
        lambda: [line for line in lines(gateway) if line.get("error") == "deadline_exceeded"]
    )


@pytest.mark.parametrize("streams", [False, True])
def test_what_is_no_chat_is_told_as_broken(
    gateway: Gateway, provider: ScriptedProvider, streams: bool
) -> None:
    provider.answers = [sized(b'{"pong": true}')]
    response = gateway.post(PATH, asked(stream=streams))
    if streams:  # no event of it is an answer, and nothing says that it is over
        assert response.status in (200, 502)
    else:
        assert response.status == 502
        assert "not a chat completion" in response.json()["error"]["message"]


def test_a_whole_answer_to_a_stream_is_told_by_events(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    response = gateway.post(PATH, asked(stream=True))
    assert response.headers["content-type"].startswith("text/event-stream")
    told = events(response.body)
    assert told[-1]["type"] == "response.completed"
    assert told[-1]["response"]["output"][0]["content"][0]["text"] == "fine"


def test_what_a_provider_refuses_is_passed_on(gateway: Gateway, provider: ScriptedProvider) -> None:
    body = b'{"error": {"message": "too hot", "code": "hot"}}'
    provider.answers = [sized(body, "400 Bad Request")]
    response = gateway.post(PATH, asked())
    assert (response.status, response.body) == (400, body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"[]", "invalid_json"),
        (b'{"model": "fast", "input": "\\ud800"}', "invalid_json"),
        (b'{"model": "fast", "input": "a", "input": "b"}', "invalid_json"),
        (b'{"model": "fast", "input": ' + b"[" * 5000 + b"]" * 5000 + b"}", "invalid_json"),
        (b'{"model": "fast", "messages": []}', "unsupported_parameter"),
        (b'{"model": "nobody", "input": "x"}', "model_not_found"),
    ],
)
def test_bad_bodies(gateway: Gateway, body: bytes, code: str) -> None:
    response = gateway.post(PATH, body=body)
    assert response.json()["error"]["code"] == code
    assert 400 <= response.status < 500


def test_a_body_of_a_chat_is_never_taken_for_a_response(sim: ThreadedSim, tmp_path: Path) -> None:
    made = settings(sim.url, cache={"enabled": True}, data_dir=str(tmp_path / "data"))
    with Gateway(tmp_path, made) as gateway:
        body = json.dumps(
            {"model": "fast", "messages": [{"role": "user", "content": "x"}]},
            separators=(",", ":"),
        ).encode()
        gateway.post(PATH, asked("x", store=False))
        for _ in range(2):  # the response before was made of these very bytes
            assert gateway.post(PATH, body=body).status == 400
            assert gateway.post("/v1/chat/completions", body=body).status == 200
        assert gateway.post("/v1/chat/completions", body=body).headers["x-headrace-cache"] == "l1"


def test_ten_megabytes_of_input(gateway: Gateway, provider: ScriptedProvider) -> None:
    text = "water " * 1_800_000
    first = gateway.post(PATH, asked(text))
    assert first.status == 200
    assert len(provider.bodies[-1]) > len(text)
    again = gateway.post(PATH, asked("x", previous_response_id=first.json()["id"]))
    assert again.status == 400
    assert again.json()["error"]["code"] == "conversation_too_long"
    assert gateway.post(PATH, asked("x" * (40 << 20))).status == 413


def test_a_client_that_leaves_leaves_nothing_behind(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    provider.answers = [streamed(*[delta(f"piece {n} ") for n in range(50)], ends=False)]
    provider.closes = False  # nor does it ever end
    with connect(gateway.url) as wire:
        wire.send(encode_request(PATH, asked("leave", stream=True)))
        wire.read_until(b"piece 3 ")
        wire.reset()
    gateway.wait_until_quiet()
    assert eventually(lambda: [line for line in lines(gateway) if line["error"] == "client_gone"])


@pytest.mark.heavy
def test_a_store_that_is_away(
    provider: ScriptedProvider, tmp_path: Path, server: PostgresServer, own_url: str
) -> None:
    made = settings(provider.url, store={"url": own_url}, data_dir=str(tmp_path / "data"))
    provider.closes = False
    with Gateway(tmp_path / "g", made) as gateway:
        # By then it has seen that the store has no keys.
        kept = eventually(lambda: good(gateway.post(PATH, asked()))).json()
        assert kept["store"] is True
        server.kill()
        response = gateway.post(PATH, asked())
        assert response.status == 200
        assert response.json()["store"] is False
        assert response.headers["x-headrace-stored"] == "false"
        *_, last = events(gateway.post(PATH, asked(stream=True)).body)
        assert last["response"]["store"] is False
        refused = gateway.post(PATH, asked(previous_response_id=kept["id"]))
        assert (refused.status, refused.json()["error"]["code"]) == (503, "store_unavailable")
        assert refused.headers["retry-after"] == "2"
        looked = gateway.get(f"{PATH}/{kept['id']}")
        assert (looked.status, looked.json()["error"]["code"]) == (503, "store_unavailable")
        assert own_url.rpartition("/")[2] not in looked.body.decode()
        assert "x-headrace-stored" not in gateway.post(PATH, asked(store=False)).headers
        gateway.write_settings({**made, "conversations": {"required": True}})
        assert gateway.reload()["event"] == "reloaded"
        assert gateway.post(PATH, asked()).status == 503
        assert gateway.post(PATH, asked(stream=True)).status == 503
        provider.answers = [streamed(delta("fine", "stop"), DONE)]
        *_, last = events(gateway.post(PATH, asked(stream=True)).body)
        assert last["type"] == "response.failed"
        provider.answers = [sized(completion("fine"))]
        assert gateway.post(PATH, asked(store=False)).status == 200
        server.start()
        eventually(lambda: gateway.post(PATH, asked()).status == 200)
        again = gateway.post(PATH, asked(previous_response_id=kept["id"]))
        assert again.status == 200


def test_what_one_worker_keeps_another_goes_on_from(
    provider: ScriptedProvider, tmp_path: Path
) -> None:
    made = settings(provider.url, listen={"workers": 2}, data_dir=str(tmp_path / "data"))
    provider.closes = False
    with Gateway(tmp_path / "g", made) as gateway:
        previous = gateway.post(PATH, asked("0")).json()["id"]
        for number in range(1, 20):  # each on a connection of its own, to either worker
            response = gateway.post(PATH, asked(f"{number}", previous_response_id=previous))
            assert response.status == 200, response.body
            previous = response.json()["id"]
    said = [message["content"] for message in json.loads(provider.bodies[-1])["messages"]]
    assert said[::2] == [str(number) for number in range(20)]


def test_a_turn_off_is_a_turn_off(provider: ScriptedProvider, tmp_path: Path) -> None:
    made = settings(provider.url, conversations={"enabled": False}, data_dir=str(tmp_path / "d"))
    with Gateway(tmp_path / "g", made) as gateway:
        response = gateway.post(PATH, asked()).json()
        assert response["store"] is False
        for fields in ({"previous_response_id": response["id"]}, {"conversation": "conv_1"}):
            refused = gateway.post(PATH, asked(**fields))
            assert refused.json()["error"]["code"] == "conversations_off"
        assert gateway.post("/v1/conversations", {}).status == 400


def test_the_examples_of_the_page_run_as_they_are_written(sim: ThreadedSim, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "conversations.md").read_text("utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == page.count("```python") == 2
    with Gateway(tmp_path, settings(sim.url, data_dir=str(tmp_path / "data"))) as gateway:
        script = "\n".join(examples).replace("http://127.0.0.1:8080", gateway.url)
        assert gateway.url in script
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip()
        listed = gateway.get("/v1/conversations").json()
        assert [each["metadata"] for each in listed["data"]] == [{"topic": "water"}]


def test_requests_are_counted_and_logged_by_their_route(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    before = gateway.metrics().get(
        'headrace_requests_total{route="responses",status="200",cache="bypass"}', 0.0
    )
    name = gateway.post(PATH, asked("count me")).headers["x-request-id"]
    gateway.wait_until_quiet()
    (line,) = eventually(lambda: [ln for ln in lines(gateway) if ln["request_id"] == name])
    assert (line["provider"], line["status"]) == ("local", 200)
    after = gateway.metrics()
    assert (
        after['headrace_requests_total{route="responses",status="200",cache="bypass"}']
        == before + 1
    )
