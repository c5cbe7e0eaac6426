"""The asynchronous SDKs: many calls at once over shared connections."""

import asyncio
from collections import Counter
from typing import Any

import anthropic
import openai
from tests.e2e.asking import chat, message
from tests.e2e.conftest import APP_KEY
from tests.support.gateway import Gateway

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim


def test_openai(gateway: Gateway, question: str) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key=APP_KEY, max_retries=0
        ) as client:
            whole = await client.chat.completions.create(**chat(question))
            text = ""
            asked = chat(question, stream=True, stream_options={"include_usage": True})
            async for chunk in await client.chat.completions.create(**asked):
                text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
                usage = chunk.usage
            assert text == whole.choices[0].message.content
            assert usage == whole.usage
            vectors = await client.embeddings.create(model="text-embedding-3-small", input="a")
            assert len(vectors.data[0].embedding) == 1536

    asyncio.run(main())


def test_anthropic(gateway: Gateway, question: str) -> None:
    async def main() -> None:
        async with anthropic.AsyncAnthropic(
            base_url=gateway.url, api_key=APP_KEY, max_retries=0
        ) as client:
            whole = await client.messages.create(**message(question))
            async with client.messages.stream(**message(question)) as stream:
                text = "".join([piece async for piece in stream.text_stream])
                final = await stream.get_final_message()
            assert text == whole.content[0].text
            assert final.usage.output_tokens == whole.usage.output_tokens

    asyncio.run(main())


def test_identical_calls_at_once_are_made_once(
    gateway: Gateway, sim: ThreadedSim, question: str
) -> None:
    # The answer is held back until everybody has asked.
    sim.script(Fault(kind=FaultKind.SLOW, delay_ms=600))
    before = sim.stats().requests_total

    async def main() -> list[Any]:
        async with openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key=APP_KEY, max_retries=0
        ) as client:
            ask = client.chat.completions.with_raw_response.create
            return await asyncio.gather(*(ask(**chat(question)) for _ in range(20)))

    raws = asyncio.run(main())
    assert sim.stats().requests_total - before == 1
    caches = Counter(raw.headers["x-headrace-cache"] for raw in raws)
    assert caches["miss"] == 1
    assert caches["joined"] + caches["l1"] == 19
    assert len({raw.text for raw in raws}) == 1
    assert len({raw.headers["x-request-id"] for raw in raws}) == 20


def test_many_different_calls_at_once_do_not_mix(gateway: Gateway, question: str) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key=APP_KEY, max_retries=0
        ) as client:

            async def both(number: int) -> None:
                asked = chat(f"{question} Part {number}.", n=2)
                text = ""
                async for chunk in await client.chat.completions.create(**asked, stream=True):
                    for choice in chunk.choices:
                        text += (choice.delta.content or "") if choice.index == 1 else ""
                whole = await client.chat.completions.create(**asked)
                assert whole.choices[1].message.content == text

            async with asyncio.TaskGroup() as group:
                for number in range(40):
                    group.create_task(both(number))

    asyncio.run(main())
