"""Trials against real gateways, each of them fresh, whatever becomes of it."""

import asyncio
import http.client
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from tests.support.raw_server import RawServer, answering
from tests.support.trials import STUB, checkout, gateways_below, run_series, short_plan

from headrace.bench import Question
from headrace.bench.load.faults import PlanInvalid
from headrace.bench.statistics.blocks import seed_of
from headrace.bench.statistics.comparison import compare_all
from headrace.bench.trials import nginx
from headrace.bench.trials.arms import Arm, Stand, simulated, standing
from headrace.bench.trials.commits import Commit
from headrace.bench.trials.faults import ArmInvalid
from headrace.bench.trials.series import Series, Step, runs_of, whole_blocks
from headrace.bench.trials.trial import Trial

BODY = b'{"choices": [{"message": {"content": "ok"}}]}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
HERE = os.getpid()


def by_arm(trials: tuple[Trial, ...]) -> dict[str, Trial]:
    return {trial.arm: trial for trial in trials}


@pytest.mark.heavy
def test_arms_differ_by_their_settings() -> None:
    seen: list[Step] = []
    arms = [Arm(name="kept"), Arm(name="asked", settings={"cache": {"enabled": False}})]
    trials = run_series(arms, short_plan(), on_step=lambda _series, step: seen.append(step))
    told = by_arm(trials)
    assert [trial.why for trial in trials] == [None, None]
    assert (told["kept"].metrics["hit_share"] or 0) > 0.5
    assert not told["asked"].metrics["hit_share"]
    for trial in trials:
        assert (trial.metrics["cpu_us_per_request"] or 0) > 0
        assert (trial.metrics["rss_mb_max"] or 0) > 1
        assert (trial.metrics["throughput_per_s"] or 0) > 0
        assert trial.metrics["failed_share"] == 0
    assert (told["kept"].metrics["cost_usd_per_1000_good"] or 0) > 0
    assert [step.trial for step in seen if step.trial is not None] == [*trials]
    assert gateways_below(HERE) == []


@pytest.mark.heavy
def test_the_plans_settings_count_for_every_arm_that_does_not_say_otherwise() -> None:
    plan = short_plan(0.3, gateway={"cache": {"enabled": False}})
    arms = [Arm(name="plan's"), Arm(name="own", settings={"cache": {"enabled": True}})]
    told = by_arm(run_series(arms, plan))
    assert not told["plan's"].metrics["hit_share"]
    assert (told["own"].metrics["hit_share"] or 0) > 0.5


@pytest.mark.heavy
@pytest.mark.skipif(not nginx.is_installed(), reason="nginx is not installed")
def test_nginx_can_stand_in_the_place_of_a_gateway() -> None:
    plan = short_plan(0.3, gateway={"cache": {"memory_mb": 5}})
    (trial,) = run_series([Arm(name="nginx", stands="nginx")], plan)
    assert trial.why is None
    assert (trial.metrics["cpu_us_per_request"] or 0) > 0
    assert trial.metrics["failed_share"] == 0
    assert trial.metrics["hit_share"] is None


@pytest.mark.heavy
def test_the_provider_itself_can_be_asked() -> None:
    (trial,) = run_series([Arm(name="direct", stands="nothing")], short_plan(0.3))
    assert trial.why is None
    assert (trial.metrics["p50_ms"] or 0) > 0
    assert trial.metrics["cpu_us_per_request"] is None


@pytest.mark.parametrize("stands", ["gateway", "nginx", "nothing"])
def test_whatever_stands_before_the_provider_answers_are_of_one_length(
    stands: Stand, tmp_path: Path
) -> None:
    if stands == "nginx" and not nginx.is_installed():
        pytest.skip("nginx is not installed")

    async def tokens() -> int:
        async with (
            simulated(short_plan(sim_tokens=7)) as provider,
            standing(Arm(name="x", stands=stands), provider.url, tmp_path) as asked,
        ):
            return await asyncio.to_thread(tokens_of, asked.url)

    assert asyncio.run(tokens()) == 7


def tokens_of(url: str) -> int:
    """Of an answer, as long as its sender makes it."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    chat = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Why?"}]}
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(chat))
        return json.load(connection.getresponse())["usage"]["completion_tokens"]
    finally:
        connection.close()


@pytest.mark.heavy
def test_trials_of_a_block_are_asked_the_same_and_of_the_next_something_else() -> None:
    with RawServer(answering(ANSWER)) as server:
        arms = [Arm(name="one", url=server.url), Arm(name="two", url=server.url)]
        trials = run_series(arms, short_plan(0.2), blocks=2)
    seeds = {(trial.block, trial.record.seed) for trial in trials if trial.record}
    assert seeds == {(0, seed_of(1, 0)), (1, seed_of(1, 1))}
    assert whole_blocks(trials, ["one", "two"]) == (0, 1)
    assert whole_blocks(trials[:3], ["one", "two"]) == (0,)


@pytest.mark.heavy
def test_a_version_is_taken_out_of_a_checkout_that_stays_as_it_was(tmp_path: Path) -> None:
    repository = checkout(tmp_path, STUB)
    before = sorted(path for path in repository.rglob("*"))
    arms = [Arm(name="now"), Arm(name="then", commit=Commit.named(repository / "src", "HEAD"))]
    told = by_arm(run_series(arms, short_plan()))
    assert told["then"].why is None
    assert told["then"].record is not None
    assert set(told["then"].record.phases[0].summary.caches) == {"l3"}
    assert set(told["now"].metrics) == set(told["then"].metrics)
    assert sorted(path for path in repository.rglob("*")) == before


def test_no_such_commit_and_no_checkout_are_told(tmp_path: Path) -> None:
    repository = checkout(tmp_path / "repository", STUB)
    with pytest.raises(ArmInvalid, match="no commit is called nothing"):
        Commit.named(repository, "nothing")
    with pytest.raises(ArmInvalid, match="no commit is called --help"):
        Commit.named(repository, "--help")
    (tmp_path / "plain").mkdir()
    with pytest.raises(ArmInvalid, match="not a git repository"):
        Commit.named(tmp_path / "plain", "HEAD")


@pytest.mark.heavy
def test_an_arm_that_fails_takes_the_verdict_with_it() -> None:
    bad = Arm(name="bad", settings={"cache": {"memory_mb": -1}})
    with RawServer(answering(ANSWER)) as server:
        arms = [Arm(name="good", url=server.url), bad]
        trials = run_series(arms, short_plan(0.2), blocks=2)
    assert len(trials) == 4
    assert all(trial.why is None for trial in trials if trial.arm == "good")
    assert all("memory_mb" in (trial.why or "") for trial in trials if trial.arm == "bad")
    assert all(set(t.metrics.values()) == {None} for t in trials if t.arm == "bad")
    runs = runs_of(trials, ["good", "bad"], "p50_ms")
    figures = {"p50_ms": (runs["good"], runs["bad"])}
    (answer,) = compare_all(figures, (Question(metric="p50_ms"),), np.random.default_rng(0))
    assert (answer.verdict, answer.cause, answer.lost) == ("insufficient", "failed_runs", (0, 2))


@pytest.mark.heavy
def test_a_gateway_that_is_killed_in_the_middle_is_a_trial_that_failed() -> None:
    def kill(_series: Series, step: Step) -> None:
        if step.arm == "killed" and step.now is not None and step.now.sent > 5:
            for each in gateways_below(HERE):
                each.kill()

    arms = [Arm(name="killed"), Arm(name="spared")]
    told = by_arm(run_series(arms, short_plan(1.0), on_step=kill))
    assert "the gateway ended with status -9" in (told["killed"].why or "")
    assert told["killed"].metrics["throughput_per_s"] is None
    assert told["killed"].record is not None
    assert told["spared"].why is None


@pytest.mark.heavy
def test_a_url_that_is_down_is_a_trial_that_failed() -> None:
    with RawServer(answering(ANSWER)) as server:
        arms = [Arm(name="up", url=server.url), Arm(name="down", url="http://127.0.0.1:9")]
        told = by_arm(run_series(arms, short_plan(1.5)))
    assert told["up"].why is None
    assert "http://127.0.0.1:9 was down" in (told["down"].why or "")


@pytest.mark.heavy
def test_a_series_that_is_stopped_keeps_what_is_there() -> None:
    def stop(series: Series, step: Step) -> None:
        if step.number == 1 and step.now is not None:
            series.stop()

    with RawServer(answering(ANSWER)) as server:
        arms = [Arm(name="one", url=server.url), Arm(name="two", url=server.url)]
        trials = run_series(arms, short_plan(1.0), blocks=50, on_step=stop)
    assert len(trials) == 1


def test_other_machines_are_not_loaded() -> None:
    arms = [Arm(name="here"), Arm(name="there", url="http://192.0.2.1:80")]
    with pytest.raises(PlanInvalid, match="is not this machine"):
        run_series(arms[::-1], short_plan(0.2))
    assert gateways_below(HERE) == []


@pytest.mark.parametrize(
    ("arms", "words"),
    [
        ([], "1 to 32 arms"),
        ([Arm(name="one"), Arm(name="one")], "a name of its own"),
    ],
)
def test_arms_that_cannot_be_compared(arms: list[Arm], words: str) -> None:
    with pytest.raises(ArmInvalid, match=words):
        run_series(arms, short_plan())


def test_what_an_arm_cannot_be() -> None:
    with pytest.raises(ArmInvalid, match="takes no settings"):
        Arm(name="x", url="http://127.0.0.1:1", settings={"cache": {}})
    with pytest.raises(ArmInvalid, match="takes no settings"):
        Arm(name="x", stands="nothing", settings={"cache": {}})
    with pytest.raises(ArmInvalid, match="a gateway that is there"):
        Arm(name="x", stands="nginx", url="http://127.0.0.1:1")
    with pytest.raises(ArmInvalid, match="for a URL only"):
        Arm(name="x", pid=1)
    with pytest.raises(ArmInvalid, match="has a name"):
        Arm(name="")
