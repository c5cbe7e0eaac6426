"""Tiers and experiments with real calls: who answers, what callers are told, what is counted."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, free_port
from tests.support.wire import Response

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

EASY = "hi, thanks"
HARD = (
    "Prove step by step why the algorithm is optimal, derive its time complexity, and design a "
    "counterexample?\n1. Analyze the race\n2. Compare\n"
    "```\ndef f(x):\n    return x\n```\nf(x) = x^2"
)
# The shipped guess tells these two far apart.
BY_SCORE = {"cheap_below": 0.15, "strong_from": 0.5}


@pytest.fixture(scope="module")
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


@pytest.fixture(autouse=True)
def mended(sim: ThreadedSim) -> None:
    sim.reset()


def settings(sim: ThreadedSim, tiers: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    auto = {"cheap": "small", "standard": "middle", "strong": "large", **BY_SCORE, **(tiers or {})}
    price = {"input": 1.0, "output": 1.0}
    return {
        "providers": {
            "one": {"dialect": "openai", "base_url": f"{sim.url}/v1", "warm_connections": 0},
            "two": {"dialect": "anthropic", "base_url": sim.url, "warm_connections": 0},
        },
        "models": {
            "small": {"targets": ["one/s", "two/s"], "price": price},
            "middle": {"targets": ["one/m"]},
            "large": {"targets": ["one/l", "two/l"], "price": {"input": 10.0, "output": 10.0}},
        },
        "tiers": {"auto": {k: v for k, v in auto.items() if v is not None}},
        **more,
    }


def ask(
    gateway: Gateway, text: str, *, session: str = "", model: str = "auto", **fields: Any
) -> Response:
    document = OPENAI.document(model, **fields)
    document["messages"] = [{"role": "user", "content": text}]
    headers = {"x-headrace-session": session} if session else {}
    response = gateway.post(OPENAI.path, document, headers=headers)
    assert response.status == 200, response
    return response


def told(response: Response) -> tuple[str, str]:
    return response.headers["x-headrace-model"], response.headers["x-headrace-tier"]


def test_easy_goes_to_the_cheap_model_and_hard_to_the_strong_one(tmp_path: Path, sim: ThreadedSim):
    with Gateway(tmp_path, settings(sim)) as gateway:
        assert told(ask(gateway, EASY)) == ("s", "cheap;why=score")
        assert told(ask(gateway, HARD)) == ("l", "strong;why=score")
        stream = gateway.post(OPENAI.path, {**OPENAI.document("auto"), "stream": True})
        assert "x-headrace-tier" in stream.headers
        named = ask(gateway, HARD, model="small")
        assert named.headers["x-headrace-model"] == "s"
        assert "x-headrace-tier" not in named.headers
        listed = gateway.get("/v1/models").json()
        assert "auto" in {each["id"] for each in listed["data"]}


def test_a_session_never_comes_down_and_its_repeats_stay_its_own(tmp_path: Path, sim: ThreadedSim):
    with Gateway(tmp_path, settings(sim)) as gateway:
        assert told(ask(gateway, EASY, session="a")) == ("s", "cheap;why=score")
        assert ask(gateway, EASY, session="a").cache == "l1"
        assert told(ask(gateway, HARD, session="b")) == ("l", "strong;why=score")
        # The very bytes that the cheap model answered for somebody else.
        assert told(ask(gateway, EASY, session="b")) == ("l", "strong;why=session")
        again = ask(gateway, EASY, session="b")
        assert (again.cache, again.headers["x-headrace-model"]) == ("l1", "l")
        # And who comes later shares what is stored under the model that it is sent to.
        assert told(ask(gateway, EASY, session="c")) == ("s", "cheap;why=score")
        assert ask(gateway, EASY, session="d").cache == "l1"
        assert sim.stats().requests_total == 3


def test_a_conversation_without_a_name_is_known_by_how_it_began(tmp_path: Path, sim: ThreadedSim):
    first = {"role": "user", "content": HARD}
    reply = {"role": "assistant", "content": "So be it."}
    with Gateway(tmp_path, settings(sim)) as gateway:
        for messages in ([first], [first, reply, {"role": "user", "content": EASY}]):
            document = {**OPENAI.document("auto"), "messages": messages}
            response = gateway.post(OPENAI.path, document)
            assert response.headers["x-headrace-model"] == "l"
        assert response.headers["x-headrace-tier"] == "strong;why=session"


def test_in_the_shadow_nothing_changes_but_what_is_told(tmp_path: Path, sim: ThreadedSim):
    wanted = settings(sim)
    wanted["tiers"] = {"large": {**wanted["tiers"]["auto"], "mode": "shadow"}}
    wanted["tiers"]["large"]["cheap"] = {"model": "small", "output_tokens_max": 1}
    with Gateway(tmp_path, wanted) as gateway:
        found = ask(gateway, EASY, model="large")
        assert told(found) == ("l", "cheap;why=score;shadow")
        assert found.json()["usage"]["completion_tokens"] > 1
        metrics = gateway.metrics()
    assert total(metrics, "headrace_model_choices_total", 'tier="cheap"', 'mode="shadow"') == 1
    # What it cost at 10 dollars a million, and would have at 1.
    cost_usd = float(found.headers["x-headrace-cost-usd"])
    saved_usd = total(metrics, "headrace_model_choice_saved_usd_total", 'mode="shadow"')
    assert saved_usd == pytest.approx(0.9 * cost_usd)


def total(metrics: Mapping[str, float], family: str, *labels: str) -> float:
    """The sum of the series of a family that have all of these labels."""
    return sum(
        number
        for series, number in metrics.items()
        if series.partition("{")[0] == family and all(label in series for label in labels)
    )


def test_shares_come_about_over_many_calls(tmp_path: Path, sim: ThreadedSim):
    goal = {"cheap_below": None, "strong_from": None, "cheap_share": 0.5, "scores_min": 20}
    wanted = settings(sim, {**goal, "standard": None, "margin": 0})
    with Gateway(tmp_path, wanted) as gateway:
        answered = Counter(
            ask(gateway, f"{number} " + "word " * (number * 37 % 400)).headers["x-headrace-model"]
            for number in range(260)
        )
        tiers = gateway.get("/admin/flow").json()["tiers"]["auto"]
    # The first twenty, and until thresholds are found anew, go to the default.
    assert 0.35 <= answered["s"] / 260 <= 0.5
    assert set(answered) == {"s", "l"}
    assert 0.0 < tiers["cheap_below"] < 1.0
    assert tiers["mode"] == "active"
    assert tiers["models"]["openai"] == {"cheap": "small", "standard": "large", "strong": "large"}


def test_a_dialect_goes_by_the_tiers_that_it_reaches(tmp_path: Path, sim: ThreadedSim):
    with Gateway(tmp_path, settings(sim)) as gateway:
        middling = "Compare the two designs and explain why one is better?"
        answers = {}
        for text in (EASY, middling, HARD):
            document = ANTHROPIC.document("auto", max_tokens=16)
            document["messages"] = [{"role": "user", "content": text}]
            response = gateway.post(ANTHROPIC.path, document)
            answers[response.headers["x-headrace-tier"].partition(";")[0]] = response.headers[
                "x-headrace-model"
            ]
    # There is no standard model in this dialect: what is between goes to the stronger one.
    assert answers["cheap"] == "s"
    assert answers["strong"] == "l"
    assert "standard" not in answers


def test_the_length_of_answers_is_capped_where_the_caller_does_not(
    tmp_path: Path, sim: ThreadedSim
):
    cheap = {"model": "small", "output_tokens_max": 3}
    with Gateway(tmp_path, settings(sim, {"cheap": cheap})) as gateway:
        capped, free = ask(gateway, EASY), ask(gateway, EASY, model="small")
        own = ask(gateway, EASY, max_tokens=5)
        assert capped.json()["usage"]["completion_tokens"] == 3
        assert free.json()["usage"]["completion_tokens"] > 5
        assert own.json()["usage"]["completion_tokens"] == 5
        # What is sent is what answers are told apart by.
        keys = {each.headers["x-headrace-key"] for each in (capped, free, own)}
        assert len(keys) == 3
        same = ask(gateway, EASY, max_tokens=3, model="small")
        assert same.headers["x-headrace-key"] == capped.headers["x-headrace-key"]


def test_what_is_saved_is_told_against_always_strong(tmp_path: Path, sim: ThreadedSim):
    with Gateway(tmp_path, settings(sim)) as gateway:
        cheap = ask(gateway, EASY)
        ask(gateway, EASY)
        ask(gateway, HARD)
        metrics = gateway.metrics()
        assert total(metrics, "headrace_model_choices_total") == 2  # a repeat chooses nothing
        saved_usd = total(metrics, "headrace_model_choice_saved_usd_total", 'mode="active"')
        assert saved_usd == pytest.approx(9 * float(cheap.headers["x-headrace-cost-usd"]))
        assert total(metrics, "headrace_model_choice_unpriced_total") == 0
        # Nobody knows what the middle one costs.
        found = ask(gateway, "Compare the two designs and explain why one is better?")
        assert found.headers["x-headrace-tier"] == "standard;why=score"
        assert total(gateway.metrics(), "headrace_model_choice_unpriced_total") == 1


def test_arms_hold_their_sessions_and_are_counted(tmp_path: Path, sim: ThreadedSim):
    arms = [
        {"name": "control", "model": "small", "weight": 1},
        {"name": "canary", "model": "large", "weight": 1},
        {"name": "off", "model": "middle", "weight": 0},
    ]
    wanted = settings(sim, experiments={"test": {"model": "small", "arms": arms}})
    with Gateway(tmp_path, wanted) as gateway:
        seen: dict[str, set[str]] = {}
        for number in range(40):
            session = f"session-{number % 20}"
            found = ask(gateway, f"number {number}", model="small", session=session)
            seen.setdefault(session, set()).add(found.headers["x-headrace-arm"])
            model = {"test/control": "s", "test/canary": "l"}[found.headers["x-headrace-arm"]]
            assert found.headers["x-headrace-model"] == model
        assert all(len(arms) == 1 for arms in seen.values())
        assert set.union(*seen.values()) == {"test/control", "test/canary"}
        told_arms = gateway.get("/admin/flow").json()["experiments"]["test"]["arms"]
        metrics = gateway.metrics()
    requests = {name: arm["requests"] for name, arm in told_arms.items()}
    assert sum(requests.values()) == 40
    assert requests["off"] == 0
    assert told_arms["canary"]["number"] == 2
    assert told_arms["canary"]["spent_usd"] > 5 * told_arms["control"]["spent_usd"] / 2
    assert told_arms["canary"]["seconds_p50"] > 0
    assert total(metrics, "headrace_arm_requests_total", 'arm="1"') == requests["control"]
    assert total(metrics, "headrace_arm_calls_total", 'arm="2"') == told_arms["canary"]["calls"]
    assert total(metrics, "headrace_arm_errors_total") == 0


def test_errors_of_an_arm_are_its_own(tmp_path: Path, sim: ThreadedSim):
    arms = [
        {"name": "well", "model": "small", "weight": 1},
        {"name": "ill", "model": "broken", "weight": 1},
    ]
    wanted = settings(sim, experiments={"test": {"model": "small", "arms": arms}})
    nowhere = f"http://127.0.0.1:{free_port()}/v1"
    wanted["providers"]["none"] = {
        "dialect": "openai",
        "base_url": nowhere,
        "warm_connections": 0,
        "retry": {"tries_max": 1},
    }
    wanted["models"]["broken"] = {"targets": ["none/m"]}
    with Gateway(tmp_path, wanted) as gateway:
        for number in range(12):
            document = OPENAI.document("small", seed=number)
            headers = {"x-headrace-session": str(number)}
            gateway.post(OPENAI.path, document, headers=headers)
        arms_told = gateway.get("/admin/flow").json()["experiments"]["test"]["arms"]
    assert arms_told["well"]["errors"] == 0
    assert arms_told["ill"]["errors"] == arms_told["ill"]["requests"] > 0


def test_an_arm_may_have_tiers_and_a_tier_an_experiment(tmp_path: Path, sim: ThreadedSim):
    by_tiers = {"model": "large", "arms": [{"name": "tiers", "model": "auto", "weight": 1}]}
    canary = {"model": "small", "arms": [{"name": "next", "model": "middle", "weight": 1}]}
    with Gateway(tmp_path, settings(sim, experiments={"a": by_tiers, "b": canary})) as gateway:
        arm = ask(gateway, EASY, model="large").headers
        assert (arm["x-headrace-arm"], arm["x-headrace-model"]) == ("a/tiers", "s")
        tier = ask(gateway, EASY).headers
        assert (tier["x-headrace-arm"], tier["x-headrace-model"]) == ("b/next", "m")
        assert tier["x-headrace-tier"] == "cheap;why=score"


def test_what_was_learnt_outlives_a_reload_and_other_weights_do_not(
    tmp_path: Path, sim: ThreadedSim
):
    weights = tmp_path / "weights.json"
    wanted = settings(sim)
    with Gateway(tmp_path, wanted) as gateway:
        assert told(ask(gateway, HARD, session="a")) == ("l", "strong;why=score")
        wanted["models"]["large"]["targets"] = ["one/l2", "two/l"]
        gateway.write_settings(wanted)
        gateway.reload()
        assert told(ask(gateway, EASY, session="a")) == ("l2", "strong;why=session")
        weights.write_bytes(b'{"format": "headrace complexity 1", "bias": -9, "weights": {}}')
        gateway.write_settings({**wanted, "complexity": {"weights": str(weights)}})
        gateway.reload()
        assert told(ask(gateway, HARD, session="a")) == ("s", "cheap;why=score")
        # Weights that are broken change nothing.
        weights.write_bytes(b"{}")
        gateway.reload()
        assert told(ask(gateway, HARD, session="b")) == ("s", "cheap;why=score")
        assert "complexity.weights" in gateway.log
