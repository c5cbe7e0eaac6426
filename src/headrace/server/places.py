"""Where paths lead."""

import enum
from collections.abc import Mapping
from typing import Final

import msgspec

from headrace.dialects.base import Operation
from headrace.model import DialectName


class Route(enum.StrEnum):
    """Where a request goes, as metrics name it."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    MESSAGES = "messages"
    RESPONSES = "responses"
    MODELS = "models"
    API = "api"
    ADMIN = "admin"
    METRICS = "metrics"
    HEALTH = "health"
    OTHER = "other"


class Place(msgspec.Struct, frozen=True):
    """What a path leads to.

    Attributes:
        operation: for the data plane, what is asked of a provider.
        needs_key: whether the caller has to say who it is.
        needs_admin: whether its key has to be an administrator's.
        is_spoken_over: whether its requests become others, of the operation, before they are asked.
        takes_files: whether a body that is posted is handed on as it comes, within a bound of
            its own, instead of being collected.
    """

    route: Route
    methods: frozenset[bytes]
    dialect: DialectName = "openai"
    operation: Operation | None = None
    needs_key: bool = True
    needs_admin: bool = False
    takes_files: bool = False
    is_spoken_over: bool = False

    @property
    def is_app(self) -> bool:
        """Whether an application answers, which wants to see the headers."""
        return self.route in _APPS


_APPS: Final = frozenset((Route.API, Route.ADMIN))
_READ: Final = frozenset((b"GET", b"HEAD"))
_POST: Final = frozenset((b"POST",))
_ANY: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE"))
# Which of them a path takes, its room says. HEAD would want answers that nobody reads.
_API: Final = Place(Route.API, frozenset((b"GET", b"POST", b"PUT", b"PATCH", b"DELETE")))
_MODEL: Final = Place(Route.MODELS, _READ)
_ADMIN: Final = Place(Route.ADMIN, _ANY, needs_admin=True)
# The page itself tells nothing, and signs in before it asks for anything.
_PAGE: Final = Place(Route.ADMIN, _READ, needs_key=False)
NOWHERE: Final = Place(Route.OTHER, _ANY, needs_key=False)

PLACES: Final[Mapping[str, Place]] = {
    "/v1/chat/completions": Place(Route.CHAT, _POST, operation=Operation.CHAT),
    "/v1/embeddings": Place(Route.EMBEDDINGS, _POST, operation=Operation.EMBEDDINGS),
    "/v1/messages": Place(Route.MESSAGES, _POST, "anthropic", Operation.MESSAGES),
    "/v1/responses": Place(Route.RESPONSES, _POST, operation=Operation.CHAT, is_spoken_over=True),
    "/v1/models": _MODEL,
    "/v1/files": Place(_API.route, _API.methods, takes_files=True),
    "/v1/batches": _API,
    "/v1/jobs": _API,
    "/v1/conversations": _API,
    "/api/create": _API,
    "/api/tasks": _API,
    "/healthz": Place(Route.HEALTH, _READ, needs_key=False),
    "/readyz": Place(Route.HEALTH, _READ, needs_key=False),
    "/metrics": Place(Route.METRICS, _READ, needs_key=False),
    "/ui": _PAGE,
}
MODEL_PREFIX: Final = "/v1/models/"
ADMIN_PREFIX: Final = "/admin/"
ADMIN_PLACES: Final = tuple(
    ADMIN_PREFIX + name
    for name in (
        *("session", "overview", "status", "cache", "flow", "spend", "batches", "conversations"),
        *("alerts", "allocations", "settings", "slos"),
        *("jobs", "jobs/{id}", "jobs/{id}/retry", "keys", "keys/{id}", "keys/{id}/rotate"),
        *("usage", "usage/calls", "usage/calls/{id}"),
    )
)
_PREFIXES: Final[Mapping[str, Place]] = {
    MODEL_PREFIX: _MODEL,
    ADMIN_PREFIX: _ADMIN,
    "/ui/": _PAGE,
    "/v1/files/": _API,
    "/v1/batches/": _API,
    "/v1/jobs/": _API,
    "/v1/conversations/": _API,
    "/v1/responses/": _API,
    "/api/task/": _API,
}


def find_place(path: str) -> Place:
    """What a path leads to."""
    place = PLACES.get(path)
    if place is not None:
        return place
    if path == "/admin":
        return _ADMIN
    for prefix, place in _PREFIXES.items():
        if path.startswith(prefix):
            return place
    return NOWHERE
