"""What a refused caller is told."""

import pytest

from headrace.flow.scheduler.refusals import refusal
from headrace.flow.scheduler.ticket import Reason

CODES = {
    Reason.FULL: (503, "queue_full"),
    Reason.OVERLOADED: (503, "queue_overloaded"),
    Reason.TIMEOUT: (503, "queue_timeout"),
    Reason.OUT_OF_REACH: (503, "deadline_out_of_reach"),
    Reason.PAUSED: (503, "provider_paused"),
    Reason.DEADLINE: (504, "deadline_exceeded"),
    Reason.CLOSED: (503, "shutting_down"),
}


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_has_its_status_and_code(reason: Reason) -> None:
    error = refusal(reason, 1.25, 3.2)
    assert (error.status, error.code) == CODES[reason]
    assert error.retry_after_s == 3.2


@pytest.mark.parametrize("reason", [each for each in Reason if each is not Reason.DEADLINE])
def test_a_message_says_when_to_try_again(reason: Reason) -> None:
    assert "Try again in 4 s." in refusal(reason, 1.25, 3.2).message


@pytest.mark.parametrize("reason", [Reason.OVERLOADED, Reason.TIMEOUT, Reason.DEADLINE])
def test_a_message_says_how_long_the_caller_waited(reason: Reason) -> None:
    assert "after 1.2 s in the queue" in refusal(reason, 1.2, 3.2).message


def test_a_refusal_at_once_says_so() -> None:
    assert "at once" in refusal(Reason.FULL, 0.0, 3.2).message
