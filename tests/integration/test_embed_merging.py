"""Merged embeddings before the simulated provider: what each gets is what it would get alone."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.embedding import Caller, EmbedEngine

from headrace.clock import Clock, ManualClock
from headrace.gateway.embeds.merging import EmbedBatcher
from headrace.gateway.flight import Flight
from headrace.gateway.order import Order
from headrace.gateway.tasks import Tasks
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running
from headrace.upstream.pool import Pool

TIMEOUT_S = 60.0


class Meter:
    def connected(self) -> None: ...

    def retried(self) -> None: ...

    def failed(self, kind: str) -> None: ...


class Limits:
    connections_max = 16
    keepalive_s = 30.0
    connect_timeout_s = 5.0
    answer_mb_max = 64
    first_byte_timeout_s = 5.0
    idle_timeout_s = 5.0
    total_timeout_s = 10.0


class HeldUpClock(ManualClock):
    """The clock of a loop that is held up by others between any two things that it does."""

    def monotonic_s(self) -> float:
        self.advance(0.004)
        return super().monotonic_s()


class SimEngine(EmbedEngine):
    """Whose calls go to the simulated provider, merged unless told otherwise.

    Args:
        sim: the provider.
        tasks: what runs beside.
        clock: what merging goes by; by default all who ask in one turn ask at one time.
        terms: what the settings say.
    """

    def __init__(
        self, sim: ThreadedSim, tasks: Tasks, clock: Clock | None = None, **terms: Any
    ) -> None:
        super().__init__(**terms)
        sim_pool = Pool(
            "p", "127.0.0.1", sim.port, tls=None, limits=Limits(), meter=Meter(), spawn=tasks.spawn
        )
        self.sim_pool = sim_pool
        self.pool.send = sim_pool.send  # type: ignore[method-assign]
        self.batcher = EmbedBatcher(
            lambda: self.terms, clock or ManualClock(), self.bugs.append, self
        )

    def leave(self, order: Order, flight: Flight) -> None:
        self.prepare(order)
        self.send(order, flight)

    async def answers(self, callers: list[Caller]) -> list[dict[str, Any]]:
        """What they get."""
        async with asyncio.timeout(TIMEOUT_S):
            while not all(caller.said[-1] == "answer" for caller in callers):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        return [caller.document for caller in callers]


@pytest.fixture(scope="module")
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as provider:
        yield provider


REQUESTS: list[Any] = [
    ["the mill", "the stream"],
    "the wheel",
    ["the stream"],
    ["ein Mühlrad", 'quote " and \\ slash', "\n\u2028"],
    "the mill",
    ["x"] * 5,
]


async def ask_all(engine: SimEngine, requests: list[Any], **fields: Any) -> list[dict[str, Any]]:
    fields = {"dimensions": 8, **fields}
    return await engine.answers([engine.ask(given, **fields) for given in requests])


def run(
    sim: ThreadedSim,
    requests: list[Any],
    *,
    merged: bool,
    clock: Clock | None = None,
    **fields: Any,
) -> Any:
    """The answers to requests, and how many calls they took."""

    async def whole() -> list[dict[str, Any]]:
        bugs: list[BaseException] = []
        tasks = Tasks(bugs.append)
        engine = SimEngine(sim, tasks, clock, enabled=merged)
        try:
            answers = await ask_all(engine, requests, **fields)
            assert engine.batcher._groups == {}
        finally:
            engine.sim_pool.end()
            await tasks.close()
            await engine.engine.close()
        assert engine.bugs == bugs == []
        return answers

    sim.reset()
    answers = asyncio.run(whole())
    return answers, sum(sum(models.values()) for models in sim.stats().requests.values())


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_everybody_gets_the_vectors_of_a_call_of_its_own(sim: ThreadedSim, encoding: str) -> None:
    alone, calls = run(sim, REQUESTS, merged=False, encoding_format=encoding)
    assert calls == len(REQUESTS)
    together, calls = run(sim, REQUESTS, merged=True, encoding_format=encoding)
    assert calls == 1
    check(together, alone)
    distinct = sorted({text for given in REQUESTS for text in _list(given)})
    whole, _ = run(sim, [distinct], merged=False)
    for count in ("prompt_tokens", "total_tokens"):
        assert sum(each["usage"][count] for each in together) == whole[0]["usage"][count]


def test_on_a_busy_machine_too_in_more_calls(sim: ThreadedSim) -> None:
    """What two calls have in common is paid for twice, since nobody is held up for long."""
    alone, _ = run(sim, REQUESTS, merged=False)
    together, calls = run(sim, REQUESTS, merged=True, clock=HeldUpClock())
    assert 1 < calls < len(REQUESTS)
    check(together, alone)


def check(together: list[dict[str, Any]], alone: list[dict[str, Any]]) -> None:
    """What each got is what it gets alone, but for what it pays."""
    for mine, own in zip(together, alone, strict=True):
        assert mine["data"] == own["data"]
        assert {**mine, "usage": 0} == {**own, "usage": 0}


def test_tokens_are_merged_with_tokens_and_paid_for_to_the_last(sim: ThreadedSim) -> None:
    requests = [[1, 2, 3], [[4, 5], [6]], [[7] * 10]]
    alone, _ = run(sim, requests, merged=False)
    together, calls = run(sim, requests, merged=True)
    assert calls == 1
    assert together == alone


def test_what_the_provider_refuses_is_told_to_who_sent_it(sim: ThreadedSim) -> None:
    requests = [[[1, 2]], [[3]], [["no tokens"]], [[4]], [[5, 6, 7]]]
    alone, _ = run(sim, requests, merged=False)
    together, calls = run(sim, requests, merged=True)
    assert calls <= 7
    assert together[2]["error"] == alone[2]["error"]
    assert [each.get("data") for each in together] == [each.get("data") for each in alone]


def test_a_provider_that_breaks_off_is_told_to_everybody(sim: ThreadedSim) -> None:
    async def whole() -> None:
        tasks = Tasks(lambda bug: None)
        engine = SimEngine(sim, tasks)
        sim.script(Fault(kind=FaultKind.RESET_MID, path="/v1/embeddings"))
        try:
            callers = [engine.ask(text, dimensions=8) for text in "abc"]
            async with asyncio.timeout(TIMEOUT_S):
                while not all(caller.said[-1].startswith("fail") for caller in callers):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            again = await ask_all(engine, ["a", "b"])
            assert [len(each["data"]) for each in again] == [1, 1]
        finally:
            engine.sim_pool.end()
            await tasks.close()
            await engine.engine.close()

    asyncio.run(whole())


def test_a_hundred_callers_need_few_calls(sim: ThreadedSim) -> None:
    requests = [f"text {at}" for at in range(100)] + [["a", f"b{at}"] for at in range(20)]
    answers, calls = run(sim, requests, merged=True)
    assert 3 * calls <= len(requests)
    assert [len(each["data"]) for each in answers] == [1] * 100 + [2] * 20
    assert json.dumps(answers[0]["data"]) != json.dumps(answers[1]["data"])


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]
