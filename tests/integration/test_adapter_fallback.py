"""What callers of the library are told where nobody answers, or a stream breaks off."""

import asyncio
from typing import Any

import pytest
from tests.support.adapter import CHAT, MESSAGES, MODELS, settings_for

from headrace import Adapter
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

TEXT = "Please ask again."


def settings(sim: ThreadedSim) -> dict[str, Any]:
    targets = {CHAT: "openai/m", MESSAGES: "anthropic/m"}
    fallback = {"fallback_text": TEXT, "continue_streams": True}
    models = {name: {"targets": [target], **fallback} for name, target in targets.items()}
    return {**settings_for(sim.url), "models": models}


@pytest.mark.parametrize("model", MODELS)
def test_a_text_can_be_told_from_an_answer(sim: ThreadedSim, model: str) -> None:
    async def main() -> None:
        async with Adapter(settings(sim)) as adapter:
            sim.script(Fault(kind=FaultKind.STATUS, status=500, times=2))
            told = await adapter.generate("Why?", model=model)
            assert (told.text, told.fallback, told.cost_usd) == (TEXT, "text", 0)
            stream = adapter.stream("Why?", model=model)
            assert "".join([event.text async for event in stream]) == TEXT
            assert stream.completion().fallback == "text"
            answer = await adapter.generate("Why?", model=model)
            assert (answer.fallback, answer.cache) == (None, "miss")

    asyncio.run(main())


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_goes_on(sim: ThreadedSim, model: str) -> None:
    async def main() -> None:
        async with Adapter(settings(sim)) as adapter:
            sim.script(Fault(kind=FaultKind.CUT, after_chunks=3))
            stream = adapter.stream("Why?", model=model)
            text = "".join([event.text async for event in stream])
            told = stream.completion()
            assert (told.text, told.fallback, told.attempts) == (text, "continued", 2)
            assert told.finish_reason in ("stop", "end_turn")

    asyncio.run(main())
