"""A call that has not begun to be answered is made a second time, elsewhere, within a budget."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, Speech, free_port
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

pytestmark = pytest.mark.heavy  # they wait for what is late; test_hedging_keys.py has a quick one

both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
SAMPLES = 3
# Later than any answer that is not made to wait, sooner than those that are.
SLOW_MS = 3000
STALL = Fault(kind=FaultKind.STALL_BEFORE)


def reset(delay_ms: float = SLOW_MS) -> Fault:
    """Connections break, the kept one and the fresh one that takes its place."""
    return Fault(kind=FaultKind.RESET_BEFORE, times=2, delay_ms=delay_ms / 2)


@pytest.fixture(scope="module")
def shared_second() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


@pytest.fixture
def second(shared_second: ThreadedSim) -> ThreadedSim:
    shared_second.reset()
    return shared_second


class Pair:
    """A gateway with a model that two providers serve, and calls to the first made twice."""

    def __init__(
        self,
        folder: Path,
        first: ThreadedSim,
        second: str,
        *,
        speech: Speech = OPENAI,
        targets: tuple[str, ...] = ("one/small", "two/large"),
        hedge: dict[str, Any] | None = None,
        one: dict[str, Any] | None = None,
        two: dict[str, Any] | None = None,
        listen: dict[str, Any] | None = None,
        tries: int = 1,
    ) -> None:
        self.first = first
        self.speech = speech
        self._asked = 0
        provider = {
            "dialect": speech.name,
            "retry": {"tries_max": tries, "wait_s_max": 0.01},
            "warm_connections": 0,
        }
        hedges = {"enabled": True, "share_max": 1.0, "samples_min": SAMPLES, "after_ms_min": 60}
        self.gateway = Gateway(
            folder,
            {
                "providers": {
                    "one": {
                        **provider,
                        "base_url": f"{first.url}/v1",
                        "hedge": {**hedges, **(hedge or {})},
                        **(one or {}),
                    },
                    "two": {**provider, "base_url": f"{second}/v1", **(two or {})},
                },
                "models": {"smart": {"targets": targets, "price": {"input": 1000, "output": 1000}}},
                "listen": listen or {},
                "spend": {"enabled": True},
            },
        )

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.gateway.__exit__(kind, error, traceback)

    def ask(
        self, *, stream: bool = False, headers: dict[str, str] | None = None, model: str = "smart"
    ) -> Response:
        return self.gateway.post(self.speech.path, self.document(stream, model), headers=headers)

    def document(self, stream: bool = False, model: str = "smart") -> dict[str, Any]:
        """A request that was not asked before."""
        self._asked += 1
        messages = [{"role": "user", "content": f"Question {self._asked}"}]
        return self.speech.document(model, stream=stream, messages=messages)

    def learn(self, *, stream: bool = False) -> None:
        """Let it see how long answers take."""
        for _ in range(SAMPLES):
            assert self.ask(stream=stream).status == 200

    @property
    def models(self) -> dict[str, Any]:
        """What the console tells of models, by `provider/model`."""
        providers = self.gateway.get("/admin/flow").json()["providers"]
        return {
            f"{provider}/{model}": each
            for provider, told in providers.items()
            for model, each in told["models"].items()
        }

    @property
    def hedges(self) -> dict[str, Any]:
        told: dict[str, Any] = self.models["one/small"]["hedges"]
        return told

    def assert_ended(self, **outcomes: int) -> None:
        """These became of second calls, and nothing is left of any call."""
        eventually(lambda: sum(self.hedges["outcomes"].values()) >= sum(outcomes.values()))
        assert self.hedges["outcomes"] == outcomes
        metrics = self.gateway.metrics()
        for outcome in ("won", "lost", "failed", "cancelled", "refused", "blocked"):
            series = f'headrace_hedges_total{{provider="one",outcome="{outcome}"}}'
            assert metrics.get(series, 0) == outcomes.get(outcome, 0)
        self.gateway.wait_until_quiet()
        assert {name: each["inflight"] for name, each in self.models.items()} == dict.fromkeys(
            self.models, 0
        )


def assert_from(response: Response, provider: str, attempts: int) -> None:
    assert response.status == 200, response
    assert response.is_whole
    assert response.headers["x-headrace-provider"] == provider
    assert response.headers["x-headrace-attempts"] == str(attempts)


@both
@pytest.mark.parametrize("speech", [OPENAI, ANTHROPIC], ids=lambda speech: speech.name)
def test_another_target_answers_what_the_first_lets_wait(
    tmp_path: Path, sim: ThreadedSim, second: ThreadedSim, speech: Speech, stream: bool
):
    with Pair(tmp_path, sim, second.url, speech=speech) as pair:
        pair.learn(stream=stream)
        sim.script(STALL)
        response = pair.ask(stream=stream)
        assert_from(response, "two", 2)
        assert response.headers["x-headrace-model"] == "large"
        pair.assert_ended(won=1)
        metrics = pair.gateway.metrics()
        # What was asked of the one that was cancelled is booked, apart from what is known.
        tokens = metrics['headrace_hedge_tokens_total{provider="one"}']
        assert 5 < tokens < 60
        spent = metrics['headrace_hedge_spent_usd_total{provider="one"}']
        assert spent == pytest.approx(tokens * 1000 / 1e6)
        books = pair.gateway.get("/admin/spend").json()
        # A month may turn between the calls and the look.
        months = ("last_month", "this_month")
        calls = {each["name"]: sum(each[m]["calls"] for m in months) for each in books["models"]}
        assert calls == {"one/small": SAMPLES + 1, "two/large": 1}
        told = pair.hedges
        assert (told["estimated_input_tokens"], told["made"]) == (tokens, 1)
        assert told["estimated_usd"] == pytest.approx(spent)
        assert metrics['headrace_upstream_requests_total{provider="two",status_class="2xx"}'] == 1
        # It is the answer to what was asked, whoever gave it.
        messages = [{"role": "user", "content": f"Question {pair._asked}"}]
        repeat = speech.document("smart", stream=stream, messages=messages)
        assert pair.gateway.post(speech.path, repeat).cache == "l1"


@both
def test_the_first_may_be_faster_all_the_same(
    tmp_path: Path, sim: ThreadedSim, second: ThreadedSim, stream: bool
):
    with Pair(tmp_path, sim, second.url) as pair:
        pair.learn(stream=stream)
        sim.script(Fault(kind=FaultKind.SLOW, delay_ms=SLOW_MS))
        second.script(STALL)
        assert_from(pair.ask(stream=stream), "one", 2)
        pair.assert_ended(lost=1)
        assert pair.gateway.metrics()['headrace_hedge_tokens_total{provider="two"}'] > 5


def test_one_that_fails_leaves_the_answer_to_the_other(
    tmp_path: Path, sim: ThreadedSim, second: ThreadedSim
):
    with Pair(tmp_path, sim, second.url) as pair:
        pair.learn()
        sim.script(reset())
        second.script(Fault(kind=FaultKind.SLOW, delay_ms=2 * SLOW_MS))
        assert_from(pair.ask(), "two", 3)
        pair.assert_ended(won=1)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=FaultKind.STATUS, status=503),
        Fault(kind=FaultKind.RESET_BEFORE),
        Fault(kind=FaultKind.GARBAGE),
    ],
    ids=lambda fault: fault.kind.value,
)
def test_a_second_call_that_fails_harms_nobody(
    tmp_path: Path, sim: ThreadedSim, second: ThreadedSim, fault: Fault
):
    with Pair(tmp_path, sim, second.url) as pair:
        pair.learn()
        sim.script(Fault(kind=FaultKind.SLOW, delay_ms=SLOW_MS))
        second.script(fault)
        assert_from(pair.ask(), "one", 2)
        pair.assert_ended(failed=1)


def test_a_second_call_that_finds_nobody_is_an_attempt_too(tmp_path: Path, sim: ThreadedSim):
    with Pair(tmp_path, sim, f"http://127.0.0.1:{free_port()}") as pair:
        pair.learn()
        sim.script(Fault(kind=FaultKind.SLOW, delay_ms=SLOW_MS))
        assert_from(pair.ask(), "one", 2)
        pair.assert_ended(failed=1)


def test_where_both_fail_it_is_tried_again(tmp_path: Path, sim: ThreadedSim, second: ThreadedSim):
    with Pair(tmp_path, sim, second.url, tries=2) as pair:
        pair.learn()
        sim.script(reset())
        second.script(Fault(kind=FaultKind.STATUS, status=500))
        # As ever, another target is asked before the same one is asked again.
        assert_from(pair.ask(), "two", 4)
        pair.assert_ended(failed=1)
        sim.script(Fault(kind=FaultKind.RESET_BEFORE, delay_ms=SLOW_MS))  # no kept one is left
        second.script(reset(3 * SLOW_MS))
        assert_from(pair.ask(), "two", 4)
        pair.assert_ended(failed=1, won=1)


def test_an_answer_that_cannot_be_helped_is_the_answer(
    tmp_path: Path, sim: ThreadedSim, second: ThreadedSim
):
    with Pair(tmp_path, sim, second.url) as pair:
        pair.learn()
        sim.script(STALL)
        second.script(Fault(kind=FaultKind.STATUS, status=400))
        response = pair.ask()
        assert (response.status, response.headers["x-headrace-provider"]) == (400, "two")
        pair.assert_ended(won=1)


def test_a_deadline_ends_both(tmp_path: Path, sim: ThreadedSim, second: ThreadedSim):
    with Pair(tmp_path, sim, second.url) as pair:
        pair.learn()
        sim.script(STALL)
        second.script(STALL)
        assert pair.ask(headers={"x-headrace-deadline-ms": "3000"}).status == 504
        pair.assert_ended(cancelled=1)


def test_whoever_leaves_ends_both_and_whoever_stays_does_not(
    tmp_path: Path, sim: ThreadedSim, second: ThreadedSim
):
    with Pair(tmp_path, sim, second.url) as pair:
        pair.learn()
        sim.script(STALL)
        second.script(Fault(kind=FaultKind.SLOW, delay_ms=2 * SLOW_MS))
        request = encode_request(OPENAI.path, pair.document())
        with connect(pair.gateway.url) as leaving, connect(pair.gateway.url) as staying:
            leaving.send(request)
            eventually(lambda: pair.hedges["made"] == 1)
            staying.send(request)
            eventually(lambda: pair.gateway.metrics()["headrace_flights_joined_total"] == 1)
            leaving.reset()
            assert_from(staying.response(), "two", 2)
        pair.assert_ended(won=1)
        assert second.stats().requests[OPENAI.path]["large"] == 1

        sim.script(STALL)
        second.script(STALL)
        with connect(pair.gateway.url) as leaving:
            leaving.send(encode_request(OPENAI.path, pair.document()))
            eventually(lambda: pair.hedges["made"] == 2)
            leaving.reset()
        pair.assert_ended(won=1, cancelled=1)


def test_shutdown_ends_both(tmp_path: Path, sim: ThreadedSim, second: ThreadedSim):
    with Pair(tmp_path, sim, second.url, listen={"drain_timeout_s": 0.2}) as pair:
        pair.learn()
        sim.script(STALL)
        second.script(STALL)
        with connect(pair.gateway.url) as waiting:
            waiting.send(encode_request(OPENAI.path, pair.document()))
            eventually(lambda: pair.hedges["made"] == 1)
            pair.gateway.stop()
            told = waiting.response()
            assert (told.status, told.error["code"]) == (502, "upstream_shutdown")


def test_nobody_queues_for_a_second_call(tmp_path: Path, sim: ThreadedSim, second: ThreadedSim):
    with Pair(tmp_path, sim, second.url, two={"limit": {"inflight_max": 1}}) as pair:
        pair.learn()
        second.script(STALL)
        with connect(pair.gateway.url) as busy:
            busy.send(encode_request(OPENAI.path, pair.document(model="two/large")))
            eventually(lambda: pair.models.get("two/large", {}).get("inflight") == 1)
            sim.script(Fault(kind=FaultKind.SLOW, delay_ms=SLOW_MS))
            assert_from(pair.ask(), "one", 1)
            assert pair.models["two/large"]["queue"]["waiting"] == 0
            busy.reset()
        pair.assert_ended(blocked=1)
        # As soon as there is room it is used, and given back.
        sim.script(STALL)
        assert_from(pair.ask(), "two", 2)
        pair.assert_ended(blocked=1, won=1)


def test_what_never_went_out_costs_nothing(tmp_path: Path, sim: ThreadedSim, second: ThreadedSim):
    with Pair(tmp_path, sim, second.url, two={"connections_max": 1}) as pair:
        pair.learn()
        second.script(STALL)
        with connect(pair.gateway.url) as busy:
            busy.send(encode_request(OPENAI.path, pair.document(model="two/large")))
            eventually(lambda: second.stats().requests.get(OPENAI.path))
            sim.script(Fault(kind=FaultKind.SLOW, delay_ms=SLOW_MS))
            assert_from(pair.ask(), "one", 1)
            busy.reset()
        pair.assert_ended(lost=1)
        assert second.stats().requests[OPENAI.path]["large"] == 1
        tokens = 'headrace_hedge_tokens_total{provider="two"}'
        assert pair.gateway.metrics().get(tokens, 0) == 0


def test_a_target_whose_breaker_is_open_is_not_asked(tmp_path: Path, sim: ThreadedSim):
    down = f"http://127.0.0.1:{free_port()}"
    two = {"breaker": {"calls_min": 2, "open_s": 60}}
    with Pair(tmp_path, sim, down, two=two) as pair:
        pair.learn()
        for _ in range(2):
            assert pair.ask(model="two/large").status == 502
        sim.script(Fault(kind=FaultKind.SLOW, delay_ms=SLOW_MS))
        assert_from(pair.ask(), "one", 1)
        pair.assert_ended(blocked=1)


def test_a_stream_that_has_begun_is_left_alone(
    tmp_path: Path, sim: ThreadedSim, second: ThreadedSim
):
    with Pair(tmp_path, sim, second.url) as pair:
        pair.learn(stream=True)
        sim.script(Fault(kind=FaultKind.STALL_MID, after_chunks=2))
        with connect(pair.gateway.url) as reading:
            request = encode_request(OPENAI.path, pair.document(stream=True))
            reading.send(request)
            reading.read_until(b"data:")
            sim.script(STALL)
            assert_from(pair.ask(stream=True), "two", 2)  # later, and hedged meanwhile
        pair.assert_ended(won=1)
        assert second.stats().requests[OPENAI.path]["large"] == 1


def test_second_calls_are_a_share_of_the_requests(
    tmp_path: Path, sim: ThreadedSim, second: ThreadedSim
):
    with Pair(tmp_path, sim, second.url, hedge={"share_max": 0.25}) as pair:
        pair.learn()
        sim.script(STALL, Fault(kind=FaultKind.SLOW, delay_ms=SLOW_MS))
        assert_from(pair.ask(), "two", 2)  # one of four
        assert_from(pair.ask(), "one", 1)
        pair.assert_ended(won=1, refused=1)
        assert (pair.hedges["requests"], pair.hedges["made"]) == (SAMPLES + 2, 1)


def test_the_only_target_is_asked_twice_where_that_is_set(tmp_path: Path, sim: ThreadedSim):
    only = ("one/small",)
    nobody = f"http://127.0.0.1:{free_port()}"
    with Pair(tmp_path, sim, nobody, targets=only, hedge={"same_target": True}) as pair:
        pair.learn()
        sim.script(STALL)
        assert_from(pair.ask(), "one", 2)
        pair.assert_ended(won=1)
    with Pair(tmp_path / "without", sim, nobody, targets=only) as pair:
        pair.learn()
        sim.script(Fault(kind=FaultKind.SLOW, delay_ms=SLOW_MS))
        assert_from(pair.ask(), "one", 1)
        pair.assert_ended(blocked=1)


def test_nothing_of_this_happens_by_itself(tmp_path: Path, sim: ThreadedSim, second: ThreadedSim):
    with Pair(tmp_path, sim, second.url, hedge={"enabled": False}) as pair:
        pair.learn()
        sim.script(Fault(kind=FaultKind.SLOW, delay_ms=SLOW_MS))
        assert_from(pair.ask(), "one", 1)
        assert pair.models["one/small"]["hedges"] is None
