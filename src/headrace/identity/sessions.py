"""Administrators signed in with a browser: a cookie in place of the key. Pure but for chance.

A session is what its cookie says, signed by a secret that all processes share, so every one knows
it and none keeps anything: there is nothing to fill up. It ends after eight
hours, with the secret (that of the settings, or one that each start makes anew), or with the key
that it was begun with, whichever comes first. A browser
sends the cookie by itself, so what changes something has to carry a token besides, which pages of
other sites cannot read.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from headrace.errors import Forbidden, Unauthenticated
from headrace.identity.keys import KeyRing, Principal

COOKIE: Final = b"headrace_session"
CSRF_HEADER: Final = b"x-headrace-csrf"
LIFE_S: Final = 8 * 3600
_SAFE: Final = frozenset((b"GET", b"HEAD"))
# What a browser says of requests of our own page, and of an address that somebody typed.
_OWN_SITES: Final = frozenset((b"same-origin", b"none"))
_NONCE_BYTES: Final = 16
_CHARS_MAX: Final = 512


class Session(msgspec.Struct, frozen=True):
    """One that was just begun.

    Attributes:
        cookie: the value of the cookie.
        csrf: the token that requests carry which change something.
        ends_s: when it ends, seconds since the epoch.
    """

    cookie: str
    csrf: str
    ends_s: int


class Sessions:
    """Begins sessions, and knows them again.

    Args:
        secret: shared by all processes of a gateway, and by all gateways that know each other's
            sessions.
        wall_s: tells the time, seconds since the epoch.
    """

    __slots__ = ("_secret", "_wall_s")

    def __init__(self, secret: str, wall_s: Callable[[], float]) -> None:
        # Derived: what is signed here is of no use where the secret itself is asked for.
        self._secret = hmac.digest(secret.encode(), b"sessions of the console", "sha256")
        self._wall_s = wall_s

    def begin(self, principal: Principal) -> Session:
        """A session for the bearer of a key."""
        ends_s = int(self._wall_s()) + LIFE_S
        nonce = secrets.token_hex(_NONCE_BYTES)
        told = f"{principal.key_digest.hex()}.{ends_s}.{nonce}"
        cookie = f"{told}.{self._sign('cookie', told)}"
        return Session(cookie, self._sign("csrf", cookie), ends_s)

    def resume(self, cookies: bytes) -> Session | None:
        """The session that a `cookie` header names; None where it names none that holds."""
        value = read_cookie(cookies)
        told, _, signature = value.rpartition(".")
        if not told or not hmac.compare_digest(signature, self._sign("cookie", told)):
            return None
        ends_s = int(told.split(".")[1])
        if ends_s <= self._wall_s():
            return None
        return Session(value, self._sign("csrf", value), ends_s)

    def caller(
        self, method: bytes, fields: Mapping[bytes, bytes], keys: KeyRing
    ) -> Principal | None:
        """Who asks by a cookie; None where there is none, and where nobody needs one.

        Args:
            method: of the request.
            fields: its headers, names in lower case.
            keys: those that are known.

        Raises:
            Unauthenticated: there is no session, it is over, or its key is.
            Forbidden: another site asks, or the token that a change wants is missing or wrong.
        """
        cookies = fields.get(b"cookie", b"")
        if COOKIE not in cookies or keys.is_open:
            return None
        session = self.resume(cookies)
        principal = keys.of_digest(session.cookie.partition(".")[0]) if session else None
        if session is None or principal is None:
            raise Unauthenticated(
                "The session is over: sign in again with the key of an administrator.",
                code="session_over",
            )
        if fields.get(b"sec-fetch-site", b"none") not in _OWN_SITES:
            raise Forbidden("Sessions are for the console's own page.", code="csrf_refused")
        sent = fields.get(CSRF_HEADER, b"")
        if method not in _SAFE and not hmac.compare_digest(sent, session.csrf.encode()):
            raise Forbidden(
                "A session changes something only with its token in `x-headrace-csrf`: open the "
                "page anew.",
                code="csrf_refused",
            )
        return principal

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.digest(self._secret, f"{purpose}:{text}".encode(), "sha256").hex()


def read_cookie(cookies: bytes) -> str:
    """The value of the session's cookie; empty where there is none."""
    for part in cookies.split(b";"):
        name, _, value = part.strip().partition(b"=")
        if name == COOKIE and len(value) <= _CHARS_MAX and value.isascii():
            return value.decode()
    return ""
