"""Administrators signed in with a browser: a cookie in place of the key. Pure but for chance.

A session is what its cookie says, signed by a secret that all processes share, so every one knows
it, and what is kept is only which ones were ended before their time. It ends after eight hours,
with the secret (that of the settings, or one that each start makes anew), with the key that it was
begun with, or when somebody signs out, whichever comes first. A browser sends the cookie by itself,
so what changes something has to carry a token besides, which pages of other sites cannot read.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from math import inf
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


Ended = Mapping[str, float]
"""By the id of a session that was ended: when it would have ended by itself. By the digest of a
key, in hexadecimal: up to which of those times all sessions begun with it are over."""


class Session(msgspec.Struct, frozen=True):
    """One that holds by its signature and its time.

    Attributes:
        cookie: the value of the cookie.
        csrf: the token that requests carry which change something.
        ends_s: when it ends, seconds since the epoch.
        id: no other has it.
        key_digest: of the key that it was begun with, in hexadecimal.
    """

    cookie: str
    csrf: str
    ends_s: int
    id: str
    key_digest: str

    def is_over(self, ended: Ended) -> bool:
        """Whether somebody has ended it."""
        return self.id in ended or self.ends_s <= ended.get(self.key_digest, -inf)


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

    def begin(self, principal: Principal, ended: Ended) -> Session:
        """A session for the bearer of a key.

        Args:
            principal: who.
            ended: those that are over; this one is none of them.
        """
        digest = principal.key_digest.hex()
        # In the second in which all of a key were ended, another one has to end a second later.
        ends_s = max(int(self._wall_s()) + LIFE_S, int(ended.get(digest, 0)) + 1)
        told = f"{digest}.{ends_s}.{secrets.token_hex(_NONCE_BYTES)}"
        return self._read(f"{told}.{self._sign('cookie', told)}")

    def resume(self, cookies: bytes) -> Session | None:
        """The session that a `cookie` header names; None where it names none that holds."""
        value = read_cookie(cookies)
        told, _, signature = value.rpartition(".")
        if not told or not hmac.compare_digest(signature, self._sign("cookie", told)):
            return None
        session = self._read(value)
        return session if session.ends_s > self._wall_s() else None

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
        principal = keys.of_digest(session.key_digest) if session else None
        if session is None or principal is None or session.is_over(keys.ended):
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

    def _read(self, cookie: str) -> Session:
        digest, ends_s, session_id, _ = cookie.split(".")
        return Session(cookie, self._sign("csrf", cookie), int(ends_s), session_id, digest)

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.digest(self._secret, f"{purpose}:{text}".encode(), "sha256").hex()


def read_cookie(cookies: bytes) -> str:
    """The value of the session's cookie; empty where there is none."""
    for part in cookies.split(b";"):
        name, _, value = part.strip().partition(b"=")
        if name == COOKIE and len(value) <= _CHARS_MAX and value.isascii():
            return value.decode()
    return ""
