"""What Headrace does not know it passes on untouched, and it says how it came by an answer."""

import json
from typing import Any

import anthropic
import openai
import pytest
from tests.e2e.asking import chat, last_body, message
from tests.e2e.conftest import APP_KEY
from tests.support.gateway import Gateway

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

FUTURE = {"reasoning_level": {"depth": 1.0, "é": [None, True]}, "future": "\u2028 \\u0000 ☃"}
ODD = '{"model" : "gpt-4o-mini","messages":[\n{"role":"user","content":"%s \\u00e9 \\/"}],"x":1E0 }'


def test_unknown_fields_reach_the_provider(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, sim: ThreadedSim, question: str
) -> None:
    gpt.chat.completions.create(**chat(question), extra_body=FUTURE)
    body = last_body(sim)
    assert {name: body[name] for name in FUTURE} == FUTURE
    claude.messages.create(**message(question), extra_body=FUTURE)
    body = last_body(sim)
    assert {name: body[name] for name in FUTURE} == FUTURE


def test_unknown_fields_are_part_of_the_question(gpt: openai.OpenAI, question: str) -> None:
    ask = gpt.chat.completions.with_raw_response.create
    caches = [
        ask(**chat(question), extra_body=extra).headers["x-headrace-cache"]
        for extra in ({}, {"depth": 1}, {"depth": 2}, {"depth": 1.0})
    ]
    assert caches == ["miss", "miss", "miss", "l1"]


def test_unknown_fields_come_back(gpt: openai.OpenAI, sim: ThreadedSim, question: str) -> None:
    known = gpt.chat.completions.create(**chat(f"{question} First.")).model_dump()
    answer = known | FUTURE
    answer["choices"][0]["message"]["thoughts"] = ["é"]
    body = json.dumps(answer, indent=1)
    sim.script(Fault(kind=FaultKind.STATUS, status=200, body=body, headers={"x-future": "1"}))
    ask = gpt.chat.completions.with_raw_response.create
    raw, hit = ask(**chat(question)), ask(**chat(question))
    assert raw.text == hit.text == body
    assert raw.headers["x-future"] == "1"
    assert hit.headers["x-headrace-cache"] == "l1"
    reply: Any = hit.parse()
    assert reply.model_extra == FUTURE
    assert reply.choices[0].message.thoughts == ["é"]


def test_bodies_are_forwarded_byte_for_byte(
    gateway: Gateway, sim: ThreadedSim, question: str
) -> None:
    sent: list[bytes] = []
    recording = openai.DefaultHttpxClient(
        event_hooks={"request": [lambda request: sent.append(request.content)]}
    )
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=APP_KEY, http_client=recording) as gpt:
        gpt.chat.completions.create(**chat(question), extra_body=FUTURE)
        assert sim.stats().last_requests[-1].body.encode() == sent[-1]
        list(gpt.chat.completions.create(**chat(question), stream=True, user="é"))
        gpt.embeddings.create(model="text-embedding-3-small", input=[question])
        assert sim.stats().last_requests[-1].body.encode() == sent[-1]
    odd = (ODD % question).encode()
    key = {"authorization": f"Bearer {APP_KEY}"}
    assert gateway.post("/v1/chat/completions", body=odd, headers=key).status == 200
    assert sim.stats().last_requests[-1].body.encode() == odd


def test_only_the_model_is_rewritten_for_an_alias(
    gateway: Gateway, sim: ThreadedSim, question: str
) -> None:
    odd = (ODD % question).replace("gpt-4o-mini", "quick").encode()
    key = {"authorization": f"Bearer {APP_KEY}"}
    assert gateway.post("/v1/chat/completions", body=odd, headers=key).status == 200
    forwarded = sim.stats().last_requests[-1].body
    assert '"gpt-4o-mini"' in forwarded
    assert "quick" not in forwarded
    assert '\\u00e9 \\/"}]' in forwarded
    assert '"x":1E0' in forwarded


def test_headers_say_how_the_answer_was_come_by(gpt: openai.OpenAI, question: str) -> None:
    ask = gpt.chat.completions.with_raw_response.create
    miss, hit = ask(**chat(question)), ask(**chat(question))
    assert miss.headers["x-headrace-cache"] == "miss"
    assert miss.headers["x-headrace-provider"] == "openai"
    assert miss.headers["x-headrace-model"] == "gpt-4o-mini"
    assert miss.headers["x-headrace-attempts"] == "1"
    usage = miss.parse().usage
    assert usage is not None
    cost_usd = (usage.prompt_tokens * 0.15 + usage.completion_tokens * 0.60) / 1e6
    assert float(miss.headers["x-headrace-cost-usd"]) == pytest.approx(cost_usd)
    assert miss.headers["x-upstream-request-id"].startswith("req_")
    assert "age" not in miss.headers
    timed = [stage.split(";")[0] for stage in miss.headers["server-timing"].split(", ")]
    assert {"validate", "route", "look_up", "send"} <= set(timed)
    assert hit.headers["x-headrace-cache"] == "l1"
    assert hit.headers["x-headrace-provider"] == "openai"
    assert (hit.headers["x-headrace-attempts"], hit.headers["x-headrace-cost-usd"]) == ("0", "0")
    assert int(hit.headers["age"]) < 60
    assert "look_up;dur=" in hit.headers["server-timing"]
    assert "x-upstream-request-id" not in hit.headers
    assert hit.headers["x-request-id"] != miss.headers["x-request-id"]


@pytest.mark.parametrize(
    ("directive", "caches", "calls"),
    [
        ("no-cache", ["bypass", "l1"], 2),
        ("no-store", ["bypass", "l1"], 2),
        ("max-age=0", ["miss", "l1"], 2),
        ("max-age=60", ["l1", "l1"], 1),
    ],
)
def test_cache_control_is_honoured(
    gpt: openai.OpenAI,
    sim: ThreadedSim,
    question: str,
    directive: str,
    caches: list[str],
    calls: int,
) -> None:
    before = sim.stats().requests_total
    ask = gpt.chat.completions.with_raw_response.create
    ask(**chat(question))
    directed = ask(**chat(question), extra_headers={"cache-control": directive})
    plain = ask(**chat(question))
    assert [each.headers["x-headrace-cache"] for each in (directed, plain)] == caches
    assert sim.stats().requests_total - before == calls
