"""A worker of the gateway's own, which asks for the callers whose jobs it does."""

import hmac
from typing import Final
from urllib.parse import unquote

from headrace.errors import Unauthenticated
from headrace.identity.keys import KeyRing, Principal

FOR_HEADER: Final = b"x-headrace-for"
_TENANT: Final = "tenant:"


class Deputy:
    """Knows the worker by a secret that only the gateway's processes have.

    Args:
        secret: made at the start, never kept.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def stands_for(self, presented: bytes | None, wanted: bytes, keys: KeyRing) -> Principal | None:
        """The caller whose job it does; None where it is not the worker that asks.

        Args:
            presented: the key that came.
            wanted: the digest of a caller's key in hexadecimal, and after colons its tenant and
                its name; or `tenant:` and the name of a tenant, for jobs that no caller submitted.
                Names are percent-encoded.
            keys: those that are known.

        Raises:
            Unauthenticated: the caller's key is not in force any more, nor is one of its name.
        """
        if not self._secret or not presented or not hmac.compare_digest(presented, self._secret):
            return None
        text = wanted.decode("latin-1")
        if text.startswith(_TENANT):
            return Principal(unquote(text.removeprefix(_TENANT)), "jobs")
        digest, _, rest = text.partition(":")
        tenant, _, name = rest.partition(":")
        principal = keys.of_digest(digest)
        if principal is None and name:
            principal = keys.named(unquote(tenant), unquote(name))
        if principal is None:
            raise Unauthenticated(
                "The key that submitted this job was revoked or has expired: submit the job again "
                "with another one.",
                code="key_revoked",
            )
        return principal
