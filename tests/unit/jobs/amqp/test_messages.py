"""What messages say, and what is told of jobs."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import Conflict
from headrace.jobs.amqp.messages import NoJob, dead_headers, news_of, read_message
from headrace.jobs.job import Job

BODY = b'{"kind": "report", "input": {"topic": "mills"}, "priority": "low"}'
JOB = Job(
    id="job_1",
    tenant="t",
    caller="",
    kind="report",
    queue="default",
    priority=5,
    state="running",
    input="{}",
    digest="",
    created_s=1.0,
    due_s=1.0,
    attempts_max=3,
    version=4,
)


def test_a_message_is_a_job_by_its_id() -> None:
    taken = read_message(BODY, "m-1", None)
    assert taken.new.idempotency_key == "amqp:m-1"
    assert (taken.new.kind, taken.new.priority) == ("report", "low")
    assert taken.correlation_id == "m-1"
    assert read_message(BODY, "m-1", "order").correlation_id == "order"
    assert read_message(BODY, "m-1", "or\0der").correlation_id == "m-1"


@pytest.mark.parametrize(
    ("body", "message_id", "code"),
    [
        (BODY, None, "no_message_id"),
        (BODY, "", "no_message_id"),
        (BODY, "x" * 256, "no_message_id"),
        (BODY, "a\0b", "no_message_id"),
        (b"", "m", "invalid_json"),
        (b"\xff", "m", "invalid_json"),
        (b"[" * 100_000, "m", "invalid_json"),
        (b"3", "m", "invalid_job"),
        (b"{}", "m", "invalid_job"),
        (b'{"kind": "report", "tenant": "other"}', "m", "invalid_job"),
        (b'{"kind": "report", "idempotency_key": "k"}', "m", "invalid_job"),
        (b'{"kind": "report", "delay_s": -1}', "m", "invalid_job"),
    ],
)
def test_what_is_no_job_says_why(body: bytes, message_id: str | None, code: str) -> None:
    with pytest.raises(NoJob) as raised:
        read_message(body, message_id, None)
    assert raised.value.reason == code


@given(st.binary(max_size=200), st.text(max_size=20))
def test_nothing_else_comes_of_any_message(body: bytes, message_id: str) -> None:
    try:
        read_message(body, message_id, None)
    except NoJob:
        return


@given(st.text(max_size=2000))
def test_reasons_can_be_headers(reason: str) -> None:
    headers = dead_headers(NoJob("some_reason", reason), "jobs")
    told = headers["headrace-detail"]
    assert headers["headrace-reason"] == "some_reason"
    assert told.isprintable() or not told
    assert len(told) <= 500
    told.encode()


def test_what_is_told_ends_with_the_job() -> None:
    noted: list[dict[str, Any]] = [
        {"number": 2, "event": "progress", "data": '{"progress":0.5}'},
        {"number": 3, "event": "retry", "data": '{"attempt":1}'},
    ]
    told = news_of(JOB, noted)
    assert [(each.number, each.routing_key) for each in told] == [
        (2, "job.report.progress"),
        (3, "job.report.retry"),
    ]
    assert json.loads(told[0].body)["data"] == {"progress": 0.5}
    over = msgspec.structs.replace(JOB, state="succeeded", result='"done"', ended_s=9.0)
    (last,) = news_of(over, [])
    assert (last.number, last.event, last.routing_key) == (4, "job", "job.report.succeeded")
    assert json.loads(last.body)["result"] == "done"


def test_bugs_and_errors_are_reasons_too() -> None:
    told = dead_headers(ZeroDivisionError("oh"), "jobs")
    assert (told["headrace-reason"], told["headrace-detail"]) == ("bug", "ZeroDivisionError: oh")
    assert dead_headers(Conflict("Another."), "jobs")["headrace-detail"] == "Another."
