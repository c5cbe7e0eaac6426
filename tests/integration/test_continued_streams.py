"""Streams that break off in their middle go on in another call, and the caller sees one stream."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, Speech
from tests.support.provider import ScriptedProvider, scripted, sized, streamed
from tests.support.replies import DONE, delta, event, events
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.dialects.splice import PLEA

COUNT = 'headrace_streams_continued_total{{outcome="{}"}}'
QUESTION: Any = [{"role": "user", "content": "Tell me of water."}]
OLD, NEW = "claude-3-5-sonnet-20241022", "claude-opus-4-6"


class Case:
    """A gateway before two providers whose every byte the test decides."""

    def __init__(self, gateway: Gateway, one: ScriptedProvider, two: ScriptedProvider) -> None:
        self.gateway = gateway
        self.one = one
        self.two = two
        self._numbers = itertools.count(1)

    def ask(self, speech: Speech, model: str, **fields: Any) -> Response:
        """A question that was never asked before, unless it has a seed."""
        fields.setdefault("seed", next(self._numbers))
        return self.gateway.post(speech.path, speech.document(model, stream=True, **fields))

    def count(self, outcome: str) -> float:
        return self.gateway.metrics().get(COUNT.format(outcome), 0)

    def line(self, response: Response) -> dict[str, Any]:
        """What the log says of an answer."""
        name = response.headers["x-request-id"]
        found = eventually(
            lambda: [ln for ln in self.gateway.requests() if ln["request_id"] == name]
        )
        return found[0]


@pytest.fixture(scope="module")
def shared_case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with scripted() as one, scripted() as two:
        lane = {"warm_connections": 0, "retry": {"budget_floor": 1000}}
        lane["breaker"] = {"enabled": False}
        lane["limit"] = {"inflight_max": 100, "algorithm": "fixed"}
        urls = {"one": f"{one.url}/v1", "two": f"{two.url}/v1"}
        providers = {
            prefix + name: {"dialect": dialect, "base_url": url, **lane}
            for name, url in urls.items()
            for prefix, dialect in (("o-", "openai"), ("a-", "anthropic"))
        }
        targets = {
            "chat": ["o-one/m"],
            "chats": ["o-one/m", "o-two/n"],
            "old": [f"a-one/{OLD}"],
            "new": [f"a-one/{NEW}"],
            "olds": [f"a-one/{OLD}", f"a-two/{OLD}"],
        }
        models: dict[str, Any] = {
            name: {"targets": each, "continue_streams": True} for name, each in targets.items()
        }
        models["off"] = {"targets": ["o-one/m", "o-two/n"]}
        models["chat"]["price"] = {"input": 1, "output": 1_000_000}
        folder = tmp_path_factory.mktemp("continued")
        with Gateway(folder, {"providers": providers, "models": models}) as gateway:
            yield Case(gateway, one, two)


@pytest.fixture
def case(shared_case: Case) -> Iterator[Case]:
    for provider in (shared_case.one, shared_case.two):
        provider.answers, provider.closes = [], True
        provider.heads.clear()
        provider.bodies.clear()
    yield shared_case
    shared_case.gateway.wait_until_quiet()


def usage_event(prompt: int, completion: int) -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": 0}
    return b"data: %b\n\n" % json.dumps({"id": "c", "choices": [], "usage": usage}).encode()


BEGINNING = (delta("", role="assistant"), delta("The water "), delta("is clear"))
REST = (
    delta("", role="assistant").replace(b'"c"', b'"other"'),
    delta(" and"),
    delta(" cold."),
    delta(None, "stop"),
    DONE,
)
CUT = streamed(*BEGINNING, ends=False)
WHOLE = "The water is clear and cold."


def messages(*texts: str, ends: bool = True) -> bytes:
    """A message as a stream, or what of it came before it was cut."""
    told = events(*texts)
    return streamed(*told) if ends else streamed(*told[: 2 + len(texts)], ends=False)


def text_of(response: Response) -> str:
    chunks = [json.loads(data) for data in response.events if data != "[DONE]"]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def assert_one_chat(response: Response, text: str = WHOLE) -> None:
    assert response.status == 200
    assert response.is_whole
    data = response.events
    assert data[-1] == "[DONE]"
    assert data.count("[DONE]") == 1
    chunks = [json.loads(each) for each in data[:-1]]
    assert {(chunk["id"], chunk["model"]) for chunk in chunks} == {("c", "m")}
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert [choice["delta"]["role"] for choice in choices if "role" in choice["delta"]] == [
        "assistant"
    ]
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
    assert text_of(response) == text


def test_a_chat_goes_on_where_it_broke_off(case: Case) -> None:
    case.one.answers = [CUT, streamed(*REST[:-1], usage_event(9, 2), DONE)]
    before = case.count("ended")
    response = case.ask(OPENAI, "chat", max_tokens=100)
    assert_one_chat(response)
    asked = json.loads(case.one.bodies[1])
    assert asked["messages"][1:] == [
        {"role": "assistant", "content": "The water is clear"},
        {"role": "user", "content": PLEA},
    ]
    assert (asked["max_tokens"], asked["stream"], asked["model"]) == (96, True, "m")
    assert case.count("ended") == before + 1
    line = case.line(response)
    assert (line["fallback"], line["attempts"], line["error"]) == ("continued", 2, None)
    assert (line["input_tokens"], line["output_tokens"]) == (9, 2)
    assert line["cost_usd"] == pytest.approx(2 + 9 / 1e6)


def test_it_is_never_stored(case: Case) -> None:
    case.one.answers = [CUT, streamed(*REST)]
    assert_one_chat(case.ask(OPENAI, "chat", seed=-1))
    whole = streamed(*BEGINNING, delta(".", "stop"), DONE)
    case.one.answers = [whole]
    again = case.ask(OPENAI, "chat", seed=-1)
    assert (again.cache, text_of(again)) == ("miss", "The water is clear.")
    assert case.ask(OPENAI, "chat", seed=-1).cache == "l1"


def test_the_next_target_is_asked_first(case: Case) -> None:
    case.one.answers = [CUT]
    case.two.answers = [streamed(*REST)]
    response = case.ask(OPENAI, "chats")
    assert_one_chat(response)
    assert json.loads(case.two.bodies[0])["model"] == "n"
    line = case.line(response)
    assert (line["provider"], line["model"], line["attempts"]) == ("o-two", "n", 2)
    assert line["tried"] == ["o-one/m: broken"]


def test_where_that_fails_too_the_same_one_is(case: Case) -> None:
    case.one.answers = [CUT, streamed(*REST)]
    case.two.answers = [sized(b"{}", status="500 Oh")]
    response = case.ask(OPENAI, "chats")
    assert_one_chat(response)
    assert (len(case.one.bodies), len(case.two.bodies)) == (2, 1)
    assert json.loads(case.one.bodies[1])["model"] == "m"


@pytest.mark.parametrize(
    "beginning",
    [
        streamed(*BEGINNING),
        streamed(*BEGINNING, b'data: {"id": "c", "choices": [{"del', ends=False),
        streamed(*BEGINNING[:2], BEGINNING[2][:30], BEGINNING[2][30:], ends=False),
        streamed(*BEGINNING, b'data: {"error": {"message": "overloaded"}}\n\n', DONE),
        streamed(b"".join(BEGINNING) + b'event: error\ndata: {"error": {}}\n\n', ends=False),
        streamed(*(each.replace(b"\n", b"\r\n") for each in BEGINNING), b"data: {", ends=False),
    ],
    ids=["ended early", "half an event", "in pieces", "error", "error in a chunk", "CRLF"],
)
def test_ways_of_breaking_off(case: Case, beginning: bytes) -> None:
    case.one.answers = [beginning, streamed(*REST)]
    assert_one_chat(case.ask(OPENAI, "chat"))


def test_the_last_words_are_not_said_twice(case: Case) -> None:
    rest = (delta("The water"), delta(" is clear and"), *REST[2:])
    case.one.answers = [CUT, streamed(b"".join(rest))]
    assert_one_chat(case.ask(OPENAI, "chat"))


def test_it_goes_on_once_only(case: Case) -> None:
    before = case.count("failed")
    case.one.answers = [CUT, streamed(*REST[:2], ends=False), streamed(*REST)]
    response = case.ask(OPENAI, "chat")
    assert not response.is_whole
    assert text_of_broken(response) == "The water is clear and"
    assert OPENAI.is_error_event(response.events[-1])
    assert len(case.one.bodies) == 2
    assert case.count("failed") == before + 1
    line = case.line(response)
    assert (line.get("fallback"), line["error"], line["attempts"]) == (None, "upstream_cut", 2)


def text_of_broken(response: Response) -> str:
    *whole, _ = response.events
    chunks = map(json.loads, whole)
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


@pytest.mark.parametrize(
    "second",
    [
        sized(b'{"error": {}}', status="400 Bad Request"),
        sized(b'{"choices": []}'),
        streamed(b'data: {"error": {"message": "no"}}\n\n', DONE),
    ],
    ids=["refused", "not a stream", "an error event"],
)
def test_where_there_is_no_rest_the_stream_ends_as_it_would_have(case: Case, second: bytes) -> None:
    case.one.answers = [CUT, second]
    response = case.ask(OPENAI, "chat")
    assert not response.is_whole
    assert text_of_broken(response) == "The water is clear"
    assert OPENAI.is_error_event(response.events[-1])


def test_a_rest_that_is_of_no_use_is_not_read_to_its_end(case: Case) -> None:
    case.one.answers = [CUT]
    error = b'data: {"error": {"message": "no"}}\n\n'
    case.two.answers, case.two.closes = [streamed(*REST[:2], error, ends=False)], False
    cut = 'headrace_upstream_errors_total{provider="o-two",kind="cut"}'
    before = case.gateway.metrics().get(cut, 0)
    response = case.ask(OPENAI, "chats")
    assert text_of_broken(response) == "The water is clear and"
    case.gateway.wait_until_quiet()
    assert case.gateway.metrics().get(cut, 0) == before  # it was not the provider that ended it


@pytest.mark.parametrize(
    ("beginning", "fields"),
    [
        ([delta(None, tool_calls=[{"index": 0, "function": {"arguments": '{"a'}}])], {}),
        ([*BEGINNING], {"n": 2}),
        ([*BEGINNING], {"response_format": {"type": "json_object"}}),
        ([*BEGINNING], {"logprobs": True}),
    ],
    ids=["tool call", "n", "format", "logprobs"],
)
def test_what_must_not_go_on_does_not(
    case: Case, beginning: list[bytes], fields: dict[str, Any]
) -> None:
    case.one.answers = [streamed(*beginning, b"data: {", ends=False)]
    response = case.ask(OPENAI, "chat", **fields)
    assert not response.is_whole
    assert response.body.startswith(b"".join(beginning) + b"data: {")
    assert len(case.one.bodies) == 1


def test_an_error_that_ends_it_is_told_as_it_came(case: Case) -> None:
    error = b'data: {"error": {"message": "overloaded"}}\n\n'
    case.one.answers = [streamed(*BEGINNING, error, b": and so\n\n", ends=True)]
    response = case.ask(OPENAI, "chat", n=2)
    assert response.body.startswith(b"".join(BEGINNING) + error + b": and so\n\n")
    assert len(case.one.bodies) == 1


def test_without_the_setting_nothing_goes_on(case: Case) -> None:
    case.one.answers = [CUT]
    assert not case.ask(OPENAI, "off").is_whole
    assert (len(case.one.bodies), len(case.two.bodies)) == (1, 0)


def test_a_slow_reader_gets_all_of_it(case: Case) -> None:
    words = "water " * 20_000
    case.one.answers = [CUT, streamed(*(delta(words) for _ in range(40)), *REST[3:])]
    document = OPENAI.document("chat", stream=True, seed=-2)
    with connect(case.gateway.url, receive_bytes=4096) as wire:
        wire.send(encode_request(OPENAI.path, document))
        eventually(lambda: len(case.one.bodies) == 2)
        assert_one_chat(wire.response(), "The water is clear" + words * 40)


def test_who_leaves_ends_the_second_call(case: Case) -> None:
    case.one.answers = [CUT]
    case.two.answers, case.two.closes = [streamed(*REST[:2], ends=False)], False
    document = OPENAI.document("chats", stream=True, seed=-3)
    with connect(case.gateway.url) as wire:
        wire.send(encode_request(OPENAI.path, document))
        wire.read_until(b" and")
        assert case.gateway.status()["upstream_calls"] == 1
        wire.reset()
    case.gateway.wait_until_quiet()


# Anthropic.


def test_a_message_goes_on_from_its_own_words(case: Case) -> None:
    case.one.answers = [messages("Clear ", "and ", ends=False), messages("and", " cold.")]
    response = case.ask(ANTHROPIC, "old")
    assert response.is_whole
    turns = json.loads(case.one.bodies[1])["messages"]
    assert turns[1:] == [{"role": "assistant", "content": "Clear and"}]
    kinds = [json.loads(data)["type"] for data in response.events]
    assert kinds == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 4,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_an_overloaded_provider_in_the_middle_of_a_message(case: Case) -> None:
    error = event({"type": "error", "error": {"type": "overloaded_error", "message": "no"}})
    beginning = streamed(*events("Clear ", "and ")[:4], error)
    case.one.answers = [beginning]
    case.two.answers = [messages("cold.")]
    response = case.ask(ANTHROPIC, "olds")
    assert response.is_whole
    assert b"overloaded" not in response.body
    assert case.line(response)["provider"] == "a-two"


def test_models_that_may_not_be_made_to_are_asked_to(case: Case) -> None:
    case.one.answers = [messages("Clear ", "and ", ends=False), messages("cold.")]
    assert case.ask(ANTHROPIC, "new").is_whole
    turns = json.loads(case.one.bodies[1])["messages"]
    assert turns[-1] == {"role": "user", "content": PLEA}


# As the official SDKs read it.


def test_openai_reads_one_stream(case: Case) -> None:
    case.one.answers = [CUT, streamed(*REST[:-1], usage_event(9, 2), DONE)]
    url = f"{case.gateway.url}/v1"
    with (
        openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client,
        client.chat.completions.stream(
            model="chat", messages=QUESTION, stream_options={"include_usage": True}
        ) as stream,
    ):
        reply = stream.get_final_completion()
    assert reply.choices[0].message.content == WHOLE
    assert (reply.id, reply.choices[0].finish_reason) == ("c", "stop")
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (9, 2)


def test_anthropic_reads_one_stream(case: Case) -> None:
    case.one.answers = [messages("Clear ", "and ", ends=False)]
    case.two.answers = [messages("cold.")]
    with (
        anthropic.Anthropic(base_url=case.gateway.url, api_key="any", max_retries=0) as client,
        client.messages.stream(model="olds", max_tokens=100, messages=QUESTION) as stream,
    ):
        assert "".join(stream.text_stream) == "Clear and cold."
        reply = stream.get_final_message()
    assert [block.text for block in reply.content if block.type == "text"] == ["Clear and cold."]
    assert reply.stop_reason == "end_turn"
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (2, 1)


def test_the_text_of_another_gateway_is_no_rest(case: Case) -> None:
    text = streamed(
        delta("", role="assistant"), delta("Please ask again."), delta(None, "stop"), DONE
    )
    case.one.answers = [CUT]
    case.two.answers = [text.replace(b"\r\n", b"\r\nx-headrace-fallback: text\r\n", 1)]
    before = case.count("failed")
    response = case.ask(OPENAI, "chats")
    assert not response.is_whole
    assert b"Please ask" not in response.body
    assert case.line(response)["error"] == "upstream_cut"
    assert eventually(lambda: case.count("failed")) == before + 1
