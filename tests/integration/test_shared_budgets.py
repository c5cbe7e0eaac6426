"""Budgets that outlive gateways and are shared by several: what they spend together, and what
becomes of budgets while the store is away."""

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.postgres import PostgresServer
from tests.support.stores import Place
from tests.support.waiting import eventually
from tests.support.wire import Response

from headrace.identity.tallies import NANO
from headrace.sim.thread import ThreadedSim

APP, OPERATOR = "hr-app", "hr-operator"
TOKENS: Final = 400
DEAR: Final = {"input": 10.0, "output": 30.0}
LIMIT_USD: Final = 0.5
SHARE: Final = 0.05
# What a call of 400 tokens and its prompt may cost.
CALL_USD: Final = 0.0125


def settings(sim: ThreadedSim, folder: Path, url: str = "sqlite", **more: Any) -> dict[str, Any]:
    return {
        "providers": {"sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"}},
        "models": {"dear": {"targets": ["sim/dear"], "price": DEAR}},
        "keys": [
            {"key": APP, "name": "app", "tenant": "acme"},
            {"key": OPERATOR, "name": "operator", "tenant": "ops", "admin": True},
        ],
        "budgets": [{"tenant": "acme", "day_usd": LIMIT_USD}],
        "store": {"url": url},
        "data_dir": str(folder),
        **more,
    }


class Asker:
    """Asks questions that nobody asked before."""

    def __init__(self) -> None:
        self._numbers = iter(range(10**9))
        self._lock = threading.Lock()

    def served(self, gateway: Gateway) -> Response:
        """An answer, or a refusal for good: who is told that nobody knows yet comes again."""
        return eventually(lambda: known(self.ask(gateway)))

    def ask(self, gateway: Gateway) -> Response:
        with self._lock:
            number = next(self._numbers)
        messages = [{"role": "user", "content": f"Question {number}"}]
        document = OPENAI.document("dear", messages=messages, max_tokens=TOKENS)
        return gateway.post(OPENAI.path, document, headers={"authorization": f"Bearer {APP}"})


def known(response: Response) -> Response | None:
    """An answer of a gateway that has heard of its store what keys there are, and what is left."""
    early = ("keys_unavailable", "budget_unavailable")
    return None if response.status == 503 and response.error["code"] in early else response


@pytest.fixture
def asker() -> Asker:
    return Asker()


def spent_usd(gateway: Gateway) -> float:
    told = gateway.get("/admin/spend", headers={"authorization": f"Bearer {OPERATOR}"}).json()
    (budget,) = told["budgets"]
    usd: float = budget["day"]["spent_usd"]
    return usd


def cost_of(answers: list[Response]) -> float:
    return sum(float(each.headers["x-headrace-cost-usd"]) for each in answers if each.status == 200)


@pytest.fixture
def gateways(sim: ThreadedSim, own_url: str, tmp_path: Path) -> Iterator[list[Gateway]]:
    """Two on one PostgreSQL, as on two machines, of two workers each."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                Gateway(
                    tmp_path / name,
                    settings(sim, tmp_path / name / "data", own_url, listen={"workers": 2}),
                    admin_key=OPERATOR,
                )
            )
            for name in ("one", "two")
        ]


@pytest.mark.heavy
def test_two_gateways_spend_what_there_is_together(gateways: list[Gateway], asker: Asker) -> None:
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda n: asker.ask(gateways[n % 2]), range(300)))

    def left_usd() -> float:
        """What was refused because the other one held it comes free after a while."""
        answers.extend(asker.ask(gateway) for gateway in gateways)
        return LIMIT_USD - cost_of(answers)

    # What each keeps, and part of a call.
    eventually(lambda: left_usd() <= 2 * SHARE * LIMIT_USD + 4 * CALL_USD)
    assert {each.status for each in answers} <= {200, 429, 503}
    assert len([each for each in answers if each.status == 200]) > 10
    assert cost_of(answers) <= LIMIT_USD + 1e-6
    for gateway in gateways:
        eventually(lambda gateway=gateway: abs(spent_usd(gateway) - cost_of(answers)) < 1e-6)


@pytest.mark.heavy
@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=pytest.mark.heavy)])
def test_a_budget_is_not_opened_again_by_a_restart(
    sim: ThreadedSim, place: Place, asker: Asker, workers: int
) -> None:
    begun = settings(sim, place.folder, place.url, listen={"workers": workers})
    answers: list[Response] = []
    for number, ends in enumerate(("stop", "kill", "stop")):
        gateway = Gateway(place.folder / str(number), begun, admin_key=OPERATOR)
        try:
            before_usd = spent_usd(gateway)
            assert before_usd == pytest.approx(cost_of(answers))
            # At once, also where the one before was killed with all that was left in its hands.
            answers += [asker.served(gateway) for _ in range(8)]
            assert {each.status for each in answers} == {200}
            cost = cost_of(answers)
            eventually(lambda gateway=gateway, cost=cost: abs(spent_usd(gateway) - cost) < 1e-6)
            if ends == "kill":
                eventually(lambda cost=cost: abs(told_usd(place) - cost) < 1e-6)
                kill_all(gateway)
            else:
                gateway.stop()
        except BaseException:
            gateway.kill()
            raise
    assert cost_of(answers) <= LIMIT_USD


def told_usd(place: Place) -> float:
    """What is in the store of the tenant's spending."""

    async def read() -> float:
        async with place.records() as records:
            sums = await records.fetch("spend.sums", {"period": 0, "number": 0, "holder": ""})
        return sum(each["spent"] for each in sums if each["name"].startswith("tenant\nacme")) / NANO

    return asyncio.run(read())


def kill_all(gateway: Gateway) -> None:
    """Kill a gateway with its workers, so that none of them can tell anything more."""
    import psutil

    whole = psutil.Process(gateway.process.pid)
    for each in [*whole.children(recursive=True), whole]:
        each.send_signal(signal.SIGKILL)
    gateway.process.wait()


@pytest.mark.heavy
def test_four_workers_and_one_that_dies_spend_no_more_than_there_is(
    sim: ThreadedSim, tmp_path: Path, asker: Asker
) -> None:
    import psutil

    several = settings(sim, tmp_path, listen={"workers": 4})
    with Gateway(tmp_path / "g", several, admin_key=OPERATOR) as gateway:

        def ask(number: int) -> Response | None:
            if number == 60:
                psutil.Process(gateway.process.pid).children()[0].kill()
            try:
                return asker.ask(gateway)
            except (OSError, AssertionError):  # it was under way in the worker that died
                return None

        with ThreadPoolExecutor(16) as pool:
            answers = [each for each in pool.map(ask, range(200)) if each is not None]
        assert cost_of(answers) <= LIMIT_USD
        assert Counter(each.status for each in answers)[200] >= 20
        assert spent_usd(gateway) <= LIMIT_USD + 1e-6


@pytest.mark.heavy
@pytest.mark.parametrize("offline", ["refuse", "allow"])
def test_while_the_store_is_frozen_a_gateway_spends_its_share(
    sim: ThreadedSim,
    server: PostgresServer,
    own_url: str,
    tmp_path: Path,
    asker: Asker,
    offline: str,
) -> None:
    shared = settings(sim, tmp_path, own_url, spend={"offline": offline, "lease_share": 0.2})
    with Gateway(tmp_path / "g", shared, admin_key=OPERATOR) as gateway:
        assert asker.ask(gateway).status == 200
        server.freeze()
        eventually(lambda: "spend_not_shared" in [each["event"] for each in gateway.events()])
        before_usd = spent_usd(gateway)
        answers = [asker.ask(gateway) for _ in range(60)]
        statuses = Counter(each.status for each in answers)
        if offline == "refuse":
            assert set(statuses) == {200, 503}
            refused = next(each for each in answers if each.status == 503)
            assert refused.error["code"] == "budget_unavailable"
            assert int(refused.headers["retry-after"]) >= 1
            kept_usd = 0.2 * LIMIT_USD
            # What was held when it was leased counted as used.
            assert kept_usd / 2 <= spent_usd(gateway) - before_usd <= kept_usd + CALL_USD
        else:
            assert statuses[503] == 0
            assert cost_of(answers) <= LIMIT_USD
        server.thaw()
        eventually(lambda: "spend_shared_again" in [each["event"] for each in gateway.events()])
        if offline == "refuse":
            assert eventually(lambda: asker.ask(gateway).status == 200)


def test_a_key_of_the_store_has_its_budget(sim: ThreadedSim, place: Place, asker: Asker) -> None:
    with Gateway(
        place.folder / "g", settings(sim, place.folder, place.url), admin_key=OPERATOR
    ) as gateway:
        operator = {"authorization": f"Bearer {OPERATOR}"}
        made = gateway.post("/admin/keys", {"name": "k", "day_usd": 0.03}, headers=operator).json()
        document = OPENAI.document("dear", max_tokens=TOKENS)
        headers = {"authorization": f"Bearer {made['key']}"}

        def status(number: int) -> int:
            asked = {**document, "seed": number}
            return eventually(
                lambda: known(gateway.post(OPENAI.path, asked, headers=headers))
            ).status

        statuses = [status(number) for number in range(8)]
        served = statuses.count(200)
        assert statuses == [200] * served + [429] * (8 - served)
        assert 1 <= served < 8
        told = gateway.get("/admin/spend", headers=operator).json()["budgets"]
        assert [each["name"] for each in told] == ["tenant=acme", "key default/k"]
