"""What messages say: jobs that come in, reasons why others are none, and what is told of jobs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headrace.errors import HeadraceError
from headrace.jobs.job import Job
from headrace.jobs.requests import NewJob

# What a producer calls its message, so that another caller's key is never taken for it.
_ONCE_KEY: Final = "amqp:{}"
_DETAIL_CHARS_MAX: Final = 500
_ID_CHARS_MAX: Final = 255


class NoJob(Exception):
    """A message that asks for no job.

    Args:
        reason: for programs.
        message: for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Taken(msgspec.Struct, frozen=True):
    """A message that asks for a job.

    Attributes:
        new: the job.
        correlation_id: what its sender knows it by: what is told of the job carries it.
    """

    new: NewJob
    correlation_id: str


class Told(msgspec.Struct, frozen=True):
    """What is told of a job.

    Attributes:
        number: of the change that is told; grows.
        event: `job` where it has ended, otherwise what happened.
        routing_key: `job.KIND.STATE` or `job.KIND.EVENT`.
        body: JSON.
    """

    number: int
    event: str
    routing_key: str
    body: bytes


def read_message(body: bytes, message_id: str | None, correlation_id: str | None) -> Taken:
    """The job that a message asks for.

    Args:
        body: JSON, with the fields of `POST /v1/jobs`.
        message_id: what makes a redelivery the same job.
        correlation_id: of the message.

    Raises:
        NoJob: it is none.
    """
    if not message_id or len(message_id) > _ID_CHARS_MAX or not message_id.isprintable():
        raise NoJob(
            "no_message_id",
            "A message needs a message-id, without which a redelivery would be another job: at "
            f"most {_ID_CHARS_MAX} printable characters.",
        )
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NoJob("invalid_json", "The body is no JSON.") from None
    try:
        new = msgspec.convert(document, NewJob)
    except msgspec.ValidationError as error:
        raise NoJob("invalid_job", f"{error}.") from None
    if new.idempotency_key is not None:
        raise NoJob(
            "invalid_job", "The message-id says which job it is: leave `idempotency_key` out."
        )
    new = msgspec.structs.replace(new, idempotency_key=_ONCE_KEY.format(message_id))
    known_by = correlation_id if correlation_id and correlation_id.isprintable() else message_id
    return Taken(new, known_by)


def dead_headers(why: BaseException, queue: str) -> Mapping[str, str]:
    """The headers of a message that became no job, besides its own.

    Args:
        why: what was raised for it.
        queue: where it came from.
    """
    code, reason = "bug", f"{type(why).__name__}: {why}"
    if isinstance(why, NoJob):
        code, reason = why.reason, why.message
    elif isinstance(why, HeadraceError):
        code, reason = why.code, why.message
    told = "".join(each if each.isprintable() else "?" for each in reason[:_DETAIL_CHARS_MAX])
    return {
        "headrace-reason": code,
        "headrace-detail": told.encode("utf-8", "replace").decode(),
        "headrace-queue": queue,
    }


def news_of(job: Job, noted: Sequence[Mapping[str, Any]]) -> list[Told]:
    """What is told of a job that has changed.

    Args:
        job: as it is.
        noted: the events that have not been told yet, in order.
    """
    told = [
        Told(
            each["number"],
            each["event"],
            f"job.{job.kind}.{each['event']}",
            msgspec.json.encode(
                {
                    "id": job.id,
                    "object": "job.event",
                    "kind": job.kind,
                    "event": each["event"],
                    "data": msgspec.Raw(each["data"].encode()),
                }
            ),
        )
        for each in noted
    ]
    if job.has_ended:
        body = msgspec.json.encode(job.told())
        told.append(Told(job.version, "job", f"job.{job.kind}.{job.state}", body))
    return told
