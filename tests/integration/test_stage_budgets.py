"""Declared times of stages through a real gateway: told, counted and logged, nothing more."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.waiting import eventually

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

NEVER_MS, ALWAYS_MS = 3_600_000, 1e-6


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


def settings(sim: ThreadedSim, **stages: float) -> dict[str, Any]:
    provider = {"dialect": "openai", "base_url": f"{sim.url}/v1"}
    return {"providers": {"sim": provider}, "stages": stages}


def overruns(gateway: Gateway) -> dict[str, float]:
    """Overruns by stage, as far as there are any."""
    prefix = 'headrace_stage_overruns_total{stage="'
    return {
        name.removeprefix(prefix).removesuffix('"}'): value
        for name, value in gateway.metrics().items()
        if name.startswith(prefix)
    }


def overrun_lines(gateway: Gateway, count: int) -> list[dict[str, Any]]:
    """What the log says of overruns, once it says so much: it is written behind what happens."""

    def said() -> list[dict[str, Any]] | None:
        found = [each for each in gateway.events() if each["event"] == "stage_over_budget"]
        return found if len(found) >= count else None

    return eventually(said) or []


def test_what_takes_too_long_is_told_counted_and_logged(tmp_path: Path, sim: ThreadedSim) -> None:
    stages = {"route_ms": ALWAYS_MS, "send_ms": ALWAYS_MS, "validate_ms": NEVER_MS}
    with Gateway(tmp_path / "gateway", settings(sim, **stages)) as gateway:
        answer = gateway.post(OPENAI.path, OPENAI.document("m"))
        assert answer.status == 200
        told = {part.split(";")[0]: part for part in answer.headers["server-timing"].split(", ")}
        assert told["route"].startswith('route;desc="over 1e-06 ms";dur=')
        assert 'desc="over' in told["send"]
        assert {"authenticate", "validate", "look_up"} <= set(told)
        assert [name for name, part in told.items() if "desc" in part] == ["route", "send"]
        assert eventually(lambda: overruns(gateway)) == {"route": 1, "send": 1}
        said = overrun_lines(gateway, 2)
        assert {each["about"] for each in said} == {"route", "send"}
        for each in said:
            assert each["request_id"] == answer.headers["x-request-id"]
            assert each["took_ms"] > each["limit_ms"] == ALWAYS_MS


def test_hits_and_streams_are_looked_at_too(tmp_path: Path, sim: ThreadedSim) -> None:
    stages = {"look_up_ms": ALWAYS_MS, "stream_start_ms": ALWAYS_MS}
    with Gateway(tmp_path / "gateway", settings(sim, **stages)) as gateway:
        body = json.dumps(OPENAI.document("m")).encode()
        answers = [gateway.post(OPENAI.path, body=body) for _ in range(3)]
        assert [answer.cache for answer in answers] == ["miss", "l1", "l1"]
        assert gateway.post(OPENAI.path, OPENAI.document("n", stream=True)).status == 200
        assert eventually(
            lambda: found if (found := overruns(gateway)).get("stream_start") else None
        ) == {"look_up": 4, "stream_start": 1}


def test_the_log_does_not_say_it_for_every_request(tmp_path: Path, sim: ThreadedSim) -> None:
    with Gateway(tmp_path / "gateway", settings(sim, look_up_ms=ALWAYS_MS)) as gateway:
        for number in range(30):
            gateway.post(OPENAI.path, OPENAI.document("m", seed=number))
        assert eventually(lambda: overruns(gateway).get("look_up") == 30 or None)
        assert len(overrun_lines(gateway, 1)) <= 5  # one in ten seconds


def test_without_settings_nothing_is_said_and_a_reload_changes_that(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    with Gateway(tmp_path / "gateway", settings(sim)) as gateway:
        first = gateway.post(OPENAI.path, OPENAI.document("m"))
        assert "desc" not in first.headers["server-timing"]
        assert overruns(gateway) == {}
        gateway.write_settings(settings(sim, join_ms=ALWAYS_MS))
        assert gateway.reload()["event"] == "reloaded"
        second = gateway.post(OPENAI.path, OPENAI.document("m", seed=1))
        assert 'join;desc="over' in second.headers["server-timing"]
        assert eventually(lambda: overruns(gateway)) == {"join": 1}


BUDGETS = {
    "authentication": "authenticate",
    "intent": "aim",
    "routing": "route",
    "database": "tiers",
    "model": "send",
    "formatting": "prepare",
    "writing": "settle",
    "streaming": "stream_start",
}


def test_every_usual_budget_can_be_declared_is_timed_and_counted(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    stages = {f"{stage}_ms": ALWAYS_MS for stage in BUDGETS.values()}
    declared = {
        **settings(sim, **stages),
        "models": {"refunds": {"targets": ["sim/refunds"]}, "large": {"targets": ["sim/large"]}},
        "intents": {
            "auto": {
                "default": "large",
                "rules": [{"intent": "refund", "words": ["money back"]}],
                "routes": {"refund": {"model": "refunds"}},
            }
        },
        "cache": {"durable": True, "tier_timeout_ms": 2000},
    }
    with Gateway(tmp_path / "gateway", declared) as gateway:
        messages = [{"role": "user", "content": "I want my money back"}]
        document = OPENAI.document("auto", messages=messages, stream=True)
        answer = gateway.post(OPENAI.path, document)
        assert answer.status == 200  # whatever took too long
        assert answer.headers["x-headrace-model"] == "refunds"
        assert eventually(
            lambda: found if len(found := overruns(gateway)) == len(BUDGETS) else None
        ) == dict.fromkeys(BUDGETS.values(), 1)
        said = overrun_lines(gateway, len(BUDGETS))
        assert {each["about"] for each in said} == set(BUDGETS.values())
        assert {each["request_id"] for each in said} == {answer.headers["x-request-id"]}
        timed = gateway.metrics()
        for stage in set(BUDGETS.values()) - {"authenticate", "settle", "stream_start"}:
            assert timed[f'headrace_stage_duration_seconds_count{{stage="{stage}"}}'] == 1
        # What is over by then stands in the answer's head.
        over = [part for part in answer.headers["server-timing"].split(", ") if "desc=" in part]
        assert {part.split(";")[0] for part in over} == set(BUDGETS.values()) - {
            "settle",
            "stream_start",
        }


def test_the_rest_of_a_stream_that_breaks_off_is_relayed_like_any_other(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    with Gateway(tmp_path / "gateway", settings(sim, relay_ms=ALWAYS_MS)) as gateway:
        sim.script(Fault(kind=FaultKind.CUT, after_chunks=3))
        assert not gateway.post(OPENAI.path, OPENAI.document("m", stream=True)).is_whole
        assert eventually(lambda: overruns(gateway)) == {"relay": 1}
        counted = gateway.metrics()
        for stage in ("send", "relay", "settle"):
            assert counted[f'headrace_stage_duration_seconds_count{{stage="{stage}"}}'] == 1
