"""Answers whose time is over: given while they are asked for again, or where asking fails."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.provider import ScriptedProvider, scripted, sized
from tests.support.waiting import eventually
from tests.support.wire import Response

PATH = "/v1/chat/completions"
TTL_S = 0.2
DOCUMENT = {"model": "p/m", "messages": [{"role": "user", "content": "How is the water?"}]}
BROKEN = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno"


def reply(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return sized(json.dumps({"object": "chat.completion", "choices": [choice]}).encode())


def text_of(response: Response) -> str:
    return str(response.json()["choices"][0]["message"]["content"])


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with scripted() as provider:
        yield provider


def gateway(provider: ScriptedProvider, folder: Path, **cache: Any) -> Gateway:
    lane = {"dialect": "openai", "base_url": f"{provider.url}/v1"}
    return Gateway(folder, {"providers": {"p": lane}, "cache": {"ttl_s": TTL_S, **cache}})


def test_a_stale_answer_is_given_while_it_is_asked_for_again(
    provider: ScriptedProvider, tmp_path: Path
):
    provider.answers = [reply("low"), reply("high")]
    with gateway(provider, tmp_path, stale_s=60) as running:
        assert running.post(PATH, DOCUMENT).cache == "miss"
        stale = once_stale(running)
        assert (text_of(stale), stale.cache) == ("low", "l1")
        assert stale.headers["x-headrace-stale"] == "while-revalidate"
        fresh = eventually(lambda: new_only(running.post(PATH, DOCUMENT), "high"))
        assert fresh.cache == "l1"
        assert fresh.headers["x-headrace-cost-usd"] == "0"


@pytest.mark.parametrize("trouble", [BROKEN, b"nonsense\r\n\r\n"], ids=["status", "garbage"])
def test_a_stale_answer_is_given_where_the_provider_fails(
    provider: ScriptedProvider, tmp_path: Path, trouble: bytes
):
    provider.answers = [reply("low"), trouble]
    with gateway(provider, tmp_path, stale_if_error_s=60) as running:
        assert running.post(PATH, DOCUMENT).cache == "miss"
        stale = once_stale(running)
        assert stale.headers["x-headrace-stale"] == "if-error"
        assert (stale.status, text_of(stale)) == (200, "low")
        provider.answers = [reply("high")]
        assert text_of(running.post(PATH, DOCUMENT)) == "high"


def test_what_is_of_no_use_any_more_leaves_though_nobody_asks_for_it(
    provider: ScriptedProvider, tmp_path: Path
):
    provider.answers = [reply("low")]
    with gateway(provider, tmp_path) as running:
        running.post(PATH, DOCUMENT)
        running.post(PATH, {**DOCUMENT, "seed": 1}, headers={"x-headrace-ttl": "3600"})
        eventually(lambda: running.status()["cache"]["entries"] == 1)
        left = running.metrics()['headrace_cache_evictions_total{reason="expired"}']
        assert left == 1
        assert running.post(PATH, {**DOCUMENT, "seed": 1}).cache == "l1"


def test_without_leave_nothing_stale_is_given(provider: ScriptedProvider, tmp_path: Path):
    provider.answers = [reply("low"), BROKEN]
    with gateway(provider, tmp_path) as running:
        assert running.post(PATH, DOCUMENT).cache == "miss"
        assert eventually(lambda: failed_only(running.post(PATH, DOCUMENT))).status == 503


@pytest.mark.heavy
def test_hits_are_checked_for_change_and_lifetimes_follow(
    provider: ScriptedProvider, tmp_path: Path
):
    provider.answers = [reply(f"level {number}") for number in range(200)]
    adaptive = {"enabled": True, "check_share": 1, "ttl_s_min": 1, "ttl_s_max": 1000}
    adaptive["checks_per_minute_max"] = 1_000_000
    with gateway(provider, tmp_path, ttl_s=500, adaptive=adaptive) as running:
        running.post(PATH, DOCUMENT)

        def lifetime() -> float | None:
            assert running.post(PATH, DOCUMENT).cache in ("l1", "joined")
            known = running.get("/admin/cache").json()["lifetimes"]
            return known[0]["ttl_s"] if known and known[0]["ttl_s"] < 100 else None

        assert eventually(lifetime, timeout_s=30)  # every answer was another
        series = 'headrace_cache_calls_total{for="revalidate"}'
        eventually(lambda: running.metrics()[series] == len(provider.bodies) - 1)


def test_what_refreshing_costs_is_told(provider: ScriptedProvider, tmp_path: Path):
    provider.answers = [reply("low"), reply("high")]
    with gateway(provider, tmp_path, stale_s=60) as running:
        running.post(PATH, DOCUMENT)
        once_stale(running)
        eventually(lambda: new_only(running.post(PATH, DOCUMENT), "high"))
        told = running.get("/admin/cache").json()
        assert told["spent"]["refresh"]["calls"] >= 1
        assert running.metrics()['headrace_cache_stale_total{why="while-revalidate"}'] >= 1


def once_stale(running: Gateway) -> Response:
    """The answer once its time is over; uses before that could refresh it early."""
    over_s = time.monotonic() + TTL_S
    eventually(lambda: time.monotonic() > over_s)
    return eventually(lambda: stale_only(running.post(PATH, DOCUMENT)))


def stale_only(response: Response) -> Response | None:
    return response if "x-headrace-stale" in response.headers else None


def failed_only(response: Response) -> Response | None:
    return response if response.status != 200 else None


def new_only(response: Response, text: str) -> Response | None:
    return response if text_of(response) == text else None
