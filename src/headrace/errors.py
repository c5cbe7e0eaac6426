"""Everything that can go wrong, as one flat tree.

Each error carries what every face needs to tell it: the HTTP status, a stable machine-readable
`code`, the offending parameter and a message that says what was wrong, where, and what to do.
Errors are translated to this tree where bytes enter or leave the process, and nowhere else.
"""


class HeadraceError(Exception):
    """Base of every error Headrace raises.

    Args:
        message: what was wrong, where, and what to do about it. Never holds a secret.
        code: stable machine-readable name; defaults to the class's own.
        param: the request field at fault, such as `messages[0].role`.
        retry_after_s: seconds after which trying again makes sense, sent as `retry-after`.
    """

    status: int = 500
    type: str = "server_error"
    default_code: str = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.param = param
        self.retry_after_s = retry_after_s


class InvalidRequest(HeadraceError):
    """The request cannot be understood (400)."""

    status = 400
    type = "invalid_request_error"
    default_code = "invalid_request"


class Unauthenticated(HeadraceError):
    """No key, or a key that is not known (401)."""

    status = 401
    type = "authentication_error"
    default_code = "invalid_api_key"


class Forbidden(HeadraceError):
    """The key is known but may not do this (403)."""

    status = 403
    type = "permission_error"
    default_code = "not_allowed"


class NotFound(HeadraceError):
    """No such route or model (404)."""

    status = 404
    type = "not_found_error"
    default_code = "not_found"


class MethodNotAllowed(HeadraceError):
    """The route exists, but not for this method (405).

    Args:
        message: as for every error.
        allowed: the methods it takes.
    """

    status = 405
    type = "invalid_request_error"
    default_code = "method_not_allowed"

    def __init__(self, message: str, *, allowed: frozenset[bytes] = frozenset()) -> None:
        super().__init__(message)
        self.allowed = allowed


class RequestTimeout(HeadraceError):
    """The client took too long to send its request (408)."""

    status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"


class Conflict(HeadraceError):
    """What is asked for does not go with what there is (409)."""

    status = 409
    type = "invalid_request_error"
    default_code = "conflict"


class BodyTooLarge(HeadraceError):
    """The body is above the configured bound (413)."""

    status = 413
    type = "invalid_request_error"
    default_code = "body_too_large"


class RateLimited(HeadraceError):
    """The caller is above its limits (429)."""

    status = 429
    type = "rate_limit_error"
    default_code = "rate_limited"


class BudgetExceeded(HeadraceError):
    """What may be spent is spent, or held for calls under way (429, or 402 by the settings).

    Args:
        message: as for every error.
        status: of the answer.
        retry_after_s: until the next day or month; `None` where that will be of no use.
    """

    status = 429
    type = "insufficient_quota"
    default_code = "budget_exceeded"

    def __init__(self, message: str, *, status: int, retry_after_s: float | None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.status = status


class HeadersTooLarge(HeadraceError):
    """The header block is above the configured bound (431)."""

    status = 431
    type = "invalid_request_error"
    default_code = "headers_too_large"


class UpstreamBroken(HeadraceError):
    """The provider could not be reached, or its answer broke off or made no sense (502)."""

    status = 502
    type = "upstream_error"
    default_code = "upstream_broken"


class Overloaded(HeadraceError):
    """A bound of this gateway is reached (503)."""

    status = 503
    type = "overloaded_error"
    default_code = "overloaded"


class KeysUnavailable(HeadraceError):
    """Whether a key is known cannot be told: the store of keys was never read (503)."""

    status = 503
    type = "overloaded_error"
    default_code = "keys_unavailable"


class BudgetUnknown(HeadraceError):
    """What is left of a budget cannot be told: the store that it is shared by is away (503)."""

    status = 503
    type = "overloaded_error"
    default_code = "budget_unavailable"


class DeadlineExceeded(HeadraceError):
    """A time limit passed before the answer was there (504)."""

    status = 504
    type = "timeout_error"
    default_code = "deadline_exceeded"


class UpstreamRefused(HeadraceError):
    """The provider answered with an error; raised by the library face only.

    Args:
        upstream_status: the provider's HTTP status.
        body: the provider's error body as it came.
    """

    default_code = "upstream_refused"
    type = "upstream_error"

    def __init__(self, message: str, *, upstream_status: int, body: bytes) -> None:
        super().__init__(message)
        self.upstream_status = upstream_status
        self.body = body


class NotRunning(HeadraceError):
    """The library was used before its start, after its end, or where it does not live."""

    default_code = "not_running"


class SettingsInvalid(HeadraceError):
    """The settings cannot be used; the message holds every problem, a line each."""

    default_code = "invalid_settings"
