"""Intents with real calls: who answers, how requests are served, what callers are told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, Speech
from tests.support.templates import front, write_prompts
from tests.support.waiting import eventually
from tests.support.wire import Response

from headrace.app import check_files
from headrace.errors import SettingsInvalid
from headrace.settings import parse_settings
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

RULES = [
    {"intent": "refund", "words": ["money back"], "patterns": [r"refunds? of \d+"]},
    {"intent": "code", "words": ["python"]},
    {"intent": "hard", "words": ["prove"]},
]


@pytest.fixture(scope="module")
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


@pytest.fixture(autouse=True)
def mended(sim: ThreadedSim) -> None:
    sim.reset()


def settings(sim: ThreadedSim, **auto: Any) -> dict[str, Any]:
    routes = {
        "refund": {"model": "small", "cache": False},
        "code": {"model": "one/coder", "ttl_s": 60, "priority": "high"},
        "hard": "tiered",
    }
    return {
        "providers": {
            "one": {"dialect": "openai", "base_url": f"{sim.url}/v1", "warm_connections": 0},
            "two": {"dialect": "anthropic", "base_url": sim.url, "warm_connections": 0},
        },
        "models": {
            "small": {"targets": ["one/s", "two/s"]},
            "large": {"targets": ["one/l", "two/l"]},
        },
        "tiers": {"tiered": {"cheap": "small", "strong": "one/strong", "cheap_below": 0.0}},
        "intents": {"auto": {"default": "large", "rules": RULES, "routes": routes, **auto}},
    }


def ask(gateway: Gateway, text: str, model: str = "auto", **fields: Any) -> Response:
    document = OPENAI.document(model, **fields)
    document["messages"] = [{"role": "user", "content": text}]
    response = gateway.post(OPENAI.path, document)
    assert response.status == 200, response
    return response


def told(response: Response) -> tuple[str, str]:
    return response.headers["x-headrace-model"], response.headers["x-headrace-intent"]


def test_what_is_wanted_decides_who_answers(tmp_path: Path, sim: ThreadedSim) -> None:
    with Gateway(tmp_path, settings(sim)) as gateway:
        assert told(ask(gateway, "I want my money back")) == ("s", "refund;confidence=1.00")
        assert told(ask(gateway, "some Python")) == ("coder", "code;confidence=1.00")
        assert told(ask(gateway, "hello there")) == ("l", "unknown;confidence=0.00")
        named = ask(gateway, "I want my money back", model="small")
        assert "x-headrace-intent" not in named.headers
        stream = ask(gateway, "more Python", stream=True)
        assert stream.headers["x-headrace-intent"] == "code;confidence=1.00"
        listed = gateway.get("/v1/models").json()
        assert "auto" in {each["id"] for each in listed["data"]}
        flow = gateway.get("/admin/flow").json()
        assert flow["intents"]["auto"]["code"]["requests"] == 2
        counted = gateway.metrics()
    assert counted['headrace_intents_total{intent="known",route="1"}'] == 1
    assert counted['headrace_intents_total{intent="unknown",route="0"}'] == 1


def test_an_intent_may_lead_to_tiers(tmp_path: Path, sim: ThreadedSim) -> None:
    with Gateway(tmp_path, settings(sim)) as gateway:
        response = ask(gateway, "prove it")
        assert told(response) == ("strong", "hard;confidence=1.00")
        assert response.headers["x-headrace-tier"].startswith("strong;")


def test_both_dialects_are_told(tmp_path: Path, sim: ThreadedSim) -> None:
    with Gateway(tmp_path, settings(sim)) as gateway:
        document = ANTHROPIC.document("auto")
        document["messages"] = [{"role": "user", "content": [{"type": "text", "text": "python"}]}]
        response = gateway.post(ANTHROPIC.path, document)
        # Nobody who speaks this dialect is the coder.
        assert told(response) == ("l", "code;confidence=1.00")
        document["messages"][0]["content"][0]["text"] = "refund of 12"
        assert told(gateway.post(ANTHROPIC.path, document))[0] == "s"


def test_repeats_are_answered_without_asking_what_is_wanted(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    with Gateway(tmp_path, settings(sim)) as gateway:
        ask(gateway, "some Python")
        again = ask(gateway, "some Python")
        assert (again.cache, again.headers["x-headrace-model"]) == ("l1", "coder")
        assert "x-headrace-intent" not in again.headers
        # The same under the model's own name is the same answer.
        assert ask(gateway, "some Python", model="one/coder").cache == "l1"
        assert sim.stats().requests_total == 1


def test_an_intent_may_keep_out_of_the_cache(tmp_path: Path, sim: ThreadedSim) -> None:
    with Gateway(tmp_path, settings(sim)) as gateway:
        for _ in range(2):
            assert ask(gateway, "refunds of 30").cache == "bypass"
        assert sim.stats().requests_total == 2


def test_a_reload_decides_anew(tmp_path: Path, sim: ThreadedSim) -> None:
    with Gateway(tmp_path, settings(sim)) as gateway:
        assert told(ask(gateway, "some Python"))[0] == "coder"
        gateway.write_settings(settings(sim, routes={"code": "small"}))
        assert gateway.reload()["event"] == "reloaded"
        assert told(ask(gateway, "some Python")) == ("s", "code;confidence=1.00")


REFUND = front("question: string\ntone: string", "model: nobody\nconfig: {temperature: 0.1}\n") + (
    '{{role "system"}}\nBe {{ tone }}.\n{{role "user"}}\nA refund: {{ question }}\n'
)


def templated(sim: ThreadedSim, tmp_path: Path, **template: Any) -> dict[str, Any]:
    prompts = write_prompts(tmp_path / "prompts", {"refund/1.prompt": REFUND})
    use = {"name": "refund", "turn": "question", "variables": {"tone": "kind"}, **template}
    routes = {"refund": {"model": "small", "template": use}}
    return {**settings(sim, routes=routes), "templates": {"path": str(prompts), "poll_s": 0.05}}


@pytest.mark.parametrize("speech", [OPENAI, ANTHROPIC], ids=lambda each: each.name)
def test_an_intent_may_put_words_into_a_template(
    tmp_path: Path, sim: ThreadedSim, speech: Speech
) -> None:
    before = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Hi."}]
    said = {**speech.document("auto"), "temperature": 0.5}
    said["messages"] = [*before, {"role": "user", "content": "refund of 12"}]
    plain = {**said, "model": "small"}
    words = {"role": "user", "content": "A refund: refund of 12"}
    if speech is ANTHROPIC:
        plain |= {"system": "Be kind.", "messages": [*before, words]}
    else:
        plain["messages"] = [{"role": "system", "content": "Be kind."}, *before, words]
    with Gateway(tmp_path / "gateway", templated(sim, tmp_path)) as gateway:
        first = gateway.post(speech.path, said)
        assert (first.status, told(first)[0]) == (200, "s"), first
        assert first.headers["x-headrace-template"] == "refund@1"
        assert gateway.post(speech.path, said).cache == "l1"
        # What is stored is of the words that were sent.
        found = gateway.post(speech.path, plain)
        assert (found.cache, found.body) == ("l1", first.body)
        own = {"model": "auto", "temperature": 0.5, "max_tokens": 50}
        given = {"variables": {"question": "refund of 3", "tone": "short"}}
        named = {**own, "template": {"name": "refund", **given}}
        response = gateway.post(speech.path, named)
        assert response.headers["x-headrace-template"] == "refund@1"
        silent = gateway.post(speech.path, {**own, "messages": before[:1]})
        assert "x-headrace-template" not in silent.headers
        assert gateway.status()["templates"]["rendered"] == {"refund@1": 2}


def test_templates_of_intents_follow_their_files(tmp_path: Path, sim: ThreadedSim) -> None:
    with Gateway(tmp_path / "gateway", templated(sim, tmp_path)) as gateway:
        assert ask(gateway, "money back").headers["x-headrace-template"] == "refund@1"
        prompts = tmp_path / "prompts"
        write_prompts(prompts, {"refund/2.prompt": REFUND.replace("tone", "tune")})
        refused = eventually(
            lambda: [line for line in gateway.events() if line["event"] == "templates_refused"]
        )
        assert "intents.auto.routes.refund.template" in refused[0]["detail"]
        assert ask(gateway, "money back").cache == "l1"
        write_prompts(prompts, {"refund/2.prompt": REFUND.replace("A refund", "Money")})
        assert eventually(lambda: ask(gateway, "money back").cache == "miss")
        assert ask(gateway, "Money back!").headers["x-headrace-template"] == "refund@2"
        gateway.write_settings(templated(sim, tmp_path, name="refnud"))
        assert "did you mean refund?" in str(gateway.reload())
        assert ask(gateway, "money  back").headers["x-headrace-template"] == "refund@2"


def test_a_template_that_is_not_there_keeps_from_starting(tmp_path: Path, sim: ThreadedSim) -> None:
    wanted = parse_settings(yaml.safe_dump(templated(sim, tmp_path, variables={})), {})
    with pytest.raises(SettingsInvalid, match=r"refund\.template: .*`tone` is missing"):
        check_files(wanted)
    wanted = parse_settings(yaml.safe_dump(templated(sim, tmp_path, name="refund@2")), {})
    with pytest.raises(SettingsInvalid, match=r"refund\.template: .*no version 2"):
        check_files(wanted)


def test_strange_texts_are_unknown(tmp_path: Path, sim: ThreadedSim) -> None:
    with Gateway(tmp_path, settings(sim)) as gateway:
        long = ask(gateway, "x " * 1_000_000 + "python")
        assert told(long)[1] == "code;confidence=1.00"
        for content in ("", None, [], [{"type": "text"}], "\u202e"):
            document = {**OPENAI.document("auto"), "messages": [{"role": "user"}]}
            document["messages"][0]["content"] = content
            response = gateway.post(OPENAI.path, document)
            assert response.headers["x-headrace-intent"].startswith("unknown;")
