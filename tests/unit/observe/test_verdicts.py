"""Which answers count as good, and which not at all."""

import pytest

from headrace.observe.verdicts import Verdict, verdict_of, verdict_of_status


@pytest.mark.parametrize(
    ("status", "error", "fallback", "verdict"),
    [
        (200, None, None, "good"),
        (200, None, "continued", "good"),
        (200, None, "text", "bad"),
        (200, None, "template", "neither"),
        (200, "upstream_cut", None, "bad"),
        (200, "client_gone", None, "left"),
        (499, "client_gone", None, "left"),
        (429, "rate_limited", None, "neither"),
        (429, None, None, "neither"),
        (502, "upstream_reset", None, "bad"),
        (502, None, None, "bad"),
        (503, "queue_full", None, "bad"),
        (503, "slo_shed", None, "neither"),
        (503, "process_overloaded", None, "neither"),
        (504, "deadline_exceeded", None, "bad"),
        (504, "not_cached", None, "neither"),
    ],
)
def test_answers_are_judged(
    status: int, error: str | None, fallback: str | None, verdict: Verdict
) -> None:
    assert verdict_of(status, error, fallback) == verdict
    if error is None and fallback is None:
        assert verdict_of_status(status) == verdict
