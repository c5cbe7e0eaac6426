"""Headers as providers send them."""

from datetime import UTC, datetime

import pytest

from headrace.flow.quota.told import NOTHING, Kind, Reading, read_told

NOON_S = datetime(2026, 1, 27, 12, tzinfo=UTC).timestamp()


def headers(*lines: str) -> list[tuple[bytes, bytes]]:
    pairs = (line.partition(": ") for line in lines)
    return [(name.encode(), value.encode()) for name, _, value in pairs]


def test_openai() -> None:
    told = read_told(
        headers(
            "content-type: application/json",
            "x-ratelimit-limit-requests: 5000",
            "x-ratelimit-limit-tokens: 160000",
            "x-ratelimit-remaining-requests: 4999",
            "x-ratelimit-remaining-tokens: 159976",
            "x-ratelimit-reset-requests: 12ms",
            "x-ratelimit-reset-tokens: 6m0s",
            "x-ratelimit-remaining-tokens_usage_based: 1",
        ),
        NOON_S,
    )
    assert told.retry_after_s is None
    assert told.readings == (
        Reading(Kind.REQUESTS, 5000, 4999, 0.012, 0),
        Reading(Kind.TOKENS, 160_000, 159_976, 360, 0),
    )


def test_anthropic_counts_input_and_output_and_its_clock_counts_not_ours() -> None:
    lines = [
        f"anthropic-ratelimit-{kind}-{part}: {value}"
        for kind, limit, left in (
            ("requests", 50, 49),
            ("tokens", 8000, 8000),
            ("input-tokens", 30_000, 29_000),
            ("output-tokens", 8000, 8000),
        )
        for part, value in (
            ("limit", limit),
            ("remaining", left),
            ("reset", "2026-01-27T12:00:02Z"),
        )
    ]
    lines += ["date: Tue, 27 Jan 2026 12:00:00 GMT", "retry-after: 7"]
    told = read_told(headers(*lines), NOON_S - 3600)
    assert told.retry_after_s == 7
    assert told.readings == (
        Reading(Kind.REQUESTS, 50, 49, 2, 0),
        Reading(Kind.INPUT_TOKENS, 30_000, 29_000, 2, 500),
        Reading(Kind.OUTPUT_TOKENS, 8000, 8000, 2, 500),
    )


def test_anthropic_with_nothing_but_the_tightest_limit() -> None:
    told = read_told(
        headers(
            "anthropic-ratelimit-tokens-limit: 8000", "anthropic-ratelimit-tokens-remaining: 4000"
        ),
        NOON_S,
    )
    assert told.readings == (Reading(Kind.TOKENS, 8000, 4000, None, 500),)


def test_azure_says_what_is_left_and_sometimes_that_it_does_not_know() -> None:
    told = read_told(
        headers(
            "x-ratelimit-remaining-requests: 19",
            "x-ratelimit-limit-tokens: -1",
            "x-ratelimit-remaining-tokens: -1",
            "x-ratelimit-reset-tokens: 0",
            "retry-after: 2",
            "retry-after-ms: 1250",
        ),
        NOON_S,
    )
    assert told.readings == (Reading(Kind.REQUESTS, None, 19, None, 0),)
    assert told.retry_after_s == 1.25


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (("retry-after: 120",), 120),
        (("retry-after: Tue, 27 Jan 2026 12:00:10 GMT",), 10),
        (
            (
                "date: Tue, 27 Jan 2026 12:00:05 GMT",
                "retry-after: Tue, 27 Jan 2026 12:00:10 GMT",
            ),
            5,
        ),
        (("x-ms-retry-after-ms: 40",), 0.04),
        (("retry-after-ms: never", "retry-after: 3"), 3),
        (("date: yesterday", "retry-after: 3"), 3),
        (("retry-after: 0",), 0),
        (("retry-after: -3",), None),
        (("retry-after: inf",), None),
        (("retry-after: 1e9",), None),
    ],
)
def test_retry_after(lines: tuple[str, ...], seconds: float | None) -> None:
    assert read_told(headers(*lines), NOON_S).retry_after_s == seconds


def test_headers_that_say_nothing() -> None:
    assert read_told(headers("date: Tue, 27 Jan 2026 12:00:00 GMT"), NOON_S) is NOTHING
    assert read_told([], NOON_S) is NOTHING


@pytest.mark.parametrize(
    "lines",
    [
        ("x-ratelimit-limit-requests: 0", "x-ratelimit-remaining-requests: 0"),
        ("x-ratelimit-limit-requests: 0.5",),
        ("x-ratelimit-limit-requests: lots", "x-ratelimit-remaining-requests: NaN"),
        ("x-ratelimit-limit-requests: 10", "x-ratelimit-remaining-requests: 11"),
        ("x-ratelimit-limit-requests: 99999999999999999",),
        ("x-ratelimit-reset-requests: 1s",),
    ],
)
def test_lies_are_no_readings(lines: tuple[str, ...]) -> None:
    assert read_told(headers(*lines), NOON_S).readings == ()
