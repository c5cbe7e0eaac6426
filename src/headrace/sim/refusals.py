"""Refusals of the simulated provider's own."""

from headrace.errors import HeadraceError, RateLimited
from headrace.sim.rate import Quota


class Limited(RateLimited):
    """The provider's own limit is reached; carries what its headers tell."""

    default_code = "rate_limit_exceeded"

    def __init__(self, quota: Quota) -> None:
        kind, limit = "requests", quota.limit
        if quota.tokens is not None and quota.tokens.retry_after_s:
            kind, limit = "tokens", quota.tokens.limit
        super().__init__(
            f"Rate limit reached for {kind}: {limit} per minute. "
            f"Please try again in {quota.retry_after_s:.3f}s.",
            retry_after_s=quota.retry_after_s,
        )
        self.quota = quota


class Scripted(HeadraceError):
    """An error whose status a script chose."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
