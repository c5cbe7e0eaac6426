"""Budgets through a real gateway: who is refused and how, and that nobody overspends."""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, SPEECHES, Speech
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

DEAR: Final = {"input": 10.0, "output": 30.0}
CHEAP: Final = {"input": 1.0, "output": 3.0}
APP, OTHER, OPERATOR = "hr-app", "hr-other", "hr-operator"
KEYS: Final = (
    {"key": APP, "name": "app", "tenant": "acme"},
    {"key": OTHER, "name": "other", "tenant": "acme"},
    {"key": OPERATOR, "name": "operator", "tenant": "ops", "admin": True},
)
CALLERS: Final = 500
TOKENS: Final = 400


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


def settings(
    sim: ThreadedSim,
    *budgets: dict[str, Any],
    pace: dict[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Models of both dialects, with and without a price; `slow` answers at a pace of its own."""
    retry, url = {"tries_max": 1}, f"{sim.url}/v1"
    return {
        "providers": {
            "sim": {"dialect": "openai", "base_url": url, "retry": retry},
            "slow": {"dialect": "openai", "base_url": url, "headers": pace or {}},
            "claude": {"dialect": "anthropic", "base_url": sim.url},
        },
        "models": {
            "dear": {"targets": ["sim/dear"], "price": DEAR},
            "cheap": {"targets": ["sim/cheap"], "price": CHEAP},
            "slow": {"targets": ["slow/slow"], "price": DEAR},
            "claude-dear": {"targets": ["claude/dear"], "price": DEAR},
            "unpriced": {"targets": ["sim/unpriced"]},
        },
        "keys": list(KEYS),
        "budgets": list(budgets),
        **more,
    }


def gateway_with(folder: Path, sim: ThreadedSim, *budgets: dict[str, Any], **more: Any) -> Gateway:
    return Gateway(folder / "gateway", settings(sim, *budgets, **more), admin_key=OPERATOR)


def asked(
    gateway: Gateway,
    model: str = "dear",
    number: int = 0,
    *,
    key: str = APP,
    speech: Speech = OPENAI,
    tokens: int = TOKENS,
    **fields: Any,
) -> Response:
    document = speech.document(model, **{"max_tokens": tokens, **fields})
    document["messages"] = [{"role": "user", "content": f"Question {number}"}]
    return gateway.post(speech.path, document, headers={"authorization": f"Bearer {key}"})


def spend(gateway: Gateway) -> dict[str, Any]:
    response = gateway.get("/admin/spend", headers={"authorization": f"Bearer {OPERATOR}"})
    assert response.status == 200
    told: dict[str, Any] = response.json()
    return told


def book(gateway: Gateway, what: str, name: str) -> dict[str, Any]:
    """What was spent today by one key, tenant or model."""
    (entry,) = (each for each in spend(gateway)[what] if each["name"] == name)
    today: dict[str, Any] = entry["today"]
    return today


@pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
@pytest.mark.parametrize("status", ["402", "429"])
def test_a_budget_of_zero_refuses_all_in_both_dialects(
    tmp_path: Path, sim: ThreadedSim, speech: Speech, status: str
) -> None:
    budget = {"tenant": "acme", "day_usd": 0, "month_usd": 5, "status": status}
    with gateway_with(tmp_path, sim, budget) as gateway:
        refused = asked(gateway, speech.lane("dear"), speech=speech)
        assert refused.status == int(status)
        assert refused.error["code"] == "budget_exceeded"
        types = {"402": "billing_error", "429": "rate_limit_error"}
        is_anthropic = speech is ANTHROPIC
        assert refused.error["type"] == (types[status] if is_anthropic else "insufficient_quota")
        assert "tenant=acme" in refused.error["message"]
        assert refused.headers["x-should-retry"] == "false"
        assert "retry-after" not in refused.headers  # no day will do
        assert sim.stats().requests_total == 0
        assert gateway.metrics()['headrace_budget_refusals_total{period="day"}'] == 1


def test_what_is_spent_is_refused_until_the_day_ends(tmp_path: Path, sim: ThreadedSim) -> None:
    budget = {"key": "app", "day_usd": 0.02, "time_zone": "Asia/Tokyo"}
    with gateway_with(tmp_path, sim, budget) as gateway:
        answers = [asked(gateway, number=number) for number in range(12)]
        statuses = [answer.status for answer in answers]
        served = statuses.count(200)
        assert statuses == [200] * served + [429] * (12 - served)
        assert 1 <= served < 12
        (told,) = spend(gateway)["budgets"]
        cost = sum(float(answer.headers["x-headrace-cost-usd"]) for answer in answers[:served])
        assert told["day"]["spent_usd"] == pytest.approx(cost)
        assert told["day"]["ends_at"].endswith("T00:00:00+09:00")
        assert 0 < int(answers[-1].headers["retry-after"]) <= 24 * 3600
        assert asked(gateway, number=9, key=OTHER).status == 200  # a key without one
        assert asked(gateway, number=0).cache == "l1"  # hits are free


def test_the_books_say_what_answers_said(tmp_path: Path, sim: ThreadedSim) -> None:
    with gateway_with(tmp_path, sim, spend={"enabled": True}) as gateway:
        answers = [
            asked(gateway, number=1),
            asked(gateway, number=2, key=OTHER),
            asked(gateway, "claude-dear", 3, speech=ANTHROPIC),
            asked(gateway, number=4, stream=True, stream_options={"include_usage": True}),
        ]
        assert [answer.status for answer in answers] == [200] * 4
        for number in (1, 2):
            assert asked(gateway, number=number).cache == "l1"
        whole = sum(float(each.headers.get("x-headrace-cost-usd", 0)) for each in answers)
        stream = json.loads(answers[3].events[-2])["usage"]
        whole += (stream["prompt_tokens"] * 10 + stream["completion_tokens"] * 30) / 1e6
        told = book(gateway, "tenants", "acme")
        assert told["usd"] == pytest.approx(whole)
        assert (told["calls"], told["reserved_usd"]) == (4, 0)
        assert book(gateway, "keys", "app")["calls"] == 3
        assert book(gateway, "models", "claude/dear")["calls"] == 1
        assert book(gateway, "models", "sim/dear")["calls"] == 3


def test_what_is_wanted_has_a_budget(tmp_path: Path, sim: ThreadedSim) -> None:
    rules = [
        {"intent": name, "words": [word]}
        for name, word in (("numbers", "question"), ("other", "nobody says this"))
    ]
    intents = {"auto": {"default": "dear", "rules": rules}}
    budgets = ({"intent": "numbers", "day_usd": 1}, {"intent": "other", "day_usd": 0})
    with gateway_with(tmp_path, sim, *budgets, intents=intents) as gateway:
        assert asked(gateway, "auto").status == 200
        assert book(gateway, "intents", "numbers")["calls"] == 1
        gateway.write_settings(settings(sim, {"intent": "numbers", "day_usd": 0}, intents=intents))
        assert gateway.reload()["event"] == "reloaded"
        refused = asked(gateway, "auto", 1)
        assert (refused.status, refused.error["code"]) == (429, "budget_exceeded")
        assert asked(gateway, "dear", 2).status == 200  # nobody asks what it wants


@pytest.mark.heavy
def test_the_command_line_shows_what_is_spent(tmp_path: Path, sim: ThreadedSim) -> None:
    with gateway_with(tmp_path, sim, {"tenant": "acme", "month_usd": 0}) as gateway:
        asked(gateway, key=OPERATOR)
        environment = {**os.environ, "HEADRACE_ADMIN_KEY": OPERATOR, "COLUMNS": "120"}
        command = (sys.executable, "-m", "headrace.cli.main", "spend", "--url", gateway.url)
        shown = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
        assert shown.returncode == 0, shown.stderr
        assert re.search(r"key operator +\$0\.\d{4}", shown.stdout)
        assert re.search(r"tenant=acme +hard +month +\$0\.00", shown.stdout)
        narrow = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**environment, "COLUMNS": "20"},
            timeout=60,
        )
        assert narrow.stdout == shown.stdout
        raw = subprocess.run(
            (*command, "--json"), capture_output=True, text=True, env=environment, timeout=60
        )
        assert json.loads(raw.stdout)["budgets"][0]["name"] == "tenant=acme"
        environment["HEADRACE_ADMIN_KEY"] = APP
        refused = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=60
        )
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "Not told: This needs the key of an administrator" in refused.stderr


def test_what_fails_costs_nothing(tmp_path: Path, sim: ThreadedSim) -> None:
    with gateway_with(tmp_path, sim, {"tenant": "acme", "day_usd": 1}) as gateway:
        for fault in (
            Fault(kind=FaultKind.STATUS, status=500),
            Fault(kind=FaultKind.STATUS, status=400),
        ):
            sim.script(fault)
            assert asked(gateway).status == fault.status
        told = _ended(gateway)
        assert told is not None
        assert told["day"]["spent_usd"] == 0


def test_what_is_cut_off_costs_what_came(tmp_path: Path, sim: ThreadedSim) -> None:
    pace = {"x-sim-tokens": "3000", "x-sim-token-ms": "20"}
    with gateway_with(tmp_path, sim, {"tenant": "acme", "day_usd": 1}, pace=pace) as gateway:
        request = encode_request(
            OPENAI.path,
            OPENAI.document("slow", stream=True, max_tokens=4000),
            headers={"authorization": f"Bearer {APP}"},
        )
        with connect(gateway.url) as client:
            client.send(request)
            client.read_until(b"data:")
            (held,) = spend(gateway)["budgets"]
            assert held["day"]["reserved_usd"] > 4000 * 30e-6
            received = b""
            while received.count(b"data:") < 10:
                received += client.read_some()
        told = eventually(lambda: _ended(gateway))
        assert 10 * 30e-6 <= told["day"]["spent_usd"] < 2000 * 30e-6


def _ended(gateway: Gateway) -> dict[str, Any] | None:
    (told,) = spend(gateway)["budgets"]
    return None if told["day"]["reserved_usd"] else told


def test_a_soft_budget_asks_the_cheaper_model(tmp_path: Path, sim: ThreadedSim) -> None:
    budget = {"model": "dear", "day_usd": 0.05, "soft_share": 0.1, "cheaper": "cheap"}
    with gateway_with(tmp_path, sim, budget) as gateway:
        answers = [asked(gateway, number=number) for number in range(8)]
        assert {answer.status for answer in answers} == {200}
        models = [answer.headers["x-headrace-model"] for answer in answers]
        dear = models.count("dear")
        assert models == ["dear"] * dear + ["cheap"] * (8 - dear)
        assert 1 <= dear < 8
        said = [answer.headers.get("x-headrace-budget") for answer in answers]
        assert said == [None] * dear + ["soft"] * (8 - dear)
        # Of either model what is stored stays its own.
        assert asked(gateway, number=0).headers["x-headrace-model"] == "dear"
        again = asked(gateway, number=7)
        assert (again.cache, again.headers["x-headrace-model"]) == ("l1", "cheap")
        gateway.write_settings(settings(sim))
        assert gateway.reload()["event"] == "reloaded"
        assert asked(gateway, number=7).headers["x-headrace-model"] == "dear"


def test_a_model_without_a_price_is_told_of_and_may_be_refused(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    budget = {"tenant": "acme", "day_usd": 1}
    with gateway_with(tmp_path, sim, budget) as gateway:
        warned = [each for each in gateway.events() if each["event"] == "price_unknown"]
        assert [each["about"] for each in warned] == ["sim/unpriced"]
        assert asked(gateway, "unpriced").status == 200
        gateway.write_settings(settings(sim, budget, spend={"unpriced": "refuse"}))
        assert gateway.reload()["event"] == "reloaded"
        refused = asked(gateway, "unpriced", 1)
        assert (refused.status, refused.error["code"]) == (403, "price_unknown")
        assert asked(gateway, "unpriced", 2, key=OPERATOR).status == 200  # has no budget


def test_who_has_money_does_not_share_the_refusal_of_who_has_none(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    with gateway_with(tmp_path, sim, {"key": "other", "day_usd": 0}) as gateway:
        for number in range(10):
            answers = _at_once(
                gateway, [(number, OTHER), (number, APP), (number, OTHER), (number, APP)]
            )
            by_key = {key: {a.status for k, a in answers if k == key} for key in (APP, OTHER)}
            assert by_key[APP] == {200}
            assert by_key[OTHER] <= {200, 429}  # an answer that is there is for both


def _at_once(gateway: Gateway, questions: list[tuple[int, str]]) -> list[tuple[str, Response]]:
    answers: list[tuple[str, Response]] = []

    def run(number: int, key: str) -> None:
        answers.append((key, asked(gateway, number=number, key=key)))

    threads = [threading.Thread(target=run, args=each) for each in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.heavy)])
@pytest.mark.parametrize("is_bounded", [True, False], ids=["bounded", "unbounded"])
def test_500_callers_at_once_do_not_overspend(
    tmp_path: Path, sim: ThreadedSim, workers: int, is_bounded: bool
) -> None:
    """Where output is bounded, nothing beyond; else no more than calls cost beyond estimates."""
    limit_usd, bound = 0.5, {"max_tokens": TOKENS} if is_bounded else {}
    # They are answered so late that all are under way together, and at greater length than usual.
    pace = {"x-sim-ttft-ms": "500", "x-sim-tokens": "1500"}
    requests = [
        encode_request(
            OPENAI.path,
            {**OPENAI.document("slow", **bound), "seed": number},
            headers={"authorization": f"Bearer {APP}"},
        )
        for number in range(CALLERS)
    ]
    budget = {"tenant": "acme", "day_usd": limit_usd}
    listen = {"workers": workers}
    with gateway_with(tmp_path, sim, budget, pace=pace, listen=listen) as gateway:
        answers = _storm(gateway.url, requests)
        assert len(answers) == CALLERS
        assert {answer.status for answer in answers} == {200, 429}
        costs = [
            float(answer.headers["x-headrace-cost-usd"])
            for answer in answers
            if answer.status == 200
        ]
        told = eventually(lambda: _ended(gateway))["day"]
        assert told["spent_usd"] == pytest.approx(sum(costs))
        assert limit_usd / 5 < sum(costs)  # it was of use
        beyond_usd = gateway.metrics()["headrace_spend_beyond_usd_total"]
        assert sum(costs) <= limit_usd + beyond_usd
        assert (beyond_usd == 0) is is_bounded


def _storm(url: str, requests: list[bytes]) -> list[Response]:
    """All of them are sent before any answer is read."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in requests]
        for client, request in zip(clients, requests, strict=True):
            client.send(request)
        return [client.response() for client in clients]
