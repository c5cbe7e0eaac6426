"""`/ui`, the page of the console, and `/admin/session`, by which a browser signs in to it."""

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from headrace.errors import InvalidRequest, NotFound
from headrace.identity.keys import presented_key
from headrace.identity.sessions import COOKIE, LIFE_S, Ended, Session, Sessions
from headrace.settings import Settings
from headrace.store.faults import StoreFault

_INDEX: Final = "index.html"
_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing but our own files runs or is shown, nobody frames the page, and it talks to nobody else.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
_HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-cache",
}
_NO_STORE: Final[Mapping[str, str]] = {"cache-control": "no-store"}
# The browser forgets its cookie even so: whoever leaves a machine wants nothing to stay there.
_NOT_ENDED: Final[Mapping[str, Any]] = {
    "error": {
        "message": "This browser is signed out, but a copy of its session would still be let in: "
        "the store, which tells all workers, cannot be reached. Sign in again later and sign out "
        "everywhere, or revoke the key.",
        "type": "overloaded_error",
        "code": "session_not_ended",
        "param": None,
    }
}


class WebFile(msgspec.Struct, frozen=True):
    """A file of the page.

    Attributes:
        tag: tells whether a browser has it already.
    """

    body: bytes
    kind: str
    tag: str


class WebFiles:
    """The files of the page, read when somebody first wants one."""

    def __init__(self) -> None:
        self._files: Mapping[str, WebFile] = {}

    async def find(self, name: str) -> WebFile | None:
        """A file by its name; None where there is none."""
        if not self._files:
            self._files = await asyncio.to_thread(_read_files)
        return self._files.get(name)


class Keys(Protocol):
    """What the page asks of keys, and of the sessions that were begun with them."""

    @property
    def is_open(self) -> bool:
        """Whether everyone may call."""
        ...

    @property
    def ended(self) -> Ended:
        """The sessions that were ended before their time."""
        ...

    async def end_session(self, session: Session) -> None:
        """Have one be over; raises `StoreFault`."""
        ...

    async def end_sessions(self, key_digest: str) -> None:
        """Have all of a key be over; raises `StoreFault`."""
        ...


class PageRoom:
    """The routes as a room of a worker.

    Args:
        sessions: of browsers.
        keys: say whether one is needed.
        settings: say whether the gateway speaks TLS.

    Attributes:
        routes: see above.
    """

    def __init__(self, sessions: Sessions, keys: Keys, settings: Settings) -> None:
        self.routes = [
            *page_routes(WebFiles(), sessions, keys),
            *session_routes(sessions, keys, settings),
        ]

    @property
    def is_busy(self) -> bool:
        """Nothing has to be waited for."""
        return False

    async def start(self) -> None:
        """Nothing has to be done."""

    def adopt(self, settings: Settings) -> None:
        """Whether there is TLS is settled at the start."""

    def stop(self) -> None:
        """Nothing is under way."""

    async def close(self) -> None:
        """Nothing is left."""


def page_routes(web_files: WebFiles, sessions: Sessions, keys: Keys) -> list[BaseRoute]:
    """The routes of the page.

    Args:
        web_files: what it consists of.
        sessions: of browsers.
        keys: say whether one is needed.
    """

    async def show(request: Request) -> Response:
        found = await web_files.find(request.path_params.get("name", _INDEX))
        if found is None:
            raise NotFound("The page has no such file.", code="unknown_route")
        headers = {**_HEADERS, "etag": found.tag}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.body, media_type=found.kind, headers=headers)

    async def show_way_in(request: Request) -> Response:
        session = _session(request, sessions)
        is_signed_in = session is not None and not session.is_over(keys.ended)
        wants_key = not keys.is_open and not is_signed_in
        return JSONResponse({"wants_key": wants_key}, headers=_NO_STORE)

    return [
        Route("/ui", show, methods=["GET"]),
        Route("/ui/session", show_way_in, methods=["GET"]),
        Route("/ui/{name}", show, methods=["GET"]),
    ]


def session_routes(sessions: Sessions, keys: Keys, settings: Settings) -> list[BaseRoute]:
    """The routes to sign in, to look who is signed in, and to sign out.

    Args:
        sessions: begins them.
        keys: end them.
        settings: say whether the gateway speaks TLS.
    """

    async def begin(request: Request) -> Response:
        headers = request.headers
        presented = presented_key(
            headers.get("authorization", "").encode(), headers.get("x-api-key", "").encode()
        )
        if not request.state.principal.key_digest:
            return _told(request, None)
        if presented is None:  # a session must not make another, or it would never end
            raise InvalidRequest("Sign in with the key of an administrator.", code="bad_key")
        session = sessions.begin(request.state.principal, keys.ended)
        response = _told(request, session)
        _set_cookie(response, session.cookie, LIFE_S, _is_secure(request, settings))
        return response

    async def show(request: Request) -> Response:
        return _told(request, _session(request, sessions))

    async def end(request: Request) -> Response:
        is_all = _wants_all(request)
        digest = request.state.principal.key_digest.hex()
        session = _session(request, sessions)
        response = Response(status_code=204, headers=_NO_STORE)
        try:
            if is_all and digest:
                await keys.end_sessions(digest)
            elif session is not None:
                await keys.end_session(session)
        except StoreFault:
            response = JSONResponse(_NOT_ENDED, 503, headers=_NO_STORE)
        _set_cookie(response, "", 0, _is_secure(request, settings))
        return response

    return [
        Route("/admin/session", begin, methods=["POST"]),
        Route("/admin/session", show, methods=["GET"]),
        Route("/admin/session", end, methods=["DELETE"]),
    ]


def _session(request: Request, sessions: Sessions) -> Session | None:
    """That of the request's cookie, by its signature and its time."""
    return sessions.resume(request.headers.get("cookie", "").encode())


def _wants_all(request: Request) -> bool:
    pairs = request.query_params.multi_items()
    if pairs not in ([], [("all", "true")]):
        raise InvalidRequest("Only all=true can be said here.", code="bad_session", param="all")
    return bool(pairs)


def _told(request: Request, session: Session | None) -> Response:
    principal = request.state.principal
    told: dict[str, Any] = {
        "key": principal.key_name,
        "tenant": principal.tenant,
        "is_open": not principal.key_digest,
        "csrf": session.csrf if session else None,
        "ends_s": session.ends_s if session else None,
    }
    return JSONResponse(told, headers=_NO_STORE)


def _set_cookie(response: Response, value: str, life_s: int, is_secure: bool) -> None:
    response.set_cookie(
        COOKIE.decode(),
        value,
        max_age=life_s,
        path="/",
        secure=is_secure,
        httponly=True,
        samesite="strict",
    )


def _is_secure(request: Request, settings: Settings) -> bool:
    # Who forges this header only keeps its own browser from sending the cookie in the clear.
    forwarded = request.headers.get("x-forwarded-proto", "")
    return settings.listen.tls is not None or forwarded == "https"


def _read_files() -> dict[str, WebFile]:
    found = {}
    for path in (Path(__file__).parent / "web").iterdir():
        kind = _TYPES.get(path.suffix)
        if kind is not None:
            body = path.read_bytes()
            tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
            found[path.name] = WebFile(body, kind, tag)
    return found
