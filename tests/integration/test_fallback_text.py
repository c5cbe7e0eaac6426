"""Where nobody answers, callers get the text of the settings, in their dialect and well formed."""

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, SPEECHES, Speech, free_port
from tests.support.waiting import eventually
from tests.support.wire import Response

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

TEXT = 'We are "busy":\nplease ask again in a minute, häh?'
MARK = "x-headrace-fallback"
COUNT = "headrace_fallback_texts_total"
QUESTION: Any = [{"role": "user", "content": "Tell me of water."}]

speeches = pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


class Case:
    """A gateway in which every name but `bare` has a text, before a provider told to fail."""

    def __init__(self, gateway: Gateway, sim: ThreadedSim) -> None:
        self.gateway = gateway
        self.sim = sim
        self._numbers = itertools.count(1)

    def ask(self, speech: Speech, name: str = "one", **fields: Any) -> Response:
        """A question that was never asked before, unless it has a seed."""
        model, seed = f"{speech.name}-{name}", fields.pop("seed", next(self._numbers))
        return self.gateway.post(speech.path, speech.document(model, seed=seed, **fields))

    def fail(self, **fault: Any) -> None:
        self.sim.script(Fault(**{"kind": FaultKind.STATUS, "times": None, **fault}))


def lane(speech: Speech, url: str, **settings: Any) -> dict[str, Any]:
    whole = {"retry": {"tries_max": 1}, "warm_connections": 0, **settings}
    return {"dialect": speech.name, "base_url": f"{url}/v1", **whole}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with running(SimOptions()) as sim:
        providers: dict[str, Any] = {}
        models: dict[str, Any] = {}
        for speech in SPEECHES:
            name = speech.name
            breaker = {"calls_min": 2, "open_s": 60}
            never = {"breaker": {"enabled": False}}
            quick = {"first_byte_timeout_s": 0.2, **never}
            narrow = {"inflight_max": 1, "waiting_max": 1, "algorithm": "fixed"}
            providers |= {
                f"{name}-a": lane(speech, sim.url, **never),
                f"{name}-b": lane(speech, nowhere, **never),
                f"{name}-c": lane(speech, nowhere, breaker=breaker),
                f"{name}-d": lane(speech, sim.url, **quick),
                f"{name}-e": lane(speech, sim.url, limit=narrow),
            }
            models |= {
                f"{name}-one": {"targets": [f"{name}-a/m"], "fallback_text": TEXT},
                f"{name}-nowhere": {"targets": [f"{name}-b/m"], "fallback_text": TEXT},
                f"{name}-open": {"targets": [f"{name}-c/m"], "fallback_text": TEXT},
                f"{name}-slow": {"targets": [f"{name}-d/m"], "fallback_text": TEXT},
                f"{name}-narrow": {"targets": [f"{name}-e/m"], "fallback_text": TEXT},
                f"{name}-two": {
                    "targets": [f"{name}-b/m", f"{name}-a/other"],
                    "fallback_text": TEXT,
                },
                f"{name}-bare": {"targets": [f"{name}-b/m"]},
            }
        settings = {"providers": providers, "models": models}
        with Gateway(tmp_path_factory.mktemp("texts"), settings) as gateway:
            yield Case(gateway, sim)
            gateway.wait_until_quiet()


@pytest.fixture(autouse=True)
def mended(case: Case) -> Iterator[None]:
    yield
    case.sim.script()


def assert_text(response: Response, *, attempts: int = 1) -> None:
    assert (response.status, response.headers.get(MARK)) == (200, "text"), response
    assert response.is_whole
    assert response.cache == "miss"
    assert response.headers["x-headrace-cost-usd"] == "0"
    assert response.headers["x-headrace-attempts"] == str(attempts)
    assert "x-should-retry" not in response.headers
    assert "age" not in response.headers


@speeches
@both
@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_statuses_that_are_the_providers_trouble(
    case: Case, speech: Speech, stream: bool, status: int
) -> None:
    case.fail(status=status)
    assert_text(case.ask(speech, stream=stream))


@speeches
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_statuses_that_are_not(case: Case, speech: Speech, status: int) -> None:
    case.fail(status=status)
    response = case.ask(speech)
    assert (response.status, response.headers.get(MARK)) == (status, None)


@speeches
@both
@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.GARBAGE], ids=str)
def test_connections_that_break(case: Case, speech: Speech, stream: bool, kind: FaultKind) -> None:
    case.fail(kind=kind)
    response = case.ask(speech, stream=stream)
    # A kept connection that closes before it answers is replaced once.
    assert_text(response, attempts=int(response.headers["x-headrace-attempts"]))


@speeches
@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.MALFORMED], ids=str)
def test_whole_answers_that_are_none(case: Case, speech: Speech, kind: FaultKind) -> None:
    case.fail(kind=kind)
    assert_text(case.ask(speech))


@speeches
@both
def test_providers_that_are_away_too_slow_or_left_alone(
    case: Case, speech: Speech, stream: bool
) -> None:
    assert_text(case.ask(speech, "nowhere", stream=stream))
    case.fail(kind=FaultKind.STALL_BEFORE)
    assert_text(case.ask(speech, "slow", stream=stream))
    answers = [case.ask(speech, "open", stream=stream) for _ in range(3)]
    assert_text(answers[-1], attempts=0)


@speeches
def test_the_other_targets_come_first(case: Case, speech: Speech) -> None:
    answered = case.ask(speech, "two", stream=True)
    assert (answered.status, answered.headers["x-headrace-model"]) == (200, "other")
    assert MARK not in answered.headers
    case.fail(status=500)
    assert_text(case.ask(speech, "two"), attempts=2)


@speeches
def test_without_a_text_there_is_an_error(case: Case, speech: Speech) -> None:
    response = case.ask(speech, "bare")
    assert (response.status, response.headers.get(MARK)) == (502, None)


@speeches
@both
def test_it_is_never_stored(case: Case, speech: Speech, stream: bool) -> None:
    seed = 1_000_000 + stream
    case.fail(status=500, times=1)
    assert_text(case.ask(speech, stream=stream, seed=seed))
    answered = case.ask(speech, stream=stream, seed=seed)
    assert (answered.cache, answered.headers.get(MARK)) == ("miss", None)
    assert case.ask(speech, stream=stream, seed=seed).cache == "l1"


@speeches
def test_who_is_refused_by_the_queue_gets_it(case: Case, speech: Speech) -> None:
    case.fail(kind=FaultKind.SLOW, delay_ms=1000)
    responses: list[Response] = []
    threads = [
        threading.Thread(target=lambda: responses.append(case.ask(speech, "narrow")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {response.status for response in responses} == {200}
    texts = [response for response in responses if MARK in response.headers]
    assert 1 <= len(texts) <= 3
    for response in texts:
        assert_text(response, attempts=0)


def test_callers_who_set_limits_are_told_of_those(case: Case) -> None:
    case.fail(kind=FaultKind.STALL_BEFORE)
    document = OPENAI.document("openai-one")
    past = case.gateway.post(OPENAI.path, document, headers={"x-headrace-deadline-ms": "100"})
    assert (past.status, past.error["code"]) == (504, "deadline_exceeded")
    cached = {"cache-control": "only-if-cached"}
    missing = case.gateway.post(OPENAI.path, {**document, "seed": 3}, headers=cached)
    assert (missing.status, missing.error["code"]) == (504, "not_cached")


def test_embeddings_get_the_error(case: Case) -> None:
    document = {"model": "openai-nowhere", "input": "water"}
    response = case.gateway.post("/v1/embeddings", document)
    assert (response.status, response.error["code"]) == (502, "upstream_connect")


def test_everybody_who_joined_gets_it_and_each_is_counted(case: Case) -> None:
    case.fail(kind=FaultKind.STALL_BEFORE)
    before = case.gateway.metrics()[COUNT]
    responses: list[Response] = []
    threads = [
        threading.Thread(target=lambda: responses.append(case.ask(OPENAI, "slow", seed=-1)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {response.headers.get(MARK) for response in responses} == {"text"}
    assert case.gateway.metrics()[COUNT] == before + 3


def test_the_log_says_so(case: Case) -> None:
    case.ask(OPENAI, "nowhere")
    case.ask(OPENAI, "two")
    lines = eventually(lambda: [ln for ln in case.gateway.requests() if "fallback" in ln])
    assert {(line["fallback"], line["status"], line["error"]) for line in lines} == {
        ("text", 200, None)
    }
    assert {(line["cost_usd"], line["output_tokens"]) for line in lines} == {(0, 0)}


def test_a_stale_answer_comes_before_it(tmp_path: Path, sim: ThreadedSim) -> None:
    settings = {
        "providers": {"p": lane(OPENAI, sim.url)},
        "models": {"m": {"targets": ["p/m"], "fallback_text": TEXT}},
        "cache": {"ttl_s": 0.1, "stale_if_error_s": 60},
    }
    with Gateway(tmp_path, settings) as gateway:
        fresh = gateway.post(OPENAI.path, OPENAI.document("m"))
        sim.script(Fault(kind=FaultKind.STATUS, status=500, times=None))
        stale = eventually(lambda: _stale_only(gateway.post(OPENAI.path, OPENAI.document("m"))))
        assert stale.headers["x-headrace-stale"] == "if-error"
        assert (stale.body, stale.headers.get(MARK)) == (fresh.body, None)
        assert_text(gateway.post(OPENAI.path, OPENAI.document("m", seed=1)))
        sim.script()


def _stale_only(response: Response) -> Response | None:
    assert response.status == 200
    return response if "x-headrace-stale" in response.headers else None


# As the official SDKs read it.


@pytest.fixture
def gpt(case: Case) -> Iterator[openai.OpenAI]:
    url = f"{case.gateway.url}/v1"
    with openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(case: Case) -> Iterator[anthropic.Anthropic]:
    url = case.gateway.url
    with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0) as client:
        yield client


def test_openai_reads_it_whole(gpt: openai.OpenAI) -> None:
    reply = gpt.chat.completions.create(model="openai-nowhere", messages=QUESTION)
    assert reply.choices[0].message.content == TEXT
    assert (reply.choices[0].finish_reason, reply.model) == ("stop", "openai-nowhere")
    assert reply.usage is not None
    assert reply.usage.total_tokens == 0
    assert reply.created > 1_600_000_000


def test_openai_reads_it_as_a_stream(gpt: openai.OpenAI) -> None:
    chunks = list(
        gpt.chat.completions.create(
            model="openai-nowhere",
            messages=QUESTION,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == TEXT
    assert [delta.role for delta in deltas if delta.role] == ["assistant"]
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 0


def test_anthropic_reads_it_whole(claude: anthropic.Anthropic) -> None:
    model = f"{ANTHROPIC.name}-nowhere"
    reply = claude.messages.create(model=model, max_tokens=100, messages=QUESTION)
    assert [block.text for block in reply.content if block.type == "text"] == [TEXT]
    assert (reply.stop_reason, reply.model) == ("end_turn", model)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (0, 0)


def test_anthropic_reads_it_as_a_stream(claude: anthropic.Anthropic) -> None:
    model = f"{ANTHROPIC.name}-nowhere"
    with claude.messages.stream(model=model, max_tokens=100, messages=QUESTION) as stream:
        assert "".join(stream.text_stream) == TEXT
        reply = stream.get_final_message()
    assert (reply.stop_reason, reply.usage.output_tokens) == ("end_turn", 0)
