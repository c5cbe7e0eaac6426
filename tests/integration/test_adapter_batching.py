"""A batch function in the provider's place: who goes together, who does not, what goes wrong."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.adapter import CHAT, MESSAGES, settings_for, soon

from headrace import (
    Adapter,
    BatchFailed,
    BatchReply,
    NotRunning,
    Overloaded,
    SyncAdapter,
    Usage,
)
from headrace.library.batching import GROUPS_MAX
from headrace.sim.thread import ThreadedSim

Requests = list[dict[str, Any]]
Scenario = Callable[[Adapter, "Model"], Coroutine[Any, Any, None]]


def asked(request: dict[str, Any]) -> str:
    text: str = request["messages"][-1]["content"]
    return text


class Model:
    """A batch function that keeps what it was given, and waits while its gate is closed."""

    def __init__(self, reply: Callable[[str], Any] = str.upper) -> None:
        self.batches: list[Requests] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.cancelled = 0
        self._reply = reply

    async def __call__(self, requests: Requests) -> list[Any]:
        self.batches.append(requests)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return [self._reply(asked(request)) for request in requests]

    @property
    def texts(self) -> list[list[str]]:
        return [[asked(request) for request in batch] for batch in self.batches]


def play(sim: ThreadedSim, scenario: Scenario, model: Model | None = None, **more: Any) -> None:
    """Run a scenario; afterwards nothing is left, and no provider was asked but by choice."""

    async def main() -> None:
        batch = model or Model()
        async with Adapter(settings_for(sim.url), batch=batch, **more) as adapter:
            await scenario(adapter, batch)
        assert adapter.metrics()["inflight"] == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def calls(sim: ThreadedSim) -> int:
    return sum(sum(models.values()) for models in sim.stats().requests.values())


@pytest.mark.parametrize("name", [CHAT, MESSAGES])
def test_what_is_asked_at_the_same_time_goes_together(sim: ThreadedSim, name: str) -> None:
    async def scenario(adapter: Adapter, model: Model) -> None:
        words = ["one", "two", "three"]
        answers = await asyncio.gather(*(adapter.generate(word, model=name) for word in words))
        assert [answer.text for answer in answers] == ["ONE", "TWO", "THREE"]
        assert model.texts == [words]
        assert {request["model"] for request in model.batches[0]} == {name}
        assert {(answer.cache, answer.attempts) for answer in answers} == {("miss", 1)}
        assert [answer.usage for answer in answers] == [None] * 3

    play(sim, scenario)
    assert calls(sim) == 0


def test_what_is_stored_or_under_way_does_not_go_to_the_batch(sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter, model: Model) -> None:
        await adapter.generate("one", model=CHAT)
        words = ["one", "two", "two"]
        answers = await asyncio.gather(*(adapter.generate(word, model=CHAT) for word in words))
        assert [answer.cache for answer in answers] == ["l1", "miss", "joined"]
        assert model.texts == [["one"], ["two"]]

    play(sim, scenario)


def test_other_parameters_are_another_batch(sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter, model: Model) -> None:
        await asyncio.gather(
            *(
                adapter.generate(word, model=CHAT, temperature=temperature)
                for word in ("one", "two")
                for temperature in (0.0, 0.5)
            ),
            adapter.generate("one", model="gpt-4o"),
        )
        assert sorted(map(len, model.texts)) == [1, 2, 2]
        for batch in model.batches:
            assert len({(each["model"], each.get("temperature")) for each in batch}) == 1
        assert adapter._batches is not None
        assert adapter._batches._processors == {}

    play(sim, scenario)


def test_batches_are_no_larger_than_was_asked_for(sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter, model: Model) -> None:
        await asyncio.gather(*(adapter.generate(str(n), model=CHAT) for n in range(10)))
        assert max(map(len, model.texts)) <= 3
        assert sorted(word for batch in model.texts for word in batch) == sorted(
            map(str, range(10))
        )

    play(sim, scenario, batch_size=3, batch_wait_ms=1)


def test_each_has_its_own_usage_and_price(sim: ThreadedSim) -> None:
    def reply(text: str) -> BatchReply:
        return BatchReply(text, Usage(input_tokens=len(text), output_tokens=7, cached_tokens=1))

    async def scenario(adapter: Adapter, _: Model) -> None:
        for name in (CHAT, MESSAGES):
            one, three = await asyncio.gather(
                adapter.generate("one", model=name), adapter.generate("three", model=name)
            )
            assert one.usage == Usage(input_tokens=3, output_tokens=7, cached_tokens=1)
            assert three.usage == Usage(input_tokens=5, output_tokens=7, cached_tokens=1)
        again = await adapter.generate("three", model=CHAT)
        assert (again.cache, again.usage) == ("l1", three.usage)
        assert adapter.metrics()["spent"]["tokens"] == {
            "input": 16,
            "output": 28,
            "cached": 4,
            "cache_write": 0,
        }
        assert adapter.metrics()["saved"]["tokens"]["output"] == 7

    play(sim, scenario, Model(reply))


def test_a_reply_may_be_the_whole_json_of_the_dialect(sim: ThreadedSim) -> None:
    def reply(text: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text * 2}
        choice = {"index": 0, "message": message, "finish_reason": "length"}
        return {"object": "chat.completion", "choices": [choice], "extra": [1]}

    async def scenario(adapter: Adapter, _: Model) -> None:
        answer = await adapter.generate("one", model=CHAT)
        assert (answer.text, answer.finish_reason) == ("oneone", "length")
        assert answer.json()["extra"] == [1]

    play(sim, scenario, Model(reply))


def test_streams_and_calls_of_their_own_go_to_the_provider(sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter, model: Model) -> None:
        assert (await adapter.generate("alone", model=CHAT, use_batching=False)).text != "ALONE"
        async with adapter.stream("stream", model=CHAT) as stream:
            assert [event async for event in stream]
        assert (await adapter.embed("vector", model="openai/e")).vectors
        assert model.batches == []

    play(sim, scenario)
    assert calls(sim) == 3


def test_one_bad_item_fails_alone(sim: ThreadedSim) -> None:
    def reply(text: str) -> object:
        mistyped = BatchReply(text, usage={"input_tokens": 1})  # type: ignore[arg-type]
        replies = {
            "bad": ValueError("nothing to say"),
            "odd": 17,
            "set": {"x": {1j}},
            "mistyped": mistyped,
        }
        return replies.get(text, text)

    async def scenario(adapter: Adapter, _: Model) -> None:
        words = ["good", "bad", "odd", "set", "mistyped"]
        good, bad, odd, unread, untyped = await asyncio.gather(
            *(adapter.generate(word, model=CHAT) for word in words), return_exceptions=True
        )
        assert str(good) == "good"
        assert isinstance(bad, BatchFailed)
        assert "ValueError: nothing to say" in bad.message
        assert isinstance(bad.__cause__, ValueError)
        assert isinstance(odd, BatchFailed)
        assert "gave 17 for a request" in odd.message
        assert isinstance(unread, BatchFailed)
        assert isinstance(untyped, BatchFailed)
        assert "perhaps a Usage" in untyped.message
        assert (await adapter.generate("good", model=CHAT)).cache == "l1"
        with pytest.raises(BatchFailed):
            await adapter.generate("bad", model=CHAT)  # what failed is not stored

    play(sim, scenario, Model(reply))


def test_a_function_that_gives_too_few_is_told(sim: ThreadedSim) -> None:
    class Short(Model):
        async def __call__(self, requests: Requests) -> list[Any]:
            return (await super().__call__(requests))[1:]

    async def scenario(adapter: Adapter, _: Model) -> None:
        with pytest.raises(BatchFailed, match="gave 0 results for 1 items"):
            await adapter.generate("one", model=CHAT)

    play(sim, scenario, Short())


def test_who_is_cancelled_harms_nobody_and_the_last_one_gives_the_batch_up(
    sim: ThreadedSim,
) -> None:
    async def scenario(adapter: Adapter, model: Model) -> None:
        model.gate.clear()
        first, second = (
            asyncio.ensure_future(adapter.generate(word, model=CHAT)) for word in ("one", "two")
        )
        await soon(lambda: len(model.batches) == 1)
        first.cancel()
        model.gate.set()
        assert (await second).text == "TWO"
        model.gate.clear()
        third = asyncio.ensure_future(adapter.generate("three", model=CHAT))
        await soon(lambda: len(model.batches) == 2)
        third.cancel()
        await soon(lambda: model.cancelled == 1)

    play(sim, scenario)


def test_a_function_that_hangs_does_not_hold_up_the_end(sim: ThreadedSim) -> None:
    async def main() -> None:
        model = Model()
        model.gate.clear()
        adapter = Adapter(settings_for(sim.url), batch=model, close_timeout_s=0.05)
        await adapter.start()
        waiting = asyncio.ensure_future(adapter.generate("one", model=CHAT))
        await soon(lambda: len(model.batches) == 1)
        await adapter.close()
        with pytest.raises(NotRunning):
            await waiting
        await soon(lambda: model.cancelled == 1)
        await soon(lambda: asyncio.all_tasks() == {asyncio.current_task()})

    asyncio.run(main())


def test_a_function_that_hangs_is_not_asked_without_end(sim: ThreadedSim) -> None:
    async def scenario(adapter: Adapter, model: Model) -> None:
        model.gate.clear()
        waiting = [
            asyncio.create_task(
                adapter.generate("word", model=CHAT, temperature=place / GROUPS_MAX)
            )
            for place in range(GROUPS_MAX)
        ]
        await soon(lambda: len(model.batches) == GROUPS_MAX)
        with pytest.raises(Overloaded) as told:
            await adapter.generate("word", model=CHAT, temperature=1.5)
        assert told.value.code == "batch_groups_full"
        model.gate.set()
        assert {answer.text for answer in await asyncio.gather(*waiting)} == {"WORD"}
        assert (await adapter.generate("word", model=CHAT, temperature=1.5)).text == "WORD"

    play(sim, scenario)


def test_threads_share_batches_of_a_function_that_blocks(sim: ThreadedSim) -> None:
    batches: list[int] = []
    everybody = threading.Barrier(4)

    def model(requests: Requests) -> list[str]:
        batches.append(len(requests))
        return [asked(request).upper() for request in requests]

    with SyncAdapter(settings_for(sim.url), batch=model, batch_size=4) as adapter:
        texts: dict[str, str] = {}

        def ask(word: str) -> None:
            everybody.wait()
            texts[word] = adapter.generate(word, model=CHAT).text

        threads = [threading.Thread(target=ask, args=(word,)) for word in ("a", "b", "c", "d")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert texts == {"a": "A", "b": "B", "c": "C", "d": "D"}
    assert sum(batches) == 4
    assert calls(sim) == 0


def test_with_nothing_to_batch_with_the_bounds_of_batches_are_refused(sim: ThreadedSim) -> None:
    settings = settings_for(sim.url)
    for more in ({"batch_size": 5}, {"batch_wait_ms": 10.0}):
        with pytest.raises(ValueError, match="nothing to batch with: give the adapter a function"):
            Adapter(settings, **more)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="nothing to batch with"):
            SyncAdapter(settings, **more)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a list of requests"):
        Adapter(settings, batch="model")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="it has to be 1 or more"):
        Adapter(settings, batch=Model(), batch_size=0)
