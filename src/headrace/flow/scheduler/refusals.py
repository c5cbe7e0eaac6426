"""What a refused caller is told. Pure."""

from math import ceil

from headrace.errors import DeadlineExceeded, HeadraceError, Overloaded
from headrace.flow.scheduler.ticket import Reason


def refusal(reason: Reason, waited_s: float, retry_after_s: float) -> HeadraceError:
    """The error for a ticket that gets no turn.

    Args:
        reason: why.
        waited_s: how long it waited.
        retry_after_s: when a turn could be had.
    """
    waited = f"after {waited_s:.1f} s in the queue" if waited_s > 0.0 else "at once"
    again = f"Try again in {max(1, ceil(retry_after_s))} s."
    match reason:
        case Reason.FULL:
            return Overloaded(
                f"Too many requests wait for a turn, and this one had to make room {waited}. "
                f"{again} A higher priority, or fewer requests at once, waits less.",
                code="queue_full",
                retry_after_s=retry_after_s,
            )
        case Reason.OVERLOADED:
            return Overloaded(
                f"More requests come than can be served; this one was given up {waited}. {again}",
                code="queue_overloaded",
                retry_after_s=retry_after_s,
            )
        case Reason.TIMEOUT:
            return Overloaded(
                f"No turn came free: this request was given up {waited}. {again}",
                code="queue_timeout",
                retry_after_s=retry_after_s,
            )
        case Reason.OUT_OF_REACH:
            return Overloaded(
                "The deadline of this request would pass before its turn comes. "
                f"{again} Or give it more time.",
                code="deadline_out_of_reach",
                retry_after_s=retry_after_s,
            )
        case Reason.PAUSED:
            return Overloaded(
                "The provider asks to be left alone for longer than this request may wait. "
                f"{again}",
                code="provider_paused",
                retry_after_s=retry_after_s,
            )
        case Reason.DEADLINE:
            return DeadlineExceeded(
                f"The deadline of this request passed before its turn came, {waited}. "
                "Give it more time, or a higher priority.",
                retry_after_s=retry_after_s,
            )
        case Reason.CLOSED:
            return Overloaded(
                "The gateway is going down, and this request still waited for its turn. "
                f"{again} It was not sent to a provider.",
                code="shutting_down",
                retry_after_s=retry_after_s,
            )
