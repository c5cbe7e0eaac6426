"""Answers that are JSON and yet more than a program can take: told or passed on, never hung on."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.provider import ScriptedProvider, scripted, sized

MESSAGE = {"role": "assistant", "content": "text"}
DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with scripted() as provider:
        yield provider


@pytest.fixture
def gateway(provider: ScriptedProvider, tmp_path: Path) -> Iterator[Gateway]:
    lane = {"dialect": "openai", "base_url": provider.url + "/v1", "warm_connections": 0}
    with Gateway(tmp_path, {"providers": {"p": lane}}) as gateway:
        yield gateway


def completion(prompt_tokens: int) -> bytes:
    choice = {"index": 0, "message": MESSAGE, "finish_reason": "stop"}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": 1}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


def test_an_answer_nested_without_end(provider: ScriptedProvider, gateway: Gateway):
    document = OPENAI.document("p/gpt-4o")
    provider.answers = [sized(DEEP)]
    response = gateway.post(OPENAI.path, document)
    assert (response.status, response.error["code"]) == (502, "upstream_garbage")
    provider.answers = [sized(completion(1))]
    assert gateway.post(OPENAI.path, document).status == 200
    gateway.wait_until_quiet()


@pytest.mark.parametrize("tokens", [2**63, 10**400], ids=["above_64_bits", "above_a_float"])
def test_more_tokens_than_there_are(provider: ScriptedProvider, gateway: Gateway, tokens: int):
    provider.answers = [sized(completion(tokens))]
    response = gateway.post(OPENAI.path, OPENAI.document("p/gpt-4o"))
    assert (response.status, response.body) == (200, completion(tokens))
    assert float(response.headers["x-headrace-cost-usd"]) < 1
    gateway.wait_until_quiet()
