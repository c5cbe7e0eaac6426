"""Values of providers' headers: what they mean, and what means nothing."""

from datetime import UTC, datetime

import pytest

from headrace.flow.quota.values import (
    COUNT_MAX,
    SPAN_S_MAX,
    count,
    number,
    retry_delay_s,
    span_s,
    time_s,
)

NOON_S = datetime(2026, 1, 27, 12, tzinfo=UTC).timestamp()
NONSENSE = (
    b"",
    b" ",
    b"-1",
    b"-0",
    b"+5",
    b"nan",
    b"NaN",
    b"inf",
    b"Infinity",
    b"1e999",
    b"1e3",
    b"1_000",
    b"1,000",
    b"0x10",
    b"5 6",
    b".5",
    b"5.",
    b"9" * 19,
    b"9" * 5000,
    "٣".encode(),
    b"\xff",
    b"soon",
    b"null",
)


@pytest.mark.parametrize("text", NONSENSE)
def test_nonsense_is_no_number_no_count_and_no_time(text: bytes) -> None:
    assert number(text) is None
    assert count(text) is None
    assert span_s(text, NOON_S) is None
    assert time_s(text) is None


@pytest.mark.parametrize(("text", "value"), [(b"0", 0.0), (b"150000000", 1.5e8), (b"2.5", 2.5)])
def test_counts(text: bytes, value: float) -> None:
    assert count(text) == value


def test_a_count_that_nobody_grants_is_none() -> None:
    assert count(b"1000000000000") == COUNT_MAX
    assert count(b"1000000000001") is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"1s", 1),
        (b"0s", 0),
        (b"12ms", 0.012),
        (b"6m0s", 360),
        (b"2m59.56s", 179.56),
        (b"1h2m3s", 3723),
        (b"1d0h0m0s", 86_400),
        (b"1m30s500ms", 90.5),
        (b"45.837906927s", 45.837906927),
        (b"17", 17),
        (b"0.5", 0.5),
        (b" 20 ", 20),
        (b"2026-01-27T12:00:30Z", 30),
        (b"2026-01-27T13:00:30.5+01:00", 30.5),
        (b"2026-01-27T11:59:00Z", 0),
        (b"Tue, 27 Jan 2026 12:01:00 GMT", 60),
    ],
)
def test_spans(text: bytes, seconds: float) -> None:
    assert span_s(text, NOON_S) == pytest.approx(seconds)


@pytest.mark.parametrize("text", [b"999999999999", b"9999999h", b"9999-12-31T23:59:59Z"])
def test_an_absurd_span_is_a_year(text: bytes) -> None:
    assert span_s(text, NOON_S) == SPAN_S_MAX


@pytest.mark.parametrize(
    "text",
    [
        b"s",
        b"m",
        b"1x",
        b"1s1m",
        b"-1s",
        b"1.2.3s",
        b"1e9s",
        b"2026-02-31T00:00:00Z",
        b"2026-01-27T25:00:00Z",
        b"2026-01-27T12:00:00",
        b"Tue, 31 Feb 2026 12:01:00 GMT",
        b"Tue, 27 Foo 2026 12:01:00 GMT",
        b"Tue, 27 Jan 0000 12:01:00 GMT",
        b"1" * 30 + b"s" + b"1" * 40,
    ],
)
def test_what_looks_like_a_span_and_is_none(text: bytes) -> None:
    assert span_s(text, NOON_S) is None


def test_google_says_in_the_body_how_long_to_wait() -> None:
    body = b'{"error":{"code":429,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo",'
    assert retry_delay_s(body + b'"retryDelay": "38s"}]}}') == 38
    assert retry_delay_s(body + b'"retryDelay":"45.8379s"}]}}') == pytest.approx(45.8379)
    assert retry_delay_s(body + b'"retryDelay":"-3s"}]}}') is None
    assert retry_delay_s(b"{}") is None
