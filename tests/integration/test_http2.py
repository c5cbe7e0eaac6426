"""Providers that are spoken to in HTTP/2, through the whole engine."""

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from tests.support.h2_provider import H2Provider, Stream, h2_provider

from headrace import Adapter, SettingsInvalid, UpstreamBroken
from headrace.settings import parse_settings

ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
)
EVENT = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n'
)


def settings(port: int, **provider: object) -> dict[str, object]:
    return {
        "providers": {
            "p": {
                "dialect": "openai",
                "base_url": f"http://127.0.0.1:{port}/v1",
                "api_key": "secret",
                "http": "2",
                "retry": {"tries_max": 1},
                **provider,
            }
        }
    }


def play(scenario: Callable[[Adapter, H2Provider], Awaitable[None]]) -> None:
    async def main() -> None:
        async with h2_provider() as provider:
            provider.play = whole
            async with Adapter(settings(provider.port)) as adapter:
                await scenario(adapter, provider)

    uvloop.run(asyncio.wait_for(main(), 30))


async def whole(stream: Stream) -> None:
    stream.head(200, (("content-type", "application/json"),))
    await stream.send(ANSWER)
    stream.end()


async def in_events(stream: Stream) -> None:
    stream.head(200, (("content-type", "text/event-stream"),))
    for word in (b"one", b"two"):
        await stream.send(EVENT % word)
    await stream.send(b"data: [DONE]\n\n")
    stream.end()


def asked(provider: H2Provider) -> list[Stream]:
    return [stream for stream in provider.streams if stream.body]


def test_a_hundred_questions_share_one_connection():
    async def scenario(adapter: Adapter, provider: H2Provider) -> None:
        answers = await asyncio.gather(
            *(adapter.generate(f"q{number}", model="p/m") for number in range(100))
        )
        assert {answer.text for answer in answers} == {"hi"}
        assert len(asked(provider)) == 100
        assert len(provider.connections) == 1
        sent = dict(asked(provider)[0].headers)
        assert (sent[":path"], sent["authorization"]) == ("/v1/chat/completions", "Bearer secret")
        again = await adapter.generate("q1", model="p/m")
        assert (again.text, len(asked(provider))) == ("hi", 100)

    play(scenario)


def test_a_stream_comes_as_it_is():
    async def scenario(adapter: Adapter, provider: H2Provider) -> None:
        provider.play = in_events
        texts = [event.text async for event in adapter.stream("q", model="p/m")]
        assert "".join(text for text in texts if text) == "onetwo"

    play(scenario)


def test_a_stream_that_is_reset_is_an_error():
    async def scenario(adapter: Adapter, provider: H2Provider) -> None:
        async def breaks(stream: Stream) -> None:
            stream.head(200, (("content-type", "text/event-stream"),))
            await stream.send(EVENT % b"one")
            stream.reset()

        provider.play = breaks
        with pytest.raises(UpstreamBroken) as told:
            async for _ in adapter.stream("q", model="p/m"):
                pass
        assert told.value.code == "upstream_cut"

    play(scenario)


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_a_call_that_is_late_is_made_twice_over_one_connection(is_stream: bool):
    hedge = {"enabled": True, "same_target": True, "share_max": 1.0, "samples_min": 1}

    async def main() -> None:
        async with h2_provider() as provider:
            quick = in_events if is_stream else whole
            provider.play = quick
            late = asyncio.Event()

            async def once_late(stream: Stream) -> None:
                provider.play = quick
                await late.wait()
                stream.head(200, (("content-type", "application/json"),))
                await stream.gone.wait()

            async def text(adapter: Adapter, prompt: str) -> str:
                if not is_stream:
                    return (await adapter.generate(prompt, model="p/m")).text
                events = [event.text async for event in adapter.stream(prompt, model="p/m")]
                return "".join(each for each in events if each)

            async with Adapter(settings(provider.port, hedge=hedge)) as adapter:
                first = await text(adapter, "known")
                provider.play = once_late
                assert await text(adapter, "late") == first
                stalled = asked(provider)[1]
                late.set()
                await stalled.gone.wait()
                assert await text(adapter, "after") == first
                assert len(asked(provider)) == 4
                assert len(provider.connections) == 1

    uvloop.run(asyncio.wait_for(main(), 30))


def test_without_what_it_needs_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "headrace.upstream.endpoint.find_spec",
        lambda name: None if name == "pyreqwest" else find(name),
    )

    async def main() -> None:
        with pytest.raises(SettingsInvalid, match=r"headrace\[http2\]"):
            async with Adapter(settings(1)):
                pass

    asyncio.run(main())


@pytest.mark.parametrize(("written", "read"), [("2", "2"), ("1.1", "1.1"), ("'2'", "2")])
def test_the_setting_may_be_written_as_a_number(written: str, read: str):
    text = f"providers: {{p: {{dialect: openai, base_url: 'http://h/v1', http: {written}}}}}"
    assert parse_settings(text, {}).providers["p"].http == read
