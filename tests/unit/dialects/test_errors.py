"""Errors in each dialect's own words, read by the official SDKs."""

from typing import Any

import anthropic
import httpx2
import msgspec
import openai
import pytest

from headrace import errors
from headrace.dialects.anthropic import AnthropicDialect
from headrace.dialects.openai import OpenAIDialect

OPENAI = OpenAIDialect()
ANTHROPIC = AnthropicDialect()
MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def test_openai_errors_carry_all_four_fields() -> None:
    error = errors.InvalidRequest("`n` is 0.", param="n", code="invalid_value")
    assert msgspec.json.decode(OPENAI.error_body(error, "req_1")) == {
        "error": {
            "message": "`n` is 0.",
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_value",
        }
    }
    assert OPENAI.error_event(error, "req_1") == (
        b"data: " + OPENAI.error_body(error, "req_1") + b"\n\n"
    )


def test_anthropic_errors_carry_all_four_fields_and_the_request() -> None:
    error = errors.InvalidRequest("`n` is 0.", param="n", code="invalid_value")
    assert msgspec.json.decode(ANTHROPIC.error_body(error, "req_1")) == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "`n` is 0.",
            "code": "invalid_value",
            "param": "n",
        },
        "request_id": "req_1",
    }
    assert ANTHROPIC.error_event(error, "req_1") == (
        b"event: error\ndata: " + ANTHROPIC.error_body(error, "req_1") + b"\n\n"
    )


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (errors.InvalidRequest, "invalid_request_error"),
        (errors.Unauthenticated, "authentication_error"),
        (errors.Forbidden, "permission_error"),
        (errors.NotFound, "not_found_error"),
        (errors.MethodNotAllowed, "invalid_request_error"),
        (errors.RequestTimeout, "invalid_request_error"),
        (errors.BodyTooLarge, "request_too_large"),
        (errors.RateLimited, "rate_limit_error"),
        (errors.UpstreamBroken, "api_error"),
        (errors.Overloaded, "overloaded_error"),
        (errors.DeadlineExceeded, "timeout_error"),
        (errors.HeadraceError, "api_error"),
    ],
)
def test_anthropic_has_its_own_words(error: type[errors.HeadraceError], word: str) -> None:
    body = msgspec.json.decode(ANTHROPIC.error_body(error("No."), "req_1"))
    assert body["error"]["type"] == word


def test_the_openai_sdk_reads_them() -> None:
    error = errors.InvalidRequest("`n` is 0.", param="n", code="invalid_value")
    body = OPENAI.error_body(error, "req_1")
    transport = httpx2.MockTransport(lambda _: httpx2.Response(400, content=body))
    with (
        httpx2.Client(transport=transport) as http,
        openai.OpenAI(api_key="k", http_client=http, max_retries=0) as client,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        client.embeddings.create(model="m", input="x")
    assert (caught.value.code, caught.value.param) == ("invalid_value", "n")
    assert caught.value.type == "invalid_request_error"


def test_the_openai_sdk_raises_the_event_in_a_stream() -> None:
    body = b'data: {"choices":[]}\n\n' + OPENAI.error_event(errors.UpstreamBroken("Broke."), "r")
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    )
    with (
        httpx2.Client(transport=transport) as http,
        openai.OpenAI(api_key="k", http_client=http, max_retries=0) as client,
        pytest.raises(openai.APIError, match="Broke"),
    ):
        list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))


def test_the_anthropic_sdk_raises_the_event_in_a_stream() -> None:
    body = ANTHROPIC.error_event(errors.Overloaded("Full."), "req_1")
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    )
    with (
        httpx2.Client(transport=transport) as http,
        anthropic.Anthropic(api_key="k", http_client=http, max_retries=0) as client,
        pytest.raises(anthropic.APIStatusError, match="Full"),
    ):
        list(client.messages.create(model="m", max_tokens=1, messages=MESSAGES, stream=True))
