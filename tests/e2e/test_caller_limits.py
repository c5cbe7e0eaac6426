"""Limits of callers as the SDKs see them: exceptions, waits and headers."""

from collections.abc import Iterator

import anthropic
import openai
import pytest
from tests.e2e.asking import chat, message
from tests.e2e.conftest import ADMIN_KEY, PROVIDER_KEY
from tests.support.gateway import Gateway

from headrace.sim.thread import ThreadedSim


@pytest.fixture(scope="module")
def limited(sim: ThreadedSim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    provider = {"base_url": f"{sim.url}/v1", "api_key": PROVIDER_KEY}
    keys = {
        "hr-few": {"requests_per_minute": 1},
        "hr-quick": {"requests_per_minute": 40, "burst_s": 0.1},
        "hr-short": {"tokens_per_minute": 60},
        "hr-single": {"concurrent": 1},
        "hr-both": {"requests_per_minute": 1000, "tokens_per_minute": 1_000_000},
        ADMIN_KEY: {"admin": True},
    }
    settings = {
        "providers": {
            "openai": {"dialect": "openai", **provider},
            "slow": {
                "dialect": "openai",
                **provider,
                "headers": {"x-sim-token-ms": "50", "x-sim-tokens": "1000"},
            },
            "anthropic": {"dialect": "anthropic", **provider},
        },
        "models": {
            "gpt-4o-mini": {"targets": ["openai/gpt-4o-mini"]},
            "text-embedding-3-small": {"targets": ["openai/text-embedding-3-small"]},
            "slow": {"targets": ["slow/gpt-4o-mini"]},
            "claude-sim": {"targets": ["anthropic/claude-sim"]},
        },
        "keys": [{"key": key, "tenant": key, "name": key, **more} for key, more in keys.items()],
    }
    folder = tmp_path_factory.mktemp("limited")
    with Gateway(folder, settings, admin_key=ADMIN_KEY) as served:
        yield served
        served.wait_until_quiet()
        callers = served.status()["callers"]["keys"]
        assert [each["inflight"] for each in callers] == [0] * (len(keys) - 1)


def gpt(gateway: Gateway, key: str, retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=retries)


def claude(gateway: Gateway, key: str, retries: int = 0) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateway.url, api_key=key, max_retries=retries)


def test_too_many_requests_are_a_rate_limit_error(limited: Gateway, question: str) -> None:
    with gpt(limited, "hr-few") as client:
        client.chat.completions.create(**chat(question))
        with pytest.raises(openai.RateLimitError, match="try again in") as caught:
            client.chat.completions.create(**chat(question))
        with pytest.raises(openai.RateLimitError):
            client.models.list()
    assert caught.value.code == "rate_limit_requests"
    assert caught.value.type == "rate_limit_error"
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 60
    with claude(limited, "hr-few") as other, pytest.raises(anthropic.RateLimitError) as told:
        other.messages.create(**message(question))
    assert told.value.body["error"]["type"] == "rate_limit_error"
    assert told.value.body["error"]["code"] == "rate_limit_requests"


@pytest.mark.heavy
@pytest.mark.parametrize("stream", [False, True])
def test_the_sdks_wait_as_long_as_they_are_told(
    limited: Gateway, question: str, *, stream: bool
) -> None:
    with gpt(limited, "hr-quick", retries=2) as client:
        create = client.chat.completions.with_raw_response.create
        taken = [
            create(**chat(f"{question} {number}"), stream=stream).retries_taken
            for number in range(3)
        ]
    assert sum(taken) >= 1
    with claude(limited, "hr-quick", retries=2) as other:
        for number in range(2):
            assert other.messages.create(**message(f"{question} {number}")).content


def test_what_never_fits_is_asked_once(limited: Gateway, question: str) -> None:
    def refused() -> int:
        (told,) = [
            each for each in limited.status()["callers"]["keys"] if each["name"] == "hr-short"
        ]
        return int(told["refused"])

    before = refused()
    with (
        gpt(limited, "hr-short", retries=5) as client,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        client.chat.completions.create(**chat(question + " word" * 100))
    assert caught.value.code == "rate_limit_too_small"
    with (
        claude(limited, "hr-short", retries=5) as other,
        pytest.raises(anthropic.RateLimitError, match="tokens"),
    ):
        other.messages.create(**message(question + " word" * 100))
    assert refused() == before + 2


def test_streams_at_once(limited: Gateway, question: str) -> None:
    asked = chat(question, model="slow")
    with gpt(limited, "hr-single") as client:
        with client.chat.completions.create(**asked, stream=True) as under_way:
            next(iter(under_way))
            with pytest.raises(openai.RateLimitError) as caught:
                client.chat.completions.create(**chat(question + "?"))
        assert caught.value.code == "rate_limit_concurrent"
        # It was left in its middle, and the place is given back.
        patient = client.with_options(max_retries=3)
        assert patient.chat.completions.create(**chat(question + "?")).choices


def test_headers_of_each_dialect(limited: Gateway, question: str) -> None:
    with gpt(limited, "hr-both") as client:
        raw = client.chat.completions.with_raw_response.create(**chat(question))
        embedded = client.embeddings.with_raw_response.create(
            model="text-embedding-3-small", input=question
        )
    for response in (raw, embedded):
        assert response.headers["x-ratelimit-limit-requests"] == "1000"
        assert response.headers["x-ratelimit-limit-tokens"] == "1000000"
        assert int(response.headers["x-ratelimit-remaining-requests"]) < 1000
    with claude(limited, "hr-both") as other:
        told = other.messages.with_raw_response.create(**message(question))
        with other.messages.with_streaming_response.create(
            **message(question + "?"), stream=True
        ) as streamed:
            list(streamed.iter_lines())
    for headers in (told.headers, streamed.headers):
        assert headers["anthropic-ratelimit-requests-limit"] == "1000"
        assert headers["anthropic-ratelimit-tokens-remaining"].isdigit()
        assert headers["anthropic-ratelimit-tokens-reset"].endswith("Z")
