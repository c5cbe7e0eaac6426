"""What follows from how a try of a job ended."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.jobs.context import JobFailed, JobPutOff, JobRefused
from headrace.jobs.job import Job
from headrace.jobs.outcome import (
    LOSSES_MAX,
    RESULT_BYTES_MAX,
    Done,
    Failed,
    Later,
    of_error,
    of_result,
)
from headrace.settings.jobs import JobsSettings
from headrace.store.faults import StoreFault

SETTINGS = JobsSettings(retry_s=2.0, retry_s_max=60.0)
NOW_S = 1_700_000_000.0


def job(attempts: int = 1, **fields: object) -> Job:
    values = {
        "id": "job_1",
        "tenant": "t",
        "caller": "",
        "kind": "k",
        "queue": "q",
        "priority": 5,
        "state": "running",
        "input": "{}",
        "digest": "",
        "created_s": NOW_S,
        "due_s": NOW_S,
        "attempts": attempts,
        "attempts_max": 3,
        **fields,
    }
    return msgspec.convert(values, Job)


@given(
    attempts=st.integers(1, 2),
    chance=st.floats(0, 1),
    after_s=st.none() | st.floats(0, 1e6),
)
def test_the_pause_doubles_within_its_bounds(
    attempts: int, chance: float, after_s: float | None
) -> None:
    refused = JobRefused("busy", retry_after_s=after_s)
    later = of_error(job(attempts), refused, SETTINGS, NOW_S, chance)
    assert isinstance(later, Later)
    pause_s = later.due_s - NOW_S
    whole_s = 2.0 * 2 ** (attempts - 1)
    least_s = max(whole_s / 2, min(after_s or 0.0, 60.0))
    assert least_s - 1e-6 <= pause_s <= max(whole_s, least_s) + 1e-6
    assert later.is_counted


def test_many_tries_do_not_overflow_the_pause() -> None:
    later = of_error(job(5000, attempts_max=10_000), OSError(), SETTINGS, NOW_S, 1.0)
    assert isinstance(later, Later)
    assert later.due_s - NOW_S == pytest.approx(60.0)


def test_the_last_try_says_what_went_wrong() -> None:
    assert of_error(job(3), KeyError("x"), SETTINGS, NOW_S, 0.5) == Failed(
        "attempts_exhausted", "The last of 3 tries failed: KeyError: 'x'"
    )


def test_what_is_of_no_use_is_not_tried_again() -> None:
    hopeless = JobFailed("Never.", code="never")
    assert of_error(job(), hopeless, SETTINGS, NOW_S, 0.5) == Failed("never", "Never.")


def test_a_store_that_is_away_costs_no_try() -> None:
    later = of_error(job(3), StoreFault("away"), SETTINGS, NOW_S, 0.5)
    assert isinstance(later, Later)
    assert not later.is_counted


def test_a_gateway_that_is_away_costs_no_try_and_is_asked_ever_more_seldom() -> None:
    away = JobPutOff("away", code="gateway_gone", retry_after_s=3.0)
    pauses_s = []
    for fence in (1, 2, 3, 4, 5000):
        later = of_error(job(3, fence=fence, losses=LOSSES_MAX), away, SETTINGS, NOW_S, 1.0)
        assert isinstance(later, Later)
        assert (later.code, later.is_counted, later.is_loss) == ("gateway_gone", False, False)
        pauses_s.append(later.due_s - NOW_S)
    assert pauses_s == pytest.approx([3.0, 4.0, 8.0, 16.0, 60.0])


def test_a_job_under_which_its_gateway_breaks_ten_times_has_failed() -> None:
    broken = JobPutOff("broke off", code="gateway_lost", is_loss=True)
    later = of_error(job(3, losses=LOSSES_MAX - 1), broken, SETTINGS, NOW_S, 0.5)
    assert isinstance(later, Later)
    assert (later.is_counted, later.is_loss) == (False, True)
    assert of_error(job(losses=LOSSES_MAX), broken, SETTINGS, NOW_S, 0.5) == Failed(
        "gateway_lost", "It was lost 10 times, at last so: broke off"
    )


def test_reasons_have_a_bound() -> None:
    failed = of_error(job(3), ValueError("x" * 100_000), SETTINGS, NOW_S, 0.5)
    assert isinstance(failed, Failed)
    assert len(failed.reason) < 2100


def test_results_are_json() -> None:
    assert of_result({"a": (1, 2)}) == Done('{"a":[1,2]}')
    for result, code in [(object(), "no_result"), ("x" * RESULT_BYTES_MAX, "result_too_large")]:
        failed = of_result(result)
        assert isinstance(failed, Failed)
        assert failed.code == code
