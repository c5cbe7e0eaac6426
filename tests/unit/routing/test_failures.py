"""What a failure is called."""

from typing import get_args

import pytest

from headrace.routing.failures import (
    PASSING,
    failure_of_fault,
    failure_of_refusal,
    failure_of_status,
)
from headrace.upstream.faults import FaultKind


def test_statuses() -> None:
    named = {status: failure_of_status(status) for status in (400, 401, 404, 408, 413, 422, 429)}
    assert named == {
        400: "refused",
        401: "denied",
        404: "denied",
        408: "timeout",
        413: "too_long",
        422: "refused",
        429: "rate_limited",
    }
    assert {failure_of_status(s) for s in (500, 501, 502, 520)} == {"server_error"}
    assert {failure_of_status(s) for s in (503, 529)} == {"overloaded"}
    assert failure_of_status(504) == "timeout"


def test_faults_are_the_trouble_of_the_target() -> None:
    failures = {failure_of_fault(kind) for kind in get_args(FaultKind)}
    assert failures == {"unreachable", "timeout", "broken"}
    assert failures <= PASSING


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "no", "type": "invalid_request_error", "param": "messages",'
        b' "code": "context_length_exceeded"}}',
        b'{"type": "error", "error": {"type": "invalid_request_error", "message":'
        b' "prompt is too long: 213462 tokens > 200000 maximum"}}',
        b'[{"error": {"code": 400, "message": "The input token count (1100000) exceeds the maximum'
        b' number of tokens allowed (1048576).", "status": "INVALID_ARGUMENT"}}]',
        b'{"object": "error", "code": 400, "message": "This model\'s maximum context length is 4096'
        b' tokens. However, you requested 5000 tokens."}',
        b'{"error": "the input exceeds the context window"}',
    ],
)
def test_a_prompt_that_is_too_long_is_told_apart(body: bytes) -> None:
    assert failure_of_refusal(body) == "too_long"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"[]",
        b"7",
        b"null",
        b'{"error": null}',
        b'{"error": {"message": "Invalid value: \'robot\'", "code": "invalid_value"}}',
        b'{"error": {"message": 7, "code": ["x"]}}',
        b'{"error": {"param": "prompt is too long"}}',  # not where the provider speaks
        b'{"error": {"message": "prompt is too long"}}' + b" " * 100_000,
        b"[" * 50_000,
        b'{"error": "\xff"}',
    ],
)
def test_what_else_is_wrong_stays_a_refusal(body: bytes) -> None:
    assert failure_of_refusal(body) == "refused"
