"""What the console says is the matter, with real processes that die and providers that are gone."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import free_port
from tests.support.waiting import eventually

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

ADMIN_KEY = "hr-operator-key"
ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}
APP = {"authorization": "Bearer hr-application-key"}


@pytest.fixture(scope="module")
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions(seed=5)) as server:
        yield server


def gateway_with(folder: Path, sim: ThreadedSim, **more: Any) -> Gateway:
    price = {"input": 10, "output": 1000}
    settings: dict[str, Any] = {
        "providers": {
            "sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"},
            "gone": {"dialect": "openai", "base_url": f"http://127.0.0.1:{free_port()}/v1"},
        },
        "models": {"dear": {"targets": ["sim/m"], "price": price}},
        "keys": [
            {"key": "hr-application-key", "tenant": "shop", "name": "app"},
            {"key": ADMIN_KEY, "tenant": "operations", "admin": True},
        ],
        **more,
    }
    return Gateway(folder, settings, admin_key=ADMIN_KEY)


def told(gateway: Gateway) -> dict[str, str]:
    """What is the matter, by the name of the alert."""
    answer = gateway.get("/admin/alerts", headers=ADMIN)
    assert answer.status == 200, answer.body
    return {each["name"]: each["what"] for each in answer.json()["data"]}


def asked(gateway: Gateway, model: str, number: int) -> int:
    question = {"model": model, "messages": [{"role": "user", "content": f"How is {number}?"}]}
    return gateway.post("/v1/chat/completions", question, headers=APP).status


def test_whoever_is_no_administrator_is_told_nothing(sim: ThreadedSim, tmp_path: Path) -> None:
    with gateway_with(tmp_path, sim) as gateway:
        assert gateway.get("/admin/alerts", headers=APP).status == 403
        assert gateway.get("/admin/alerts").status == 401


@pytest.mark.heavy
def test_a_provider_that_is_gone_and_a_budget_that_refuses(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    with gateway_with(tmp_path, sim, budgets=[{"key": "app", "day_usd": 0.2}]) as gateway:
        assert "HeadraceProviderOut" not in told(gateway)
        assert {asked(gateway, "gone/m", n) for n in range(20)} <= {502, 503}
        found = eventually(lambda: "HeadraceProviderOut" in told(gateway) and told(gateway))
        assert "gone" in found["HeadraceProviderOut"]
        assert "provider gone" in found["HeadraceProviderErrors"]
        assert [asked(gateway, "dear", n) for n in range(12)][-1] in (402, 429)
        eventually(lambda: "HeadraceBudgetRefuses" in told(gateway))


def test_a_worker_that_died_is_told_by_each_of_them(sim: ThreadedSim, tmp_path: Path) -> None:
    with gateway_with(tmp_path, sim, listen={"workers": 2}) as gateway:
        assert "HeadraceWorkersRestart" not in told(gateway)
        pids = eventually(lambda: workers(gateway)[1:] and workers(gateway))
        os.kill(pids[0], signal.SIGKILL)
        eventually(lambda: workers(gateway)[2:])
        # Each time a connection of its own: whichever answers, the new one too, knows of it.
        eventually(lambda: all("HeadraceWorkersRestart" in told(gateway) for _ in range(20)))


def workers(gateway: Gateway) -> list[int]:
    """The processes that have begun to answer, in order."""
    return [line["pid"] for line in gateway.events() if line["event"] == "listening"]
