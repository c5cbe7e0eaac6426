"""What a failure is called."""

from typing import get_args

from headrace.routing.failures import PASSING, failure_of_fault, failure_of_status
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
