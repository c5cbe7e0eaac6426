"""What goes wrong arrives as the SDK's own exceptions, and its retries work."""

import anthropic
import openai
import pytest
from tests.e2e.asking import calls, chat, message
from tests.support.gateway import Gateway

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

AT_ONCE = {"retry-after-ms": "1"}


def status(code: int, times: int = 1) -> Fault:
    return Fault(kind=FaultKind.STATUS, status=code, times=times, headers=AT_ONCE)


def test_wrong_key(gateway: Gateway, question: str) -> None:
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="wrong") as gpt,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        gpt.chat.completions.create(**chat(question))
    assert (caught.value.code, caught.value.status_code) == ("invalid_api_key", 401)
    assert "wrong" not in str(caught.value)
    assert caught.value.request_id
    with (
        anthropic.Anthropic(base_url=gateway.url, api_key="wrong") as claude,
        pytest.raises(anthropic.AuthenticationError) as refused,
    ):
        claude.messages.create(**message(question))
    assert refused.value.body["error"]["type"] == "authentication_error"


def test_unknown_model(gpt: openai.OpenAI, claude: anthropic.Anthropic, question: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        gpt.chat.completions.create(**chat(question, model="gpt-4o-mimi"))
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert "did you mean 'gpt-4o-mini'?" in caught.value.message
    with pytest.raises(anthropic.NotFoundError) as unknown:
        claude.messages.create(**message(question, model="claude-3"))
    assert unknown.value.body["error"]["type"] == "not_found_error"


def test_a_model_of_the_other_dialect(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, question: str
) -> None:
    with pytest.raises(openai.BadRequestError, match="send the call to /v1/messages"):
        gpt.chat.completions.create(**chat(question, model="claude-sim"))
    with pytest.raises(anthropic.BadRequestError, match="/v1/chat/completions"):
        claude.messages.create(**message(question, model="gpt-4o-mini"))


def test_bad_requests(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        gpt.chat.completions.create(model="gpt-4o-mini", messages=[])
    assert caught.value.param == "messages"
    with pytest.raises(openai.BadRequestError):
        gpt.chat.completions.create(**chat("?", temperature=7))
    with pytest.raises(openai.BadRequestError, match="stream"):
        gpt.chat.completions.create(**chat("?"), extra_body={"stream": "yes"})
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(**message("?", max_tokens=-1))


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "ConflictError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (503, "InternalServerError"),
    ],
)
def test_what_the_provider_answers_is_what_the_sdk_raises(
    gpt: openai.OpenAI,
    claude: anthropic.Anthropic,
    sim: ThreadedSim,
    question: str,
    code: int,
    name: str,
) -> None:
    sim.script(status(code, times=2))
    with pytest.raises(getattr(openai, name)) as caught:
        gpt.chat.completions.create(**chat(question))
    assert caught.value.status_code == code
    assert "script" in caught.value.message
    with pytest.raises(anthropic.APIStatusError) as told:
        claude.messages.create(**message(question))
    assert told.value.status_code == code
    # It was not kept: the same question is answered now.
    assert gpt.chat.completions.create(**chat(question)).choices
    assert claude.messages.create(**message(question)).content


def test_a_provider_that_breaks_is_a_server_error(
    gpt: openai.OpenAI, sim: ThreadedSim, question: str
) -> None:
    sim.script(Fault(kind=FaultKind.GARBAGE))
    with pytest.raises(openai.InternalServerError) as caught:
        gpt.chat.completions.create(**chat(question))
    assert caught.value.status_code == 502


def test_a_stream_that_breaks_off_is_an_error_and_no_short_answer(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, sim: ThreadedSim, question: str
) -> None:
    sim.script(Fault(kind=FaultKind.CUT, after_chunks=5, times=2))
    pieces = []
    with (
        pytest.raises(openai.APIError),
        gpt.chat.completions.create(**chat(question), stream=True) as stream,
    ):
        pieces.extend(stream)
    assert pieces
    with (
        pytest.raises(anthropic.APIError),
        claude.messages.stream(**message(question)) as told,
    ):
        told.get_final_message()
    assert gpt.chat.completions.create(**chat(question)).choices[0].finish_reason == "stop"


@pytest.mark.parametrize("code", [429, 500, 503])
def test_the_sdks_own_retries_succeed(
    gpt: openai.OpenAI,
    claude: anthropic.Anthropic,
    sim: ThreadedSim,
    question: str,
    code: int,
) -> None:
    before = calls(sim)
    sim.script(status(code, times=2))
    raw = gpt.with_options(max_retries=2).chat.completions.with_raw_response.create(
        **chat(question)
    )
    assert raw.retries_taken == 2
    assert raw.headers["x-headrace-cache"] == "miss"
    sim.script(status(code, times=2))
    assert claude.with_options(max_retries=2).messages.create(**message(question)).content
    assert calls(sim) - before == 6


def test_retry_after_goes_on(gpt: openai.OpenAI, sim: ThreadedSim, question: str) -> None:
    limits = {"retry-after": "1", "x-limited-by": "requests"}  # who asks next waits for so long
    sim.script(Fault(kind=FaultKind.STATUS, status=429, headers=limits))
    with pytest.raises(openai.RateLimitError) as caught:
        gpt.chat.completions.create(**chat(question))
    headers = caught.value.response.headers
    assert {name: headers[name] for name in limits} == limits
