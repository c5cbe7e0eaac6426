"""What is sent in place of what came, by steps that the settings turn on."""

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
    def place(dialect: str, marks: str = "on") -> dict[str, Any]:
        usual = {"warm_connections": 0, "retry": {"tries_max": 1}, "marks": marks}
        return {"dialect": dialect, "base_url": shared.url + "/v1", **usual}

    settings = {
        "providers": {
            "marked": place("anthropic"),
            "plain": place("anthropic", marks="auto"),
            "chat": place("openai"),
        },
        "models": {"both": {"targets": ["marked/a", "plain/b"]}},
        "prompt": {"marks": {"enabled": True, "ttl": "5m"}},
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
    name = response.headers["x-request-id"]
    (line,) = eventually(lambda: [ln for ln in gateway.requests() if ln["request_id"] == name])
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


def windowed(url: str, **more: Any) -> dict[str, Any]:
    place = {"dialect": "openai", "base_url": url + "/v1", "warm_connections": 0}
    limits = {"small/m": {"context": 2000}, "large/m": {"context": 64_000}}
    return {
        "providers": {name: {**place, "retry": {"tries_max": 1}} for name in ("small", "large")},
        "prompt": {"window": {"enabled": True, "limits": limits, "output_reserve": 100}},
        **more,
    }


def test_results_of_tools_are_compressed(tmp_path: Path, provider: ScriptedProvider) -> None:
    place = {"dialect": "openai", "base_url": provider.url + "/v1", "warm_connections": 0}
    settings = {"providers": {"chat": place}, "prompt": {"compress": {"level": "safe"}}}
    rows = json.dumps([{"id": number, "name": f"lock {number}"} for number in range(90)], indent=2)
    made = {"id": "c", "type": "function", "function": {"name": "locks", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "How many locks?   \n\n\n\nPlease."},
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "c", "content": rows},
    ]
    provider.answers = [sized(completion("90."))]
    with Gateway(tmp_path, settings) as gateway:
        document = OPENAI.document("chat/m", messages=messages)
        response = gateway.post(OPENAI.path, document)
        assert (response.status, response.cache) == (200, "miss")
        (body,) = sent(provider)
        assert body["messages"][1] == messages[1]
        assert body["messages"][2]["content"].startswith(
            "@rows1, 90 rows as CSV\nid,name\n0,lock 0"
        )
        before, after = map(int, response.headers["x-headrace-compressed"].split(">"))
        removed = gateway.metrics()['headrace_prompt_tokens_removed_total{step="compressed"}']
        assert removed == before - after > before / 2
        assert gateway.post(OPENAI.path, document).cache == "l1"


def talk(turns: int) -> list[dict[str, Any]]:
    """Turns of about 130 tokens each."""
    return [
        {"role": role, "content": f"{turn} " + "of water and of mills " * 24}
        for turn in range(turns)
        for role in ("user", "assistant")
    ][:-1]


def test_long_conversations_are_made_to_fit(tmp_path: Path, provider: ScriptedProvider) -> None:
    provider.answers = [sized(completion("Yes."))]
    with Gateway(tmp_path, windowed(provider.url)) as gateway:
        messages = talk(20)
        response = gateway.post(OPENAI.path, OPENAI.document("small/m", messages=messages))
        assert response.status == 200
        (body,) = sent(provider)
        assert body["messages"][0]["content"].startswith("0 ")
        assert body["messages"][-1] == messages[-1]
        assert len(body["messages"]) < len(messages)
        before, after = map(int, response.headers["x-headrace-fitted"].split(">"))
        assert after <= 1900 < before
        removed = gateway.metrics()['headrace_prompt_tokens_removed_total{step="fitted"}']
        assert removed == before - after


def test_what_was_left_out_is_summed_up_for_the_turns_that_follow(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    """By another model, in the background: no turn waits for it."""
    provider.answers = [sized(completion("Yes.")) for _ in range(9)]
    with scripted() as writer:
        writer.answers = [sized(completion("They spoke of mills.")) for _ in range(9)]
        settings = windowed(provider.url)
        settings["providers"]["writer"] = {
            **settings["providers"]["small"],
            "base_url": writer.url + "/v1",
        }
        settings["prompt"]["window"] |= {"summarizer": "writer/w", "summary_tokens": 100}
        settings["spend"] = {"enabled": True}
        with Gateway(tmp_path, settings) as gateway:

            def turn(number: int) -> Response:
                messages = [*talk(20), {"role": "assistant", "content": "So."}]
                messages += [{"role": "user", "content": f"And {number}?"}]
                return gateway.post(OPENAI.path, OPENAI.document("small/m", messages=messages))

            first = turn(0)
            assert first.status == 200
            assert "summary" not in first.headers["x-headrace-fitted"]
            counted = 'headrace_cache_calls_total{for="summary"}'
            eventually(lambda: gateway.metrics().get(counted))
            second = turn(1)
            booked = gateway.get("/admin/spend").json()
        by_cache = [each for each in booked["keys"] if each["name"] == "(cache)"]
        assert [(each["tenant"], each["today"]["calls"]) for each in by_cache] == [("default", 1)]
        assert second.headers["x-headrace-fitted"].endswith(", summary")
        plea = json.loads(writer.bodies[0])
    assert (plea["model"], plea["max_tokens"]) == ("w", 100)
    assert "mills" in plea["messages"][0]["content"]
    before, after = (body["messages"][0]["content"] for body in sent(provider))
    assert "They spoke of mills." in after
    assert "They spoke of mills." not in before


def test_what_cannot_fit_is_refused_unless_a_larger_model_is_there(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    """The small one is asked all the same: it may have more room than is known."""
    too_long = [{"role": "user", "content": "of water and of mills " * 2000}]
    chain = ["small/m", {"target": "large/m", "on": ["too_long"]}]
    settings = windowed(provider.url, models={"both": {"targets": chain}})
    with Gateway(tmp_path, settings) as gateway:
        refused = gateway.post(OPENAI.path, OPENAI.document("small/m", messages=too_long))
        assert (refused.status, refused.error["code"]) == (400, "context_length_exceeded")
        assert provider.bodies == []
        provider.answers = [sized(b"{}", status="413 Too Large"), sized(completion("Yes."))]
        response = gateway.post(OPENAI.path, OPENAI.document("both", messages=too_long))
        assert (response.status, response.headers["x-headrace-provider"]) == (200, "large")


@pytest.mark.parametrize(("rows", "is_compressed"), [(200, True), (5_000, True), (30_000, False)])
def test_the_largest_prompts_are_not_compressed(
    tmp_path: Path, provider: ScriptedProvider, rows: int, is_compressed: bool
) -> None:
    provider.answers = [sized(completion("Yes."))]
    place = {"dialect": "openai", "base_url": provider.url + "/v1", "warm_connections": 0}
    settings = {"providers": {"p": place}, "prompt": {"compress": {"level": "safe"}}}
    told = json.dumps([{"lock": number, "open": number % 2 == 0} for number in range(rows)])
    call = {"id": "c1", "type": "function", "function": {"name": "locks", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Which locks are open?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": told},
    ]
    with Gateway(tmp_path, settings) as gateway:
        response = gateway.post(OPENAI.path, OPENAI.document("p/m", messages=messages))
        assert response.status == 200
    (body,) = sent(provider)
    assert (len(body["messages"][2]["content"]) < len(told) / 2) is is_compressed
    assert ("x-headrace-compressed" in response.headers) is is_compressed


def test_a_prompt_that_is_too_long_all_the_same_is_not_sent_as_it_came(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    """That is even longer. What is refused for another reason is."""
    told = b'{"error": {"code": "context_length_exceeded", "message": "too long"}}'
    provider.answers = [sized(told, status="400 Bad Request")]
    with Gateway(tmp_path, windowed(provider.url)) as gateway:
        document = OPENAI.document("small/m", messages=talk(20))
        response = gateway.post(OPENAI.path, document)
        assert (response.status, response.headers["x-headrace-attempts"]) == (400, "1")
        provider.answers = [REFUSED, sized(completion("Yes."))]
        assert gateway.post(OPENAI.path, document).headers["x-headrace-attempts"] == "2"
        assert sent(provider)[-1]["messages"] == document["messages"]


def test_the_deepest_prompts_are_sent_as_they_came_or_refused(
    gateway: Gateway, provider: ScriptedProvider
) -> None:
    """About the depth at which reading ends, and writing ends a little before."""
    seen = set()
    for depth in range(900, 1010):
        provider.answers = [sized(completion("Yes."))]
        deep = b'"x":%s%s' % (b"[" * depth, b"]" * depth)
        body = b'{"model":"chat/m","messages":[{"role":"user","content":"%d",%b}]}' % (depth, deep)
        seen.add(gateway.post(OPENAI.path, body=body).status)
    assert seen == {200, 400}
    assert all(deepest(sent) for sent in provider.bodies)


def deepest(body: bytes) -> bool:
    return body.count(b"[") == body.count(b"]") > 900


@pytest.mark.parametrize("status", ["500 No", "429 No"])
def test_a_fallback_that_is_too_small_is_asked_with_what_there_is(
    tmp_path: Path, provider: ScriptedProvider, status: str
) -> None:
    """Large enough for the first one; what failed is not the prompt, so that is not refused."""
    long = [{"role": "user", "content": "of water and of mills " * 2000}]
    settings = windowed(provider.url, models={"both": {"targets": ["large/m", "small/m"]}})
    with Gateway(tmp_path, settings) as gateway:
        provider.answers = [sized(b"{}", status=status), sized(completion("Yes."))]
        response = gateway.post(OPENAI.path, OPENAI.document("both", messages=long))
        assert (response.status, response.headers["x-headrace-provider"]) == (200, "small")
        provider.answers = [b"", sized(completion("Yes."))]  # hung up
        provider.closes = True
        document = OPENAI.document("both", messages=long, seed=1)
        assert gateway.post(OPENAI.path, document).status == 200
        gateway.wait_until_quiet()


def test_marks_go_with_a_reload(tmp_path: Path, provider: ScriptedProvider) -> None:
    place = {
        "dialect": "anthropic",
        "base_url": provider.url + "/v1",
        "warm_connections": 0,
        "marks": "on",
    }
    settings: dict[str, Any] = {"providers": {"marked": place}}
    marks = {"prompt": {"marks": {"enabled": True, "ttl": "5m"}}}
    provider.answers = [message(), message(), message()]
    with Gateway(tmp_path, settings) as gateway:
        for number, written in enumerate((settings, settings | marks, settings)):
            gateway.write_settings(written)
            gateway.reload()
            assert ask(gateway, "marked/a", f"{SYSTEM} {number}").status == 200
    assert [type(body["system"]) for body in sent(provider)] == [str, list, str]
