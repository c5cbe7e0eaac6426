"""What may never be stored, row by row, through a running gateway in both dialects."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, SPEECHES, Speech
from tests.support.provider import ScriptedProvider, scripted, sized, streamed
from tests.support.replies import DONE, completion, delta, event, events, message

from headrace.cache.rules import Refusal

KB_MAX = 4
LONG = "x" * (KB_MAX * 1024)
SECRET = "The password is swordfish."
WORD = "Password IS"
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USE: dict[str, Any] = {"type": "tool_use", "id": "1", "name": "f", "input": {}}
NO = b'{"error":{"message":"no"}}'
ANTHROPIC_NO = b'{"type":"error","error":{"type":"api_error","message":"no"}}'


class Row(NamedTuple):
    """An answer that may not be stored.

    Attributes:
        reason: what the metric says; none where what came is no answer at all.
        stream: whether a stream is asked for.
    """

    reason: Refusal | None
    speech: Speech
    answer: bytes
    stream: bool = False


def stream_of(*parts: bytes) -> bytes:
    return streamed(*parts, DONE)


def cut(answer: bytes) -> bytes:
    """What is left of an answer whose connection ends within its body."""
    return answer[:-20]


ERROR_EVENT = b'data: {"error":{"message":"no"}}\n\n'
ANTHROPIC_ERROR = event({"type": "error", "error": {"type": "api_error", "message": "no"}})
STATUSES = ("400 Bad Request", "404 Not Found", "429 Too Many Requests", "500 Oh", "503 Away")

ROWS = [
    *(
        Row(Refusal.STATUS, speech, sized(body, status), stream)
        for speech, body in ((OPENAI, NO), (ANTHROPIC, ANTHROPIC_NO))
        for status in STATUSES
        for stream in (False, True)
    ),
    Row(Refusal.STATUS, OPENAI, sized(completion(), "201 Created")),
    Row(Refusal.STATUS, ANTHROPIC, sized(message(), "203 Somebody Else's")),
    Row(Refusal.ERROR, OPENAI, sized(NO)),
    Row(Refusal.ERROR, OPENAI, stream_of(delta("a"), ERROR_EVENT), stream=True),
    Row(Refusal.ERROR, OPENAI, sized(completion(finish="error"))),
    Row(Refusal.ERROR, ANTHROPIC, sized(ANTHROPIC_NO)),
    Row(Refusal.ERROR, ANTHROPIC, streamed(*events("a"), ANTHROPIC_ERROR), stream=True),
    Row(Refusal.INCOMPLETE, OPENAI, sized(b"{}")),
    Row(Refusal.INCOMPLETE, OPENAI, sized(b'{"choices":[]}')),
    Row(Refusal.INCOMPLETE, OPENAI, sized(completion(finish=None))),
    Row(Refusal.INCOMPLETE, ANTHROPIC, sized(b"{}")),
    Row(Refusal.INCOMPLETE, ANTHROPIC, sized(message(stop=None))),
    Row(None, OPENAI, sized(b"[1, 2")),
    Row(None, ANTHROPIC, sized(b"<html>")),
    Row(None, OPENAI, cut(sized(completion()))),
    Row(None, ANTHROPIC, cut(sized(message()))),
    Row(None, OPENAI, streamed(delta("a"), ends=False), stream=True),
    Row(None, OPENAI, streamed(delta("a")), stream=True),  # the framing is complete
    Row(None, ANTHROPIC, streamed(*events("a")[:-3], ends=False), stream=True),
    Row(None, ANTHROPIC, streamed(*events("a")[:-1]), stream=True),
    Row(Refusal.TRUNCATED, OPENAI, sized(completion(finish="length"))),
    Row(Refusal.TRUNCATED, OPENAI, stream_of(delta("a"), delta(None, "length")), stream=True),
    Row(Refusal.TRUNCATED, ANTHROPIC, sized(message(stop="max_tokens"))),
    Row(Refusal.TRUNCATED, ANTHROPIC, sized(message(stop="model_context_window_exceeded"))),
    Row(Refusal.TRUNCATED, ANTHROPIC, streamed(*events("a", stop="max_tokens")), stream=True),
    Row(Refusal.FILTERED, OPENAI, sized(completion(finish="content_filter"))),
    Row(Refusal.FILTERED, OPENAI, sized(completion(None, refusal="I would rather not."))),
    Row(
        Refusal.FILTERED, OPENAI, stream_of(delta("a"), delta(None, "content_filter")), stream=True
    ),
    Row(
        Refusal.FILTERED,
        OPENAI,
        stream_of(delta(None, refusal="No."), delta(None, "stop")),
        stream=True,
    ),
    Row(Refusal.FILTERED, ANTHROPIC, sized(message(stop="refusal"))),
    Row(Refusal.FILTERED, ANTHROPIC, streamed(*events("a", stop="refusal")), stream=True),
    Row(Refusal.EMPTY, OPENAI, sized(completion(""))),
    Row(Refusal.EMPTY, OPENAI, sized(completion(None))),
    Row(Refusal.EMPTY, OPENAI, stream_of(delta(""), delta(None, "stop")), stream=True),
    Row(Refusal.EMPTY, ANTHROPIC, sized(message(""))),
    Row(Refusal.EMPTY, ANTHROPIC, streamed(*events()), stream=True),
    Row(Refusal.TOOL_CALLS, OPENAI, sized(completion(None, "tool_calls", tool_calls=[CALL]))),
    Row(
        Refusal.TOOL_CALLS,
        OPENAI,
        stream_of(delta(None, tool_calls=[{"index": 0, **CALL}]), delta(None, "tool_calls")),
        stream=True,
    ),
    Row(Refusal.TOOL_CALLS, ANTHROPIC, sized(message("", "tool_use", USE))),
    Row(Refusal.TOOL_CALLS, ANTHROPIC, streamed(*events(stop="tool_use", block=USE)), stream=True),
    Row(Refusal.TOO_LARGE, OPENAI, sized(completion(LONG))),
    Row(Refusal.TOO_LARGE, OPENAI, stream_of(delta(LONG), delta(None, "stop")), stream=True),
    Row(Refusal.TOO_LARGE, ANTHROPIC, sized(message(LONG))),
    Row(Refusal.TOO_LARGE, ANTHROPIC, streamed(*events(LONG)), stream=True),
    Row(Refusal.SHAPE, OPENAI, sized(completion()), stream=True),
    Row(Refusal.SHAPE, OPENAI, stream_of(delta("a"), delta(None, "stop"))),
    Row(Refusal.SHAPE, ANTHROPIC, sized(message()), stream=True),
    Row(Refusal.SHAPE, ANTHROPIC, streamed(*events("a"))),
    Row(Refusal.UNSAFE, OPENAI, sized(completion(SECRET))),
    Row(
        Refusal.UNSAFE,
        OPENAI,
        stream_of(delta(SECRET[:9]), delta(SECRET[9:]), delta(None, "stop")),
        stream=True,
    ),
    Row(Refusal.UNSAFE, ANTHROPIC, sized(message(SECRET))),
    Row(Refusal.UNSAFE, ANTHROPIC, streamed(*events(SECRET[:9], SECRET[9:])), stream=True),
]
GOOD = [
    Row(None, OPENAI, sized(completion())),
    Row(None, OPENAI, stream_of(delta("a"), delta(None, "stop")), stream=True),
    Row(None, ANTHROPIC, sized(message())),
    Row(None, ANTHROPIC, streamed(*events("a")), stream=True),
]
WITH_TOOLS = [row for row in ROWS if row.reason is Refusal.TOOL_CALLS]


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    with scripted() as provider:
        yield provider


def settings(provider: ScriptedProvider, **cache: Any) -> dict[str, Any]:
    lane = {"base_url": provider.url + "/v1", "warm_connections": 0}
    lanes = {speech.name: {"dialect": speech.name, **lane} for speech in SPEECHES}
    return {"providers": lanes, "cache": cache}


@pytest.fixture(scope="module")
def gateway(
    provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("strict")
    strict = settings(provider, tool_calls=False, unsafe=[WORD], entry_kb_max=KB_MAX)
    with Gateway(folder, strict) as gateway:
        yield gateway


def name(row: Row) -> str:
    return f"{row.reason or 'broken'}-{row.speech.name}-{'stream' if row.stream else 'whole'}"


def refused(gateway: Gateway, reason: Refusal) -> float:
    series = f'headrace_cache_refusals_total{{reason="{reason}"}}'
    return gateway.metrics().get(series, 0.0)


@pytest.mark.parametrize("number", range(len(ROWS)), ids=[name(row) for row in ROWS])
def test_each_row_is_passed_on_and_never_stored(
    gateway: Gateway, provider: ScriptedProvider, number: int
):
    row = ROWS[number]
    document = row.speech.document(f"{row.speech.name}/row-{number}", stream=row.stream)
    before = refused(gateway, row.reason) if row.reason else 0.0
    stored = gateway.metrics().get("headrace_cache_stores_total", 0.0)
    provider.answers = [row.answer]
    for _ in range(2):
        assert gateway.post(row.speech.path, document).cache in ("miss", None)
    if row.reason:
        assert refused(gateway, row.reason) == before + 2
    assert gateway.metrics().get("headrace_cache_stores_total", 0.0) == stored
    good = next(each for each in GOOD if each[1:4:2] == (row.speech, row.stream))
    provider.answers = [good.answer]
    found = [gateway.post(row.speech.path, document) for _ in range(2)]
    assert [each.cache for each in found] == ["miss", "l1"]
    assert found[0].body == found[1].body


def test_every_reason_has_a_row_in_both_dialects():
    told = {(row.reason, row.speech) for row in ROWS if row.reason}
    assert told == {(reason, speech) for reason in Refusal for speech in SPEECHES}


def test_calls_of_tools_are_stored_unless_that_is_turned_off(
    provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory
):
    with Gateway(tmp_path_factory.mktemp("lax"), settings(provider)) as gateway:
        for row in WITH_TOOLS:
            provider.answers = [row.answer]
            model = f"{row.speech.name}/{name(row)}"
            document = row.speech.document(model, stream=row.stream)
            found = [gateway.post(row.speech.path, document).cache for _ in range(2)]
            assert found == ["miss", "l1"]


def test_unsafe_words_are_found_however_their_letters_are_written(
    gateway: Gateway, provider: ScriptedProvider
):
    escaped = json.dumps("Password IS").replace("s", "\\u0073").encode()
    provider.answers = [sized(completion("Said.").replace(b'"Said."', escaped))]
    document = OPENAI.document("openai/escaped")
    found = [gateway.post(OPENAI.path, document).cache for _ in range(2)]
    assert found == ["miss", "miss"]
