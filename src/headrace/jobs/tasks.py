"""The simple face of jobs: a topic or a prompt in, a task id out. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headrace.errors import InvalidRequest
from headrace.jobs.job import Job, State
from headrace.jobs.kinds import Kinds
from headrace.jobs.requests import NewJob

_STATUS: Final[Mapping[State, str]] = {
    "waiting": "pending",
    "delayed": "pending",
    "running": "running",
    "succeeded": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
# What the simple face makes of one field: the kind, and what its input calls the field.
_SHORT: Final[Mapping[str, str]] = {"topic": "content", "prompt": "generate", "script": "video"}


def new_task(document: Mapping[str, Any], kinds: Kinds, model: str | None) -> NewJob:
    """The job that a task stands for.

    Args:
        document: one of `topic`, `prompt` and `script`, with further fields of the job's input
            beside it; or a whole job, with `kind`.
        kinds: what can be done.
        model: who is asked where no model is named.

    Raises:
        InvalidRequest: it stands for none.
    """
    if "kind" in document:
        try:
            return msgspec.convert(document, NewJob)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"The body is no job: {error}") from None
    there = {name: kind for name, kind in _SHORT.items() if kind in kinds.names}
    named = [name for name in there if name in document]
    if len(named) != 1:
        raise InvalidRequest(f"Send one of {', '.join(f'`{name}`' for name in there)}, or `kind`.")
    kind = kinds.find(there[named[0]])
    fields = dict(document)
    if model is not None and "model" in kind.input_type.__struct_fields__:
        fields.setdefault("model", model)
    return NewJob(kind=kind.name, input=fields)


def task_told(job: Job, *, whole: bool = True) -> dict[str, Any]:
    """What its tenant is told of a task.

    Args:
        whole: with its result, which lists leave out.
    """
    told = job.told(whole=whole)
    task = {
        "task_id": job.id,
        "status": _STATUS[job.state],
        "progress": told["progress"],
        "message": job.doing,
        "kind": job.kind,
        "created_at": job.created_s,
        "error": told["error"],
    }
    return {**task, "result": told["result"]} if whole else task
