"""What goes out again, how often, and when."""

import socket
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.toolkit.connections.address import Origin
from headrace.toolkit.connections.answers import HttpHeaders
from headrace.toolkit.connections.faults import CallFault, unreachable
from headrace.toolkit.connections.retrying import (
    BACKOFF,
    Retries,
    may_repeat,
    retry_after_s,
)
from headrace.upstream.faults import FaultKind

ORIGIN = Origin("http", "a.example", 80)
WALL_S = 1_700_000_000.0


def retries(count: int = 9, *, repeatable: bool = True, drawn: float = 1.0) -> Retries:
    return Retries(count, is_repeatable=repeatable, deadline_s=100.0, uniform=lambda: drawn)


@pytest.mark.parametrize(
    ("method", "headers", "repeats"),
    [
        ("GET", None, True),
        ("HEAD", None, True),
        ("DELETE", {}, True),
        ("POST", None, False),
        ("PATCH", {"x": "y"}, False),
        ("POST", {"Idempotency-Key": "1"}, True),
    ],
)
def test_what_may_be_repeated(method: str, headers: dict[str, str] | None, repeats: bool) -> None:
    assert may_repeat(method, headers) is repeats


@pytest.mark.parametrize(
    ("kind", "plain", "repeatable"),
    [
        ("connect", True, True),
        ("timeout_connect", True, True),
        ("reset", False, True),
        ("cut", False, True),
        ("timeout_first_byte", False, True),
        ("timeout_idle", False, True),
        ("tls", False, False),
        ("garbage", False, False),
        ("too_large", False, False),
        ("timeout_total", False, False),
    ],
)
def test_which_faults_are_tried_again(kind: FaultKind, plain: bool, repeatable: bool) -> None:
    fault = CallFault(kind, ORIGIN)
    assert (retries(repeatable=False).after_fault(fault, 0.0) is not None) is plain
    assert (retries(repeatable=True).after_fault(fault, 0.0) is not None) is repeatable


def test_name_that_is_not_there_is_not_tried_again() -> None:
    gone = unreachable(ORIGIN, socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    later = unreachable(ORIGIN, socket.gaierror(socket.EAI_AGAIN, "Temporary failure"))
    assert retries().after_fault(gone, 0.0) is None
    assert retries().after_fault(later, 0.0) is not None
    assert "Name or service not known" in gone.message


def test_backoff_doubles_up_to_its_bound() -> None:
    call = retries(20)
    fault = CallFault("reset", ORIGIN)
    delays = [call.after_fault(fault, 0.0) for _ in range(8)]
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    assert call.attempts == 9


def test_jitter_is_full() -> None:
    fault = CallFault("reset", ORIGIN)
    assert retries(drawn=0.0).after_fault(fault, 0.0) == 0.0
    assert retries(drawn=0.5).after_fault(fault, 0.0) == pytest.approx(0.05)


def test_attempts_are_counted_and_end() -> None:
    call = retries(2)
    fault = CallFault("reset", ORIGIN)
    assert [call.after_fault(fault, 0.0) is None for _ in range(4)] == [False, False, True, True]
    assert call.attempts == 3


def test_no_attempt_beyond_the_deadline() -> None:
    assert retries().after_fault(CallFault("reset", ORIGIN), 99.95) is None


def headers(text: str) -> HttpHeaders:
    return HttpHeaders([(b"retry-after", text.encode())])


def test_server_says_when() -> None:
    assert retries().after_answer(headers("7"), 0.0, WALL_S) == 7.1
    assert retries().after_answer(headers("31"), 0.0, WALL_S) is None
    assert retries().after_answer(headers("9" * 40), 0.0, WALL_S) is None
    assert retries().after_answer(headers("soon"), 0.0, WALL_S) == pytest.approx(0.1)
    assert retries(repeatable=False).after_answer(headers("1"), 0.0, WALL_S) is None


def test_date_is_read() -> None:
    date = format_datetime(datetime.fromtimestamp(WALL_S + 12, UTC), usegmt=True)
    assert retry_after_s(date, WALL_S) == 12.0
    assert retry_after_s(date, WALL_S + 100) == 0.0


@pytest.mark.parametrize(
    "text", ["", "-5", "nan", "inf", "1e9", "\u0665", "0x1", "Mon, 99 Foo 0000 00:00:00 GMT"]
)
def test_lies_are_nothing(text: str) -> None:
    assert retry_after_s(text, WALL_S) == 0.0


@given(st.text(max_size=40))
def test_any_text_is_survived(text: str) -> None:
    assert retry_after_s(text, WALL_S) >= 0.0


@given(st.integers(0, 5000), st.floats(0, 1, exclude_max=True))
def test_delay_stays_within_bounds(attempts: int, drawn: float) -> None:
    call = Retries(1, is_repeatable=True, deadline_s=1e9, uniform=lambda: drawn)
    call.attempts = attempts + 1
    delay_s = call.after_fault(CallFault("reset", ORIGIN), 0.0)
    assert delay_s is not None
    assert 0 <= delay_s <= BACKOFF.max_s
