"""What is sent in place of what came, by steps that the settings turn on; here: marks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI
from tests.support.provider import ScriptedProvider, scripted, sized
from tests.support.replies import completion
from tests.support.waiting import eventually
from tests.support.wire import Response

SYSTEM = "You keep the locks of a canal. " * 400  # far more than any minimum
TALK = {"messages": [{"role": "user", "content": "When is the gate opened?"}], "max_tokens": 50}
REFUSED = sized(b'{"error": {"message": "cache_control: unknown field"}}', status="400 Bad Request")


@pytest.fixture(scope="module")
def shared() -> Iterator[ScriptedProvider]:
    with scripted() as provider:
        yield provider


@pytest.fixture
def provider(shared: ScriptedProvider) -> ScriptedProvider:
    shared.answers, shared.heads, shared.bodies = [], [], []
    shared.closes = False
    return shared


@pytest.fixture(scope="module")
def gateway(
    shared: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    def place(dialect: str) -> dict[str, Any]:
        usual = {"warm_connections": 0, "retry": {"tries_max": 1}}
        return {"dialect": dialect, "base_url": shared.url + "/v1", **usual}

    settings = {
        "providers": {
            "marked": place("anthropic"),
            "plain": place("anthropic"),
            "chat": place("openai"),
        },
        "models": {"both": {"targets": ["marked/a", "plain/b"]}},
        "prompt": {"marks": {"enabled": True, "ttl": "5m", "providers": ["marked", "chat"]}},
    }
    with Gateway(tmp_path_factory.mktemp("shaping"), settings) as gateway:
        yield gateway


def message(text: str = "At noon.") -> bytes:
    return sized(
        json.dumps(
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 9, "output_tokens": 3},
            }
        ).encode()
    )


def ask(gateway: Gateway, model: str, system: str = SYSTEM, **fields: Any) -> Response:
    document = ANTHROPIC.document(model, system=system, **{**TALK, **fields})
    return gateway.post(ANTHROPIC.path, document)


def sent(provider: ScriptedProvider) -> list[dict[str, Any]]:
    return [json.loads(body) for body in provider.bodies]


def test_marks_are_sent_and_told(gateway: Gateway, provider: ScriptedProvider) -> None:
    provider.answers = [message()]
    response = ask(gateway, "marked/a")
    assert (response.status, response.cache) == (200, "miss")
    (body,) = sent(provider)
    assert body["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert "".join(block["text"] for block in body["system"]) == SYSTEM
    assert "system=5m" in response.headers["x-headrace-marked"]
    assert "shape;dur=" in response.headers["server-timing"]
    line = eventually(lambda: (gateway.requests() or [None])[-1])
    assert line["remarks"] == {"marked": response.headers["x-headrace-marked"]}
    assert gateway.metrics()['headrace_prompts_shaped_total{step="marked"}'] >= 1


def test_stored_answers_are_found_by_what_came(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    provider.answers = [message()]
    system = SYSTEM + "It is noon."
    assert ask(gateway, "marked/a", system).cache == "miss"
    again = ask(gateway, "marked/a", system)
    assert again.cache == "l1"
    assert "x-headrace-marked" not in again.headers
    assert len(provider.bodies) == 1


def test_who_takes_no_marks_gets_what_came(gateway: Gateway, provider: ScriptedProvider) -> None:
    provider.answers = [message()]
    response = ask(gateway, "plain/a")
    (body,) = sent(provider)
    assert body["system"] == SYSTEM
    assert "x-headrace-marked" not in response.headers


def test_the_next_target_gets_its_own_wording(gateway: Gateway, provider: ScriptedProvider) -> None:
    provider.answers = [sized(b"{}", status="503 No"), message()]
    assert ask(gateway, "both", SYSTEM + "Twice.").status == 200
    first, second = sent(provider)
    assert (first["model"], type(first["system"])) == ("a", list)
    assert (second["model"], second["system"]) == ("b", SYSTEM + "Twice.")


def test_what_a_provider_refuses_is_sent_as_it_came(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    provider.answers = [REFUSED, message()]
    response = ask(gateway, "marked/a", SYSTEM + "Once.")
    assert response.status == 200
    assert response.headers["x-headrace-attempts"] == "2"
    first, second = sent(provider)
    assert type(first["system"]) is list
    assert second["system"] == SYSTEM + "Once."


def test_what_is_refused_as_it_came_is_refused(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    provider.answers = [REFUSED, REFUSED]
    assert ask(gateway, "marked/a", SYSTEM + "Never.").status == 400
    assert len(provider.bodies) == 2


def test_small_prompts_are_shaped_too_and_numbers_keep_their_spelling(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    provider.answers = [sized(completion("At noon."))]
    body = b'{"model":"chat/m","temperature":1.0,"seed":12345678901234567890123,"messages":[%s]}'
    said = b'{"role":"user","content":"When? \\u00e9"}'
    response = gateway.post(OPENAI.path, body=body % said)
    assert response.status == 200
    (request,) = provider.bodies
    (document,) = sent(provider)
    assert document["prompt_cache_key"].startswith("headrace-")
    assert b'"seed":12345678901234567890123' in request
    assert b'"temperature":1.0' in request


def test_marks_go_with_a_reload(tmp_path: Path, provider: ScriptedProvider) -> None:
    place = {"dialect": "anthropic", "base_url": provider.url + "/v1", "warm_connections": 0}
    settings: dict[str, Any] = {"providers": {"marked": place}}
    marks = {"prompt": {"marks": {"enabled": True, "ttl": "5m", "providers": ["marked"]}}}
    provider.answers = [message(), message(), message()]
    with Gateway(tmp_path, settings) as gateway:
        for number, written in enumerate((settings, settings | marks, settings)):
            gateway.write_settings(written)
            gateway.reload()
            assert ask(gateway, "marked/a", f"{SYSTEM} {number}").status == 200
    assert [type(body["system"]) for body in sent(provider)] == [str, list, str]
