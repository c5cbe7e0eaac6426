"""While the budget of a service level burns, calls that can wait give way; then they do no more."""

import itertools
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.waiting import eventually
from tests.support.wire import Response

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

pytestmark = pytest.mark.heavy

TEXT = "Please ask again in a minute."
QUICK = {"fast_s": 1, "slow_s": 2, "look_s": 0.25}


class Case:
    """A gateway with a reaction, before a provider that is told to fail."""

    def __init__(self, gateway: Gateway, sim: ThreadedSim) -> None:
        self.gateway = gateway
        self.sim = sim
        self._seeds = itertools.count(1)

    def ask(self, priority: str = "normal", model: str = "smart", **fields: Any) -> Response:
        """A question that was never asked before, unless it has a seed."""
        seed = fields.pop("seed", next(self._seeds))
        document = OPENAI.document(model, seed=seed, **fields)
        headers = {"x-headrace-priority": priority}
        return self.gateway.post(OPENAI.path, document, headers=headers)

    def level(self) -> dict[str, Any]:
        (one,) = self.gateway.get("/admin/slos").json()["data"]
        return dict(one)

    def share(self) -> float:
        reaction = self.level()["reaction"]
        return 0.0 if reaction is None else float(reaction["share"])

    def until_share(self, least: float = 0.0, most: float = 1.0) -> None:
        """Go on asking until so much gives way."""

        def asked() -> bool:
            for priority in ("high", "normal", "low"):
                self.ask(priority)
            return least <= self.share() <= most

        eventually(asked, 60)

    def given_way(self, priority: str, action: str) -> Response:
        """The answer to a call that gave way."""

        def asked() -> Response | None:
            answer = self.ask(priority)
            return answer if "x-headrace-slo" in answer.headers else None

        answer = eventually(asked)
        assert answer is not None
        assert answer.headers["x-headrace-slo"] == f"{action};level=up"
        return answer

    def break_down(self, model: str = "large") -> None:
        self.sim.script(Fault(kind=FaultKind.STATUS, times=None, model=model))


def settings(sim: ThreadedSim, workers: int, **reaction: Any) -> dict[str, Any]:
    provider = {
        "dialect": "openai",
        "base_url": f"{sim.url}/v1",
        "retry": {"tries_max": 1},
        "breaker": {"enabled": False},
    }
    slo = {"name": "up", "kind": "availability", "objective": 0.9}
    return {
        "listen": {"workers": workers},
        "providers": {"sim": provider},
        "models": {
            "smart": {"targets": ["sim/large"]},
            "worded": {"targets": ["sim/large"], "fallback_text": TEXT},
            "small": {"targets": ["sim/small"]},
        },
        "slos": [{**slo, "reaction": {**QUICK, **reaction}} if reaction else slo],
    }


@pytest.fixture
def shedding(tmp_path: Path, sim: ThreadedSim) -> Iterator[Case]:
    with Gateway(tmp_path, settings(sim, 2, action="shed")) as gateway:
        yield Case(gateway, sim)


def test_calls_are_refused_until_the_burn_is_over(shedding: Case) -> None:
    case = shedding
    assert case.ask("low").status == 200
    assert case.share() == 0
    case.break_down()
    case.until_share(least=0.6)
    refused = case.given_way("low", "shed")
    assert refused.status == 503
    assert refused.json()["error"]["code"] == "slo_shed"
    assert refused.headers["retry-after"] == "1"
    # Those that matter go on, and are all that still counts.
    before = case.level()
    answers = [case.ask("high") for _ in range(10)]
    assert [answer.status for answer in answers] == [500] * 10
    assert not any("x-headrace-slo" in answer.headers for answer in answers)
    eventually(lambda: case.level()["bad"] >= before["bad"] + 10)
    acted = 'headrace_slo_reactions_total{slo="up",action="shed",priority="low"}'
    assert case.gateway.metrics()[acted] > 0

    def burning() -> bool:
        case.ask("high")  # or it would be over soon
        return case.gateway.metrics()['headrace_slo_reaction_share{slo="up"}'] > 0

    eventually(burning)
    level = case.level()
    assert level["bad"] == level["answers"] - 1
    eventually(lambda: "slo_shed" in {line.get("error") for line in case.gateway.requests()})

    case.sim.script()
    case.until_share(most=0.0)
    # The worker that decided hears of it first.
    eventually(lambda: case.ask("low").status == 200)
    said = eventually(
        lambda: (
            events
            if (
                events := [
                    x["event"] for x in case.gateway.events() if x["event"].startswith("slo_")
                ]
            )[-1]
            == "slo_reaction_over"
            else None
        )
    )
    assert said is not None
    assert said[0] == "slo_reaction"


def test_stored_answers_are_given_to_everybody(shedding: Case) -> None:
    case = shedding
    # Each worker has to have it, whichever is asked below: chance leaves neither of two out.
    assert {case.ask("low", seed=0).status for _ in range(50)} == {200}
    case.break_down()
    case.until_share(least=0.6)
    case.given_way("low", "shed")
    assert case.ask("low", seed=0).status == 200


def test_another_worker_goes_on_where_the_one_that_decided_died(shedding: Case) -> None:
    case = shedding
    case.break_down()
    case.until_share(least=0.6)
    pids = {line["pid"] for line in case.gateway.events() if line["event"] == "listening"}
    first = min(pids)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: [x for x in case.gateway.events() if x["event"] == "worker_ended"])
    case.given_way("low", "shed")
    case.until_share(least=0.8)
    case.sim.script()
    case.until_share(most=0.0)


def test_a_reload_goes_on_with_another_reaction_and_ends_without_one(shedding: Case) -> None:
    case = shedding
    case.break_down()
    case.until_share(least=0.6)
    bad = case.level()["bad"]
    other = settings(case.sim, 2, action="degrade", model="small", share_max=0.5)
    case.gateway.write_settings(other)
    assert case.gateway.reload()["event"] == "reloaded"
    assert case.given_way("low", "degrade").status == 200
    case.until_share(least=0.5, most=0.5)
    assert case.level()["bad"] >= bad
    case.gateway.write_settings(settings(case.sim, 2))
    assert case.gateway.reload()["event"] == "reloaded"
    eventually(lambda: case.level()["reaction"] is None)
    eventually(lambda: all(case.ask("low").status == 500 for _ in range(10)))


def test_a_cheaper_model_is_asked_and_its_answer_is_not_kept(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    with Gateway(tmp_path, settings(sim, 1, action="degrade", model="small")) as gateway:
        case = Case(gateway, sim)
        case.break_down()
        case.until_share(least=0.5)
        given = case.given_way("low", "degrade")
        assert given.status == 200
        assert given.headers["x-headrace-model"] == "small"
        assert case.ask("high").status == 500
        # The cheaper model's answer is no answer of the one that was asked.
        answers = [case.ask("low", seed=-1) for _ in range(6)]
        assert {answer.headers["x-headrace-cache"] for answer in answers} == {"miss"}
        streamed = eventually(
            lambda: answer if (answer := case.ask("low", stream=True)).status == 200 else None
        )
        assert streamed is not None
        assert b"[DONE]" in streamed.body
        sim.script()
        case.until_share(most=0.0)
        assert case.ask("low").headers["x-headrace-model"] == "large"


def test_the_text_is_given_without_asking_anybody(tmp_path: Path, sim: ThreadedSim) -> None:
    with Gateway(tmp_path, settings(sim, 1, action="template")) as gateway:
        case = Case(gateway, sim)
        case.break_down()
        case.until_share(least=0.5)

        def asked_so_far() -> int:
            return sim.stats().requests[OPENAI.path]["large"]

        def given_way(priority: str) -> Response:
            def asked() -> Response | None:
                before = asked_so_far()
                answer = case.ask(priority, "worded")
                if "x-headrace-slo" not in answer.headers:
                    return None
                assert asked_so_far() == before
                return answer

            answer = eventually(asked)
            assert answer is not None
            return answer

        given = given_way("low")
        assert given.status == 200
        assert given.headers["x-headrace-fallback"] == "text"
        assert given.json()["choices"][0]["message"]["content"] == TEXT
        log = eventually(
            lambda: [each for each in gateway.requests() if each.get("fallback") == "template"]
        )
        assert log[0]["remarks"] == {"slo": "template;level=up"}
        # Who asks again later, as batches do, would take the text for an answer.
        refused = given_way("batch")
        assert (refused.status, refused.json()["error"]["code"]) == (503, "slo_shed")
        assert refused.headers["x-headrace-slo"] == "shed;level=up"
        # A model without a text goes on as it is.
        assert {case.ask("low").status for _ in range(5)} == {500}


def test_streams_that_fail_count_by_where_they_do(tmp_path: Path, sim: ThreadedSim) -> None:
    levels = [
        {"name": "begun", "kind": "ttft", "threshold_ms": 20000, "objective": 0.9},
        {"name": "up", "kind": "availability", "objective": 0.9},
        {"name": "whole", "kind": "latency", "threshold_ms": 40000, "objective": 0.9},
    ]
    with Gateway(tmp_path, {**settings(sim, 1), "slos": levels}) as gateway:
        case = Case(gateway, sim)
        assert case.ask(stream=True).status == 200
        case.break_down()
        assert case.ask(stream=True).status == 500
        sim.script()
        sim.script(Fault(kind=FaultKind.CUT, after_chunks=2))
        assert case.ask(stream=True).status == 200

        def told() -> dict[str, tuple[int, int]]:
            data = gateway.get("/admin/slos").json()["data"]
            return {each["name"]: (each["answers"], each["bad"]) for each in data}

        # The one that was cut had begun.
        eventually(lambda: told() == {"begun": (3, 1), "up": (3, 2), "whole": (3, 2)})


def test_a_gateway_that_starts_anew_begins_at_nothing(tmp_path: Path, sim: ThreadedSim) -> None:
    declared = {**settings(sim, 1, action="shed"), "data_dir": str(tmp_path / "data")}
    with Gateway(tmp_path / "first", declared) as gateway:
        case = Case(gateway, sim)
        case.break_down()
        case.until_share(least=0.5)
    with Gateway(tmp_path / "second", declared) as gateway:
        case = Case(gateway, sim)
        assert case.share() == 0
        # What burns still, it finds out by itself.
        assert case.ask("low").status == 500
        case.until_share(least=0.5)


@pytest.mark.parametrize("action", ["shed", "degrade", "template"])
def test_what_gave_way_is_handed_to_no_other_worker(
    tmp_path: Path, sim: ThreadedSim, action: str
) -> None:
    more = {"model": "small"} if action == "degrade" else {}
    declared = settings(sim, 2, action=action, **more)
    declared["cache"] = {"tier_timeout_ms": 2000}
    with Gateway(tmp_path, declared) as gateway:
        case = Case(gateway, sim)
        case.break_down()
        case.until_share(least=0.6)
        # The cheaper model takes its time: others wait at the other worker until it has answered.
        sim.script(
            Fault(kind=FaultKind.STATUS, times=None, model="large"),
            Fault(kind=FaultKind.SLOW, times=None, model="small", delay_ms=200),
        )
        gave_way = 0
        for seed in range(-20, 0):
            asked = ["low", "high", "low", "high"]

            def ask(priority: str, seed: int = seed) -> Response:
                return case.ask(priority, "worded", seed=seed)

            with ThreadPoolExecutor(len(asked)) as pool:
                answers = list(pool.map(ask, asked))
            for priority, answer in zip(asked, answers, strict=True):
                given = answer.headers.get("x-headrace-slo")
                gave_way += given is not None
                if priority == "low" or answer.cache == "joined":
                    continue
                # The dear model was asked for it in vain: its text is what there is.
                assert given is None
                assert answer.headers["x-headrace-model"] == "large"
                assert answer.headers["x-headrace-fallback"] == "text"
        assert gave_way > 0
        sim.script()
        stored = {
            case.ask("high", "worded", seed=at).headers["x-headrace-model"] for at in (-2, -1)
        }
        assert stored == {"large"}


def test_a_gateway_in_front_keeps_nothing_that_gave_way_behind_it(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    declared = settings(sim, 1, action="degrade", model="small")
    with Gateway(tmp_path / "behind", declared) as behind:
        provider = {
            **declared["providers"]["sim"],
            "base_url": f"{behind.url}/v1",
            "headers": {"x-headrace-priority": "low"},
        }
        models = {"smart": {"targets": ["behind/smart"]}}
        with Gateway(
            tmp_path / "front", {"providers": {"behind": provider}, "models": models}
        ) as front:
            case, ahead = Case(behind, sim), Case(front, sim)
            case.break_down()
            case.until_share(least=0.6)

            # A call of high priority there is one that can wait here, if that is declared.
            def given() -> Response | None:
                answer = ahead.ask("high", seed=-1)
                return answer if answer.status == 200 else None

            for _ in range(3):
                answer = eventually(given)
                assert answer is not None
                assert answer.cache == "miss"
                assert answer.headers["x-headrace-slo"] == "degrade;level=up"
            sim.script()
            case.until_share(most=0.0)
            assert [ahead.ask("high", seed=-1).cache for _ in range(2)] == ["miss", "l1"]
