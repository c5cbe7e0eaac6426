"""Answers asked for ahead of callers, through a running gateway: used, wasted, or not planned.

Nothing here depends on how fast the machine is: what is late is a miss, which is counted as one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, SPEECHES, Speech
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

# Long enough for a loaded machine to ask within its last quarter.
TTL_S = 3.0
PATIENCE_S = 60.0
SPENT = 'headrace_cache_spent_usd_total{for="prefetch"}'
ASKED = 'headrace_cache_calls_total{for="prefetch"}'


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


def settings(sim: ThreadedSim, speech: Speech, **cache: Any) -> dict[str, Any]:
    base_url = sim.url + ("/v1" if speech.name == "openai" else "")
    price = {"input": 0.01, "output": 0.01}
    return {
        "providers": {"p": {"dialect": speech.name, "base_url": base_url}},
        "models": {"m": {"targets": ["p/m"], "price": price}, "slow": {"targets": ["p/slow"]}},
        # Waiting counts for so much that whatever may be used is worth its call.
        "cache": {"ttl_s": TTL_S, "second_usd": 1000, **cache},
    }


def prefetching(**more: Any) -> dict[str, Any]:
    return {"usd_per_hour": 1000, "chance_min": 0, **more}


def asking(gateway: Gateway, speech: Speech, *, stream: bool = False) -> Response:
    # Without it, the provider does not say what a stream has cost.
    more = {"stream_options": {"include_usage": True}} if stream and speech is OPENAI else {}
    response = gateway.post(speech.path, speech.document("m", stream=stream, **more))
    assert response.status == 200, response.body
    return response


def told(gateway: Gateway) -> dict[str, Any]:
    told: dict[str, Any] = gateway.get("/admin/cache").json()
    return told


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("speech", "stream"),
    [
        pytest.param(OPENAI, False, id="openai-whole"),
        pytest.param(ANTHROPIC, True, id="anthropic-stream"),
        pytest.param(OPENAI, True, id="openai-stream", marks=pytest.mark.heavy),
        pytest.param(ANTHROPIC, False, id="anthropic-whole", marks=pytest.mark.heavy),
    ],
)
def test_what_is_asked_all_the_time_is_there_before_its_time_is_over(
    sim: ThreadedSim, tmp_path: Path, speech: Speech, stream: bool
) -> None:
    with Gateway(tmp_path, settings(sim, speech, prefetch=prefetching())) as gateway:
        seen: list[str | None] = []

        def used() -> bool:
            seen.append(asking(gateway, speech, stream=stream).cache)
            return told(gateway)["prefetch"]["used"] >= 1

        eventually(used, PATIENCE_S)
        assert (seen[0], seen[-1]) == ("miss", "l1")
        metrics = gateway.metrics()
        assert metrics['headrace_prefetched_total{outcome="used"}'] >= 1
        assert metrics["headrace_prefetch_saved_seconds_total"] > 0
        assert metrics[SPENT] > 0
        prefetch = told(gateway)["prefetch"]
        assert prefetch["planned"] >= metrics[ASKED] >= 1
        assert prefetch["kept"] == 1
        # Every call of the provider is a miss that somebody saw, or was asked ahead.
        calls = sum(models.get("m", 0) for models in sim.stats().requests.values())
        assert calls >= seen.count("miss") + metrics[ASKED]
        assert told(gateway)["spent"]["prefetch"]["calls"] >= 1


@pytest.mark.heavy
def test_where_leases_are_shared_one_is_taken_for_it(sim: ThreadedSim, tmp_path: Path) -> None:
    speech = SPEECHES[0]
    (tmp_path / "valkey").mkdir()
    with Valkey(tmp_path / "valkey") as valkey:
        cache = {"shared": valkey.url, "tier_timeout_ms": 2000, "prefetch": prefetching()}
        with Gateway(tmp_path, settings(sim, speech, **cache)) as gateway:

            def used() -> bool:
                asking(gateway, speech)
                return told(gateway)["prefetch"]["used"] >= 1

            eventually(used, PATIENCE_S)
            assert gateway.metrics()[ASKED] >= 1


@pytest.mark.heavy
def test_what_nobody_asks_for_any_more_is_told_as_waste(sim: ThreadedSim, tmp_path: Path) -> None:
    speech = SPEECHES[0]
    with Gateway(tmp_path, settings(sim, speech, prefetch=prefetching())) as gateway:
        series = 'headrace_prefetched_total{outcome="wasted"}'

        def wasted() -> bool:
            state = told(gateway)
            if state["memory"]["entries"] == 0 and not state["prefetch"]["asking"]:
                asking(gateway, speech)  # at first, or once more where it was too late to ask ahead
            return gateway.metrics().get(series, 0) >= 1

        eventually(wasted, PATIENCE_S)
        assert gateway.metrics()["headrace_prefetch_wasted_usd_total"] > 0
        prefetch = told(gateway)["prefetch"]
        assert (prefetch["used"], prefetch["wasted_share"]) == (0, 1.0)
        assert 0 < prefetch["wasted_usd"] <= prefetch["spent_usd"]


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("cache", "refused"),
    [
        ({"reuse": {"enabled": True}}, None),
        ({"prefetch": prefetching(usd_per_hour=1e-7)}, "refused_budget"),
        ({"prefetch": prefetching(chance_min=1)}, "refused_value"),
    ],
    ids=["no budget", "a budget too small", "never likely enough"],
)
def test_what_is_not_worth_it_is_not_asked_for(
    sim: ThreadedSim, tmp_path: Path, cache: dict[str, Any], refused: str | None
) -> None:
    speech = SPEECHES[0]
    with Gateway(tmp_path, settings(sim, speech, **cache)) as gateway:
        asking(gateway, speech)
        expired = 'headrace_cache_evictions_total{reason="expired"}'
        eventually(lambda: gateway.metrics().get(expired, 0) == 1, PATIENCE_S)
        assert ASKED not in gateway.metrics()
        assert sum(models.get("m", 0) for models in sim.stats().requests.values()) == 1
        prefetch = told(gateway)["prefetch"]
        if refused is None:
            assert prefetch is None
        else:  # missed where the machine was too slow to look in time
            assert prefetch[refused] + prefetch["missed"] == 1


@pytest.mark.heavy
def test_while_the_provider_is_busy_nothing_is_asked_ahead(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    speech = SPEECHES[0]
    sim.script(Fault(model="slow", kind=FaultKind.STALL_BEFORE))
    whole = settings(sim, speech, prefetch=prefetching(idle_inflight_max=1))
    with Gateway(tmp_path, whole) as gateway, connect(gateway.url) as busy:
        busy.send(encode_request(speech.path, speech.document("slow")))
        eventually(lambda: gateway.status()["upstream_calls"] == 1)
        series = 'headrace_prefetch_refusals_total{why="busy"}'

        def refused() -> bool:
            if told(gateway)["memory"]["entries"] == 0:
                asking(gateway, speech)  # at first, or once more where it was too late to ask ahead
            return gateway.metrics().get(series, 0) >= 1

        eventually(refused, PATIENCE_S)
        assert ASKED not in gateway.metrics()
        assert told(gateway)["prefetch"]["planned"] == 0


@pytest.mark.heavy
def test_what_is_used_is_foreseen_and_told(sim: ThreadedSim, tmp_path: Path) -> None:
    speech = SPEECHES[0]
    with Gateway(tmp_path, settings(sim, speech, reuse={"enabled": True})) as gateway:
        asking(gateway, speech)
        asking(gateway, speech)
        eventually(lambda: told(gateway)["reuse"]["outcomes"] >= 1, PATIENCE_S)
        reuse = told(gateway)["reuse"]
        assert (reuse["answering"], reuse["used_share"]) == ("category", 1.0)
        assert set(reuse["log_losses"]) == {"category", "interval", "learned"}
