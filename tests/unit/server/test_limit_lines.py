"""Refusals as header lines: what is told is never too early."""

import pytest

from headrace.errors import RateLimited
from headrace.server.limit_lines import refusal_lines, without_limits


@pytest.mark.parametrize(
    ("after_s", "lines"),
    [
        (None, ["x-should-retry: false"]),
        (1e-9, ["retry-after: 1", "retry-after-ms: 1"]),
        (1.0, ["retry-after: 1", "retry-after-ms: 1000"]),
        (1.0000000001, ["retry-after: 1", "retry-after-ms: 1000"]),
        (1.0001, ["retry-after: 2", "retry-after-ms: 1001"]),
        (59.9994, ["retry-after: 60", "retry-after-ms: 60000"]),
        (61.5, ["retry-after: 62", "retry-after-ms: 61500", "x-should-retry: false"]),
    ],
)
def test_when_to_come_again(after_s: float | None, lines: list[str]) -> None:
    told = refusal_lines(RateLimited("Later.", retry_after_s=after_s)).decode()
    assert told == "".join(f"{line}\r\n" for line in lines)


def test_limits_of_a_provider_are_left_out() -> None:
    kept = ((b"content-type", b"application/json"), (b"retry-after", b"3"))
    limits = ((b"x-ratelimit-limit-tokens", b"1"), (b"anthropic-ratelimit-tokens-limit", b"1"))
    assert without_limits((*kept, *limits)) == kept
