"""What can be set of jobs."""

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from headrace.settings.amqp import AmqpSettings
from headrace.settings.bounded import Count, CronFields, Filled, Seconds

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def queue_name_problem(text: str) -> str | None:
    """What keeps `text` from being the name of a queue or a schedule."""
    if _NAME.fullmatch(text):
        return None
    return "expected at most 64 letters, digits, dots, hyphens and underscores"


def json_object_problem(text: str) -> str | None:
    """What keeps `text` from being a JSON object."""
    try:
        msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        return f"expected a JSON object: {error}"
    return None


QueueName = Annotated[str, Meta(extra={"check": queue_name_problem})]
JsonObject = Annotated[str, Meta(extra={"check": json_object_problem})]
Starts = Annotated[float, Meta(gt=0, le=1_000_000)]


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A queue of jobs.

    Attributes:
        concurrency: jobs at once, in each worker.
        concurrency_total: jobs at once, in all workers together; `None` means no limit.
        per_minute: jobs begun in a minute, by all workers together; `None` means no limit.
    """

    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 16
    concurrency_total: Count | None = None
    per_minute: Starts | None = None


class ScheduleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A job that is submitted at set times.

    Attributes:
        cron: five fields, in UTC.
        kind: of the job.
        input: of the job, as JSON.
        queue: where it waits; by default where its kind does.
        tenant: whose job it is.
    """

    cron: CronFields
    kind: Filled
    input: JsonObject = "{}"
    queue: QueueName | None = None
    priority: Literal["high", "normal", "low"] = "normal"
    tenant: Filled = "default"


class JobsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Long work.

    Attributes:
        enabled: whether jobs are taken.
        embedded: whether the gateway starts a worker where there is something to do.
        queues: queues by name, besides those that kinds of jobs bring.
        schedules: jobs that are submitted at set times, by name.
        waiting_max: jobs that have not ended; beyond it, none are taken.
        keep_days: how long jobs and their files are kept after their end.
        poll_ms: how often a worker looks for jobs.
        lease_s: how long a worker may show no life before others go on with its jobs.
        grace_s: how long jobs may go on in a worker that was told to stop.
        retry_s: pause before the second try; it doubles with each further one.
        retry_s_max: the longest such pause.
        amqp: a broker whose messages become jobs, of `headrace jobs work`; `None`: there is none.
    """

    enabled: bool = True
    embedded: bool = True
    queues: dict[QueueName, QueueSettings] = {}
    schedules: dict[QueueName, ScheduleSettings] = {}
    waiting_max: Count = 100_000
    keep_days: Annotated[float, Meta(gt=0, le=3650)] = 7.0
    poll_ms: Annotated[int, Meta(ge=5, le=60_000)] = 100
    lease_s: Annotated[float, Meta(ge=1, le=3600)] = 10.0
    grace_s: Annotated[float, Meta(ge=0, le=3600)] = 10.0
    retry_s: Seconds = 2.0
    retry_s_max: Seconds = 600.0
    amqp: AmqpSettings | None = None
