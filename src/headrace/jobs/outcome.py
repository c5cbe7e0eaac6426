"""How a try of a job ended, and what follows from it. Pure."""

from typing import Final, Literal

import msgspec

from headrace.jobs.context import JobFailed, JobPutOff, JobRefused
from headrace.jobs.job import Job
from headrace.settings.jobs import JobsSettings
from headrace.store.faults import StoreFault

# A job's result is read by callers; what is larger belongs into a file.
RESULT_BYTES_MAX = 4 * 1024 * 1024
# How often a job may be lost with what did it before it is taken for what brings that down.
LOSSES_MAX: Final = 9
_REASON_CHARS_MAX = 2000
_DOUBLINGS_MAX = 30


class TakenAway(Exception):
    """The job is in other hands by now: nothing of this try counts any more."""


class Done(msgspec.Struct, frozen=True):
    """It succeeded.

    Attributes:
        result: JSON.
    """

    result: str


class Failed(msgspec.Struct, frozen=True):
    """It did not, and is a dead letter until somebody has it tried again."""

    code: str
    reason: str
    state: Literal["failed", "cancelled"] = "failed"


class Later(msgspec.Struct, frozen=True):
    """It is tried again.

    Attributes:
        due_s: when.
        is_counted: whether this try counts.
        is_loss: whether it counts as lost, which a try that counts does not.
    """

    due_s: float
    code: str
    reason: str
    is_counted: bool = True
    is_loss: bool = False


Outcome = Done | Failed | Later


def storable(text: str) -> str:
    """A text with what no database takes, NUL and half of a surrogate pair, put otherwise."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def of_result(result: object) -> Done | Failed:
    """What follows from what a job returned."""
    try:
        encoded = msgspec.json.encode(result)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        return Failed("no_result", f"The job's result is nothing that JSON can say: {error}")
    if len(encoded) > RESULT_BYTES_MAX:
        return Failed(
            "result_too_large",
            f"The job's result has {len(encoded)} bytes, more than {RESULT_BYTES_MAX}.",
        )
    return Done(encoded.decode())


def of_error(
    job: Job, error: BaseException, settings: JobsSettings, now_s: float, chance: float
) -> Failed | Later:
    """What follows from an error.

    The pause doubles with every try, and is between half of that and all of it, by chance, so
    that jobs which failed together do not come again together. Where tries do not count, claims do.

    Args:
        job: as it was claimed.
        error: what it raised.
        settings: of jobs.
        now_s: the time.
        chance: from 0 to 1.
    """
    if isinstance(error, JobFailed):
        return Failed(error.code, _cut(error.message))
    if isinstance(error, StoreFault):  # not the job's fault
        return Later(now_s + settings.retry_s, error.code, error.message, is_counted=False)
    if isinstance(error, JobPutOff):
        return _put_off(job, error, settings, now_s, chance)
    reason = _cut(error.message if isinstance(error, JobRefused) else _worded(error))
    if job.attempts >= job.attempts_max:
        tries = f"The last of {job.attempts} tries failed" if job.attempts > 1 else "It failed"
        return Failed("attempts_exhausted", f"{tries}: {reason}")
    pause_s = _pause_s(job.attempts, error, settings, chance)
    return Later(now_s + pause_s, "try_failed", reason)


def _put_off(
    job: Job, error: JobPutOff, settings: JobsSettings, now_s: float, chance: float
) -> Failed | Later:
    reason = _cut(error.message)
    if error.is_loss and job.losses >= LOSSES_MAX:
        return Failed(error.code, f"It was lost {job.losses + 1} times, at last so: {reason}")
    due_s = now_s + _pause_s(job.fence, error, settings, chance)
    return Later(due_s, error.code, reason, is_counted=False, is_loss=error.is_loss)


def _pause_s(times: int, error: BaseException, settings: JobsSettings, chance: float) -> float:
    doublings = min(max(times - 1, 0), _DOUBLINGS_MAX)
    pause_s = min(settings.retry_s * 2.0**doublings, settings.retry_s_max) * (1 + chance) / 2
    if isinstance(error, JobRefused) and error.retry_after_s is not None:
        pause_s = max(pause_s, min(error.retry_after_s, settings.retry_s_max))
    return pause_s


def _worded(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _cut(text: str) -> str:
    return text if len(text) <= _REASON_CHARS_MAX else text[:_REASON_CHARS_MAX] + "…"
