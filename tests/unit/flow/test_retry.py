"""What may be tried again, and when no more."""

from math import inf, nan
from typing import get_args

import pytest

from headrace.errors import UpstreamRefused
from headrace.flow.budget import ShareBudget
from headrace.flow.retry import (
    Again,
    Backoff,
    Decision,
    Reason,
    after_error,
    after_fault,
    after_status,
    decide,
)
from headrace.upstream.faults import FaultKind, UpstreamFault

BACKOFF = Backoff(tries_max=3, base_s=1.0, max_s=4.0, retry_after_s_max=30.0)


def decided(
    again: Again = Again.HERE,
    *,
    tries: int = 1,
    uniform: float = 0.5,
    has_begun: bool = False,
    retry_after_s: float | None = None,
    deadline_s: float | None = None,
    try_s_min: float = 0.0,
    budget: ShareBudget | None = None,
) -> Decision:
    return decide(
        again,
        backoff=BACKOFF,
        budget=budget or ShareBudget(),
        tries=tries,
        now_s=100.0,
        uniform=uniform,
        has_begun=has_begun,
        retry_after_s=retry_after_s,
        deadline_s=deadline_s,
        try_s_min=try_s_min,
    )


def test_only_some_statuses_may_be_tried_again() -> None:
    again = {status for status in range(100, 1000) if after_status(status) is not Again.NEVER}
    assert again == {408, 409, 429, *range(500, 600)}


def test_every_kind_of_fault_is_judged() -> None:
    judged = {kind: after_fault(kind) for kind in get_args(FaultKind)}
    assert judged == {
        "connect": Again.HERE,
        "timeout_connect": Again.HERE,
        "timeout_first_byte": Again.HERE,
        "timeout_idle": Again.HERE,
        "reset": Again.HERE,
        "cut": Again.HERE,
        "tls": Again.ELSEWHERE,
        "garbage": Again.ELSEWHERE,
        "timeout_total": Again.NEVER,
        "too_large": Again.NEVER,
        "shutdown": Again.NEVER,
    }
    assert after_fault("of tomorrow") is Again.NEVER


class SdkError(Exception):
    status_code = 529


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (UpstreamRefused("no", upstream_status=429, body=b""), Again.HERE),
        (UpstreamRefused("no", upstream_status=400, body=b""), Again.NEVER),
        (UpstreamFault("reset", "p"), Again.HERE),
        (UpstreamFault("too_large", "p"), Again.NEVER),
        (SdkError(), Again.HERE),
        (ConnectionResetError(), Again.HERE),
        (TimeoutError(), Again.HERE),
        (FileNotFoundError(), Again.NEVER),
        (ValueError(), Again.NEVER),
    ],
)
def test_errors_are_judged_by_what_they_carry(error: Exception, again: Again) -> None:
    assert after_error(error) is again


def test_wait_is_drawn_below_a_bound_that_doubles() -> None:
    assert [BACKOFF.delay_s(tries, 1.0) for tries in range(1, 6)] == [1.0, 2.0, 4.0, 4.0, 4.0]
    assert [BACKOFF.delay_s(tries, 0.0) for tries in range(1, 6)] == [0.0] * 5
    assert BACKOFF.delay_s(3, 0.25) == 1.0
    assert BACKOFF.delay_s(100_000, 1.0) == 4.0


def test_what_the_provider_asks_for_comes_on_top() -> None:
    assert decided(retry_after_s=7.0, uniform=0.5) == Decision("again", 7.5)


@pytest.mark.parametrize("lie", [-5.0, 0.0, nan, -inf, inf])
def test_retry_after_that_makes_no_sense_is_not_said(lie: float) -> None:
    assert decided(retry_after_s=lie) == Decision("again", 0.5)


def test_retry_after_that_is_absurd_is_not_waited_for() -> None:
    assert decided(retry_after_s=30.1).reason == "retry_after"


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        (decided(has_begun=True), "begun"),
        (decided(Again.NEVER), "final"),
        (decided(Again.ELSEWHERE), "final"),
        (decided(tries=3), "tries"),
        (decided(deadline_s=100.5), "deadline"),
        (decided(deadline_s=102.0, retry_after_s=2.0), "deadline"),
        (decided(deadline_s=102.0, try_s_min=1.5), "deadline"),
        (decided(budget=ShareBudget(floor=0)), "budget"),
        (decided(deadline_s=102.0, try_s_min=1.4), "again"),
    ],
)
def test_each_thing_against_another_try_is_said(decision: Decision, reason: Reason) -> None:
    assert decision.reason == reason
    assert decision.is_again is (reason == "again")


def test_budget_is_spent_by_nothing_that_is_not_sent() -> None:
    budget = ShareBudget(floor=1)
    for refused in (
        decided(has_begun=True, budget=budget),
        decided(Again.NEVER, budget=budget),
        decided(tries=3, budget=budget),
        decided(deadline_s=100.0, budget=budget),
    ):
        assert not refused.is_again
    assert budget.spent == 0
    assert decided(budget=budget).is_again
    assert decided(budget=budget).reason == "budget"
    assert (budget.spent, budget.refused) == (1, 1)


@pytest.mark.parametrize(
    "bad",
    [
        {"share": -0.1},
        {"share": 1.1},
        {"share": nan},
        {"floor": -1},
        {"window_s": 0.0},
        {"window_s": inf},
        {"window_s": nan},
    ],
)
def test_budget_that_makes_no_sense_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        ShareBudget(**bad)  # type: ignore[arg-type]
