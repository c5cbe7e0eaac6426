"""What calls cost, told to callers: in heads, behind the end of streams, and where nobody tells."""

import asyncio
import http.client
import json
import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.adapter import soon
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.provider import ScriptedProvider, scripted, sized, streamed
from tests.support.waiting import eventually
from tests.support.wire import connect, encode_request

from headrace import Adapter, Usage, cost, count_tokens
from headrace.sim.options import SimOptions
from headrace.sim.thread import running

MODEL = "p/gpt-4o"
WORDS = "The water of the river turns the wheel of the mill. " * 8
SAID = [{"role": "user", "content": WORDS}]


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with scripted() as provider:
        yield provider


def gateway_of(provider: ScriptedProvider, folder: Path, *, estimates: bool) -> Gateway:
    lane = {"dialect": "openai", "base_url": provider.url + "/v1", "warm_connections": 0}
    counting = {"estimate_costs": estimates}
    return Gateway(folder, {"providers": {"p": lane}, "counting": counting})


@pytest.fixture
def gateway(provider: ScriptedProvider, tmp_path: Path) -> Iterator[Gateway]:
    with gateway_of(provider, tmp_path, estimates=True) as gateway:
        yield gateway


def completion(text: str, usage: object) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


def events(text: str, usage: object = None) -> bytes:
    chunks = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
        *({"choices": [{"index": 0, "delta": {"content": f"{word} "}}]} for word in text.split()),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        *([{"choices": [], "usage": usage}] if usage else []),
    ]
    told = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)
    return told + b"data: [DONE]\n\n"


def request(text: str = WORDS, *, stream: bool = False) -> dict[str, object]:
    messages = [{"role": "user", "content": text}]
    return {"model": MODEL, "messages": messages, **({"stream": True} if stream else {})}


def test_written_and_cached_tokens_cost_their_own_price(
    provider: ScriptedProvider, gateway: Gateway
):
    details = {"cached_tokens": 500, "cache_write_tokens": 300}
    usage = {"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": details}
    provider.answers = [sized(completion("Yes.", usage))]
    response = gateway.post(OPENAI.path, {**request(), "model": "p/gpt-5.6-sol"})
    usd = cost(Usage(1000, 10, 500, 300), model="gpt-5.6-sol")
    assert usd is not None
    assert float(response.headers["x-headrace-cost-usd"]) == pytest.approx(usd, abs=1e-9)
    assert "x-headrace-cost-estimated" not in response.headers
    eventually(
        lambda: (
            gateway.metrics().get('headrace_tokens_total{provider="p",type="cache_write"}') == 300
        )
    )


def test_a_reply_without_usage_is_estimated(provider: ScriptedProvider, gateway: Gateway):
    provider.answers = [sized(completion("It is so. " * 40, None))]
    response = gateway.post(OPENAI.path, request())
    tokens = count_tokens(SAID, model="gpt-4o").tokens
    answer = count_tokens("It is so. " * 40, model="gpt-4o").tokens
    assert float(response.headers["x-headrace-cost-usd"]) == pytest.approx(
        cost(Usage(tokens, answer), model="gpt-4o")
    )
    assert response.headers["x-headrace-cost-estimated"] == "true"
    again = gateway.post(OPENAI.path, request())
    assert (again.cache, again.headers["x-headrace-cost-usd"]) == ("l1", "0")
    assert "x-headrace-cost-estimated" not in again.headers
    booked = 'headrace_estimated_usd_total{provider="p"}'
    eventually(lambda: gateway.metrics().get(booked, 0.0) > 0)
    assert gateway.metrics().get('headrace_spent_usd_total{provider="p"}', 0.0) == 0


def test_a_long_request_is_estimated_by_its_length(provider: ScriptedProvider, gateway: Gateway):
    provider.answers = [sized(completion("Yes.", None))]
    response = gateway.post(OPENAI.path, request(WORDS * 200))
    tokens = count_tokens(WORDS * 200, model="gpt-4o").tokens
    usd = cost(Usage(tokens), model="gpt-4o")
    assert float(response.headers["x-headrace-cost-usd"]) == pytest.approx(usd, rel=0.4)


@pytest.mark.parametrize("estimates", [True, False])
def test_a_stream_without_usage_stands_in_the_log(
    provider: ScriptedProvider, tmp_path: Path, estimates: bool
):
    provider.answers = [streamed(events("Yes it is so."))]
    with gateway_of(provider, tmp_path, estimates=estimates) as gateway:
        response = gateway.post(OPENAI.path, request(stream=True))
        assert response.status == 200
        (line,) = eventually(
            lambda: [each for each in gateway.requests() if each["path"] == OPENAI.path]
        )
    assert ((line.get("cost_usd") or 0.0) > 0) is estimates
    assert (line.get("remarks") or {}).get("cost-estimated") == ("true" if estimates else None)


def test_errors_and_nonsense_are_not_estimated(provider: ScriptedProvider, gateway: Gateway):
    provider.answers = [sized(b'{"error": {"message": "no"}}', status="400 Bad Request")]
    refused = gateway.post(OPENAI.path, request())
    assert refused.status == 400
    assert "x-headrace-cost-usd" not in refused.headers


def trailers(gateway: Gateway, document: dict[str, object], **headers: str) -> tuple[str, str]:
    """The head of a streamed answer, and what stands behind its last chunk."""
    with connect(gateway.url) as wire:
        wire.send(encode_request(OPENAI.path, document, headers=headers))
        head = wire.read_until(b"\r\n\r\n")
        wire.read_until(b"data: [DONE]\n\n\r\n")
        behind = wire.read_until(b"\r\n\r\n")
        # The connection is as good as before.
        wire.send(encode_request("/healthz"))
        assert wire.response().status == 200
    return head.decode(), behind.decode()


def test_a_stream_tells_its_cost_behind_its_end(provider: ScriptedProvider, gateway: Gateway):
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    document = {**request(stream=True), "stream_options": {"include_usage": True}}
    provider.answers = [streamed(events("Yes.", usage))]
    head, behind = trailers(gateway, document, te="trailers", connection="te")
    assert "trailer: x-headrace-cost-usd\r\n" in head
    assert behind == "0\r\nx-headrace-cost-usd: 0.0035\r\n\r\n"


def test_an_estimated_cost_says_so_there_too(provider: ScriptedProvider, gateway: Gateway):
    provider.answers = [streamed(events("Yes."))]
    _, behind = trailers(gateway, request(stream=True), te="trailers;q=0.5, gzip, trailers")
    assert behind.startswith("0\r\nx-headrace-cost-usd: 0.000")
    assert behind.endswith("\r\nx-headrace-cost-estimated: true\r\n\r\n")


def test_who_does_not_ask_gets_no_trailers(provider: ScriptedProvider, gateway: Gateway):
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    provider.answers = [streamed(events("Yes.", usage))]
    head, behind = trailers(gateway, request(stream=True), te="gzip")
    assert "trailer" not in head
    assert behind == "0\r\n\r\n"


def test_a_common_client_reads_such_a_stream(provider: ScriptedProvider, gateway: Gateway):
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    provider.answers = [streamed(events("Yes.", usage))]
    parts = urlsplit(gateway.url)
    client = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    body = json.dumps(request(stream=True))
    client.request("POST", OPENAI.path, body, {"te": "trailers"})
    response = client.getresponse()
    assert response.read().endswith(b"data: [DONE]\n\n")
    client.request("GET", "/healthz")
    assert client.getresponse().read()
    client.close()


def test_the_gateway_learns_from_usage_what_tokens_of_a_family_are():
    model = "claude-own-tokenizer-7"
    rng = random.Random(9)
    kinds = (WORDS, 'def f(a, b):\n    return {"x": a[0], "y": b}\n' * 9, "Вода и камень. " * 30)

    async def main() -> tuple[float, float]:
        settings = {
            "providers": {"a": {"dialect": "anthropic", "base_url": sim.url}},
            "counting": {"estimate_costs": True},
        }
        async with Adapter(settings) as adapter:
            engine = adapter._engine
            assert engine is not None
            ratios = engine.counters.ratios(engine.counters.of(model).family)

            def off(told: int, messages: list[dict[str, str]]) -> float:
                counted = engine.counters.of(model).count_document({"messages": messages})
                return abs(counted.tokens - told) / told

            first = last = 0.0
            for number in range(60):
                text = f"{number} " + rng.choice(kinds) * rng.randint(1, 6)
                answer = await adapter.generate(text, model=model)
                assert answer.usage is not None
                last = off(answer.usage.input_tokens, [{"role": "user", "content": text}])
                first = first or last
                engine.pipeline.landing.counts._next_s = 0.0  # type: ignore[union-attr]
                await soon(lambda seen=number: ratios.seen > seen)
            return first, ratios.error_p95

    with running(SimOptions()) as sim:
        first, error_p95 = asyncio.run(main())
    assert error_p95 < 0.25
    assert first > 0.02


def test_where_nothing_counts_nothing_is_kept_or_learnt():
    async def main() -> None:
        settings = {"providers": {"a": {"dialect": "anthropic", "base_url": sim.url}}}
        async with Adapter(settings) as adapter:
            engine = adapter._engine
            assert engine is not None
            assert engine.pipeline.landing.counts is None
            await adapter.generate("hello", model="claude-sim")
            assert engine.counters.errors() == {}

    with running(SimOptions()) as sim:
        asyncio.run(main())
