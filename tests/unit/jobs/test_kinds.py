"""What a kind of job takes, and what it refuses."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from tests.support.job_context import PlainRecorder, make_context

from headrace.errors import InvalidRequest
from headrace.jobs.built_in import built_in_kinds


def test_every_kind_says_what_it_is_for() -> None:
    kinds = built_in_kinds()
    assert "generate" in kinds.names
    assert all(kinds.find(name).about for name in kinds.names)


def test_an_unknown_kind_is_told_with_those_there_are() -> None:
    with pytest.raises(
        InvalidRequest, match=r"No kind of job 'sing'; there are .*generate"
    ) as told:
        built_in_kinds().find("sing")
    assert told.value.code == "unknown_kind"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"prompt": "Hi"}, "missing required field `model`"),
        ({"model": "m", "prompt": 7}, "`input.prompt`"),
        ({"model": "m", "prompt": "Hi", "promt": ""}, "unknown field `promt`"),
        ({"model": "m"}, "either `prompt` or `messages`"),
        ({"model": "m", "prompt": "Hi", "messages": [{}]}, "either `prompt` or `messages`"),
        ({"model": "m", "prompt": "Hi", "fields": {"stream": True}}, "leave `stream` out"),
        ([], "Expected `object`"),
    ],
)
def test_what_is_wrong_with_an_input_is_told(document: object, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        built_in_kinds().find("generate").read(document)


def test_generate_keeps_the_answer(tmp_path: Any) -> None:
    asked: list[tuple[str, Mapping[str, Any]]] = []

    def answer(path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        asked.append((path, document))
        choice = {"message": {"content": "Hello"}, "finish_reason": "stop"}
        return {"model": "m-1", "choices": [choice], "usage": {"total_tokens": 3}}

    kind = built_in_kinds().find("generate")
    wanted = kind.read({"model": "m", "prompt": "Hi", "fields": {"temperature": 0}})
    result = asyncio.run(kind.run(make_context(tmp_path, answer), wanted))  # type: ignore[arg-type]

    assert result == {
        "text": "Hello",
        "model": "m-1",
        "finish_reason": "stop",
        "usage": {"total_tokens": 3},
    }
    messages = [{"role": "user", "content": "Hi"}]
    expected = {"temperature": 0, "model": "m", "messages": messages}
    assert asked == [("/v1/chat/completions", expected)]


def test_a_recorded_step_is_not_done_again(tmp_path: Any) -> None:
    class Part(msgspec.Struct):
        text: str

    done: list[int] = []
    recorder = PlainRecorder()

    async def write() -> Part:
        done.append(1)
        return Part("x")

    async def twice() -> list[Part]:
        job = make_context(tmp_path, recorder=recorder)
        return [await job.step("part", write, Part), await job.step("part", write, Part)]

    assert asyncio.run(twice()) == [Part("x"), Part("x")]
    assert done == [1]


def test_a_step_needs_a_name(tmp_path: Any) -> None:
    async def nameless() -> None:
        async def nothing() -> None: ...

        await make_context(tmp_path).step("", nothing, type(None))

    with pytest.raises(ValueError, match="a step's key has 1 to 128 characters"):
        asyncio.run(nameless())


def test_progress_stays_between_nothing_and_all(tmp_path: Any) -> None:
    recorder = PlainRecorder()

    async def overdo() -> None:
        job = make_context(tmp_path, recorder=recorder)
        await job.progress(-1.0)
        await job.progress(7.0, "x" * 1000)

    asyncio.run(overdo())
    assert recorder.told == [(0.0, ""), (1.0, "x" * 500)]
