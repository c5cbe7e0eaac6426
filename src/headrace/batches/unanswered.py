"""Why lines that were handed over have no answer."""

from headrace.errors import HeadraceError


class HandoverFailed(HeadraceError):
    """The provider's batch gave no answer to a line.

    Args:
        message: what happened.
        code: what it is called.
        is_final: whether it would cost once more, for certain, to ask the line again.
    """

    status = 502
    default_code = "provider_batch_failed"

    def __init__(self, message: str, code: str | None = None, *, is_final: bool = False) -> None:
        super().__init__(message, code=code)
        self.is_final = is_final


class Stopping(Exception):
    """This process asks no more: whoever goes on with the batch does."""
