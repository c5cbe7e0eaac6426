"""What the experiments with a real gateway ask, what they read off, and what they say of it."""

from pathlib import Path

import pytest
from benchmarks.flow.system import hedging, quota, step, tenants
from benchmarks.flow.system.client import EMBEDDINGS, Client, Outcome, Shot, on_loop
from benchmarks.flow.system.effort import Effort
from benchmarks.flow.system.figures import LATE, Figures, Goal, latency_s, rows
from benchmarks.flow.system.house import Provider, gateway, sim
from benchmarks.flow.system.knee import MIX, mixed
from benchmarks.records import Verdict

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import running

WAY, FIGURE = "way", "figure"


async def ask(port: int, *shots: Shot) -> list[Outcome]:
    client = Client(port)
    met = await client.run(shots)
    client.close()
    return met


def judged(*values: float, late: float = 0.0) -> Verdict | None:
    made: list[Figures] = [{FIGURE: value, LATE: late} for value in values]
    return rows("case", {WAY: made}, {(FIGURE, WAY): Goal(most=1.5)})[0].verdict


def test_the_whole_interval_keeps_a_promise_or_none_of_it_does() -> None:
    assert judged(1.0, 1.1, 1.0) is Verdict.PASS
    assert judged(1.0, 1.6, 1.0) is Verdict.MISS
    assert judged(2.0) is Verdict.MISS


def test_a_client_that_was_late_itself_says_nothing() -> None:
    assert judged(1.0, 1.0, late=0.2) is Verdict.VOID


def test_what_only_some_runs_say_is_told_of_those() -> None:
    found: dict[str, list[Figures]] = {WAY: [{FIGURE: 1.0, "other": 3.0}, {FIGURE: 2.0}]}
    assert {row.figure: row.values for row in rows("case", found, {})} == {
        FIGURE: [1.0, 2.0],
        "other": [3.0],
    }


def test_nothing_answered_is_no_latency() -> None:
    shot = Shot(at_s=0.0, model="m", text="t")
    assert latency_s([Outcome(shot, total_s=1.0)]) == float("inf")
    assert latency_s([Outcome(shot, total_s=1.0, status=200, whole=True)]) == 1.0


def test_the_same_seed_makes_the_same_calls() -> None:
    calls = mixed(7, 2.0, "m", 3.0)
    assert calls == mixed(7, 2.0, "m", 3.0)
    assert calls != mixed(8, 2.0, "m", 3.0)
    assert {call.priority for call in calls} == set(MIX)
    assert len({call.text for call in calls}) == len(calls)


def test_runs_are_made_side_by_side() -> None:
    assert [list(turn) for turn in Effort(runs=5, abreast=2).turns()] == [[0, 1], [2, 3], [4]]
    assert [list(turn) for turn in Effort(runs=3, abreast=2).turns(5)] == [[0, 1, 2]]


def test_settled_is_near_for_two_seconds() -> None:
    before, after = [20.0] * 90, [18.0] * 10 + [5.0] * 80
    assert step.settled_s([*before, *after], 9.0, 5) == pytest.approx(0.9)
    assert step.settled_s([*before, *[float("inf")] * 90], 9.0, 5) == step.PHASE_S


def test_shares_are_held_against_what_each_asked_for() -> None:
    fair = tenants.max_min({"a": 2, "b": 10, "c": 10}, 12)
    assert fair == {"a": 2, "b": 5, "c": 5}

    def calls(tenant: str, good: int, asked: int) -> list[Outcome]:
        shot = Shot(at_s=0.0, model="m", text="t", tenant=tenant)
        served = [Outcome(shot, status=200, whole=True) for _ in range(good)]
        return [*served, *(Outcome(shot) for _ in range(asked - good))]

    even = [*calls("a", 2, 2), *calls("b", 5, 10), *calls("c", 5, 10)]
    assert tenants.jain(even) == pytest.approx(1.0)
    one_has_it_all = [*calls("a", 0, 2), *calls("b", 0, 10), *calls("c", 10, 10)]
    assert tenants.jain(one_has_it_all) < 0.6


def test_the_client_tells_whole_answers_from_others() -> None:
    with running(SimOptions()) as provider:
        provider.script(
            Fault(kind=FaultKind.CUT, model="cut", after_chunks=1),
            Fault(kind=FaultKind.END_EARLY, model="early", after_chunks=1),
            Fault(kind=FaultKind.RESET_BEFORE, model="reset"),
            Fault(kind=FaultKind.STATUS, model="busy", status=429),
        )
        models = ("well", "cut", "early", "reset", "busy")
        shots = [Shot(at_s=0.0, model=model, text=model, tokens=5) for model in models]
        shots.append(Shot(at_s=0.0, model="e", text="e", path=EMBEDDINGS, stream=False))
        met = on_loop(ask(provider.port, *shots))
        assert [one.good for one in met] == [True, False, False, False, False, True]
        assert met[4].status == 429
        assert met[4].code


@pytest.mark.heavy
def test_a_house_is_a_gateway_and_its_providers(tmp_path: Path) -> None:
    with sim("first", tmp_path, 1, inflight_max=1) as server:
        provider = Provider(server.port, (1.0, 0.0))
        models = {"m": ["p/m"]}
        with gateway("house", tmp_path, {"p": provider}, models, ("a",)) as house:
            shot = Shot(at_s=0.0, model="m", text="hello", tenant="a", priority="high")
            (one,) = on_loop(ask(house.port, shot))
            assert (one.good, one.provider, one.attempts) == (True, "p", 1)
            assert server.stats()["requests_total"] == 1
            server.limit(inflight_max=None)
            server.script({"kind": "status", "status": 400})


def test_of_a_quota_what_binds_is_told() -> None:
    way = quota.BY_TOKENS
    half = quota.MEASURED_S / 60 / 2
    before = {"requests_total": 1000, "refused": 100, "charged_tokens": 5000}
    after = {
        "requests_total": 1000 + round(0.2 * way.requests * half) + 10,
        "refused": 110,
        "charged_tokens": 5000 + round(way.tokens * half),
    }
    shot = Shot(at_s=quota.BURST_S + quota.SETTLE_S, model="m", text="t")
    outcomes = [Outcome(shot, status=status) for status in (200, 200, 429, 503)]
    told = quota.figures(way, before, after, outcomes)
    assert told[quota.USED] == pytest.approx(50.0)
    assert told[quota.SEEN] == 25.0
    assert 0 < told[quota.REFUSED] < 5


def test_every_quota_has_room_for_as_many_calls() -> None:
    assert {round(way.calls_per_s, 3) for way in quota.WAYS.values()} == {10.0}
    calls = quota.shots(quota.BY_CALLS, "m", 1)
    assert calls == quota.shots(quota.BY_CALLS, "m", 1)
    assert len({shot.text for shot in calls}) == len(calls)


def test_hedging_is_held_against_the_same_calls_without_it_once_it_is_warm() -> None:
    def calls(seconds: float) -> list[Outcome]:
        early = Shot(at_s=hedging.WARM_UP_S / 2, model="m", text="t")
        later = Shot(at_s=hedging.WARM_UP_S, model="m", text="t")
        warm_up = Outcome(early, total_s=9.0, status=200, whole=True)
        return [warm_up, Outcome(later, total_s=seconds, status=200, whole=True)]

    ways = {hedging.PLAIN: calls(2.0), hedging.HEDGED: calls(0.5), hedging.NONE: calls(0.25)}
    figures = dict(hedging._figures(ways, (), 0))
    assert figures[hedging.PLAIN]["p99, s"] == 2.0
    assert figures[hedging.HEDGED]["p99 / without"] == 0.25
    assert figures[hedging.NONE]["p99.5 / without"] == 0.125
