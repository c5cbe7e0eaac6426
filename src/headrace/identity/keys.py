"""Who calls: API keys, kept as digests, and the tenant each belongs to."""

import hmac
from collections.abc import Iterable
from typing import Final

import msgspec

from headrace.errors import SettingsInvalid, Unauthenticated
from headrace.settings.schema import KeySettings
from headrace.settings.values import key_digest


class Principal(msgspec.Struct, frozen=True):
    """The caller of a request.

    Attributes:
        tenant: whose cache and limits apply; keys of one tenant share them.
        key_name: what logs call the key; never the key.
        is_admin: whether the console and operations are open to it.
        key_digest: which key it is; empty while no keys are set.
    """

    tenant: str
    key_name: str
    is_admin: bool = False
    key_digest: bytes = b""


ANONYMOUS: Final = Principal(tenant="default", key_name="anonymous", is_admin=True)
"""The caller while no keys are set; such a gateway listens on loopback only."""

_BEARER: Final = b"bearer "


class _Known(msgspec.Struct, frozen=True):
    digest: bytes
    principal: Principal


class KeyRing:
    """The known keys. Immutable: new settings make a new ring.

    Args:
        principals: digest of each key and the caller it stands for; none at all is open mode,
            in which everyone is `ANONYMOUS`.
    """

    __slots__ = ("_known",)

    def __init__(self, principals: Iterable[tuple[bytes, Principal]]) -> None:
        self._known = {digest: _Known(digest, principal) for digest, principal in principals}

    @classmethod
    def from_settings(cls, keys: Iterable[KeySettings]) -> "KeyRing":
        """The ring of the keys in the settings.

        Raises:
            SettingsInvalid: a key has neither key nor digest, or is there twice.
        """
        principals: dict[bytes, Principal] = {}
        for at, key in enumerate(keys):
            try:
                digest = key.digest_bytes()
            except ValueError:
                raise SettingsInvalid(f"keys[{at}]: expected a key or a digest") from None
            if digest in principals:
                raise SettingsInvalid(f"keys[{at}]: this key is there twice")
            principals[digest] = Principal(key.tenant, key.shown_name, key.admin, digest)
        return cls(principals.items())

    @property
    def is_open(self) -> bool:
        """Whether everyone may call."""
        return not self._known

    def authenticate(self, presented: bytes | None) -> Principal:
        """The caller that `presented` stands for; in open mode the key does not matter.

        Raises:
            Unauthenticated: no key, or one that is not known.
        """
        if not self._known:
            return ANONYMOUS
        if not presented:
            raise Unauthenticated(
                "No API key: send it as `authorization: Bearer KEY` or as `x-api-key: KEY`.",
                code="missing_api_key",
            )
        digest = key_digest(presented)
        known = self._known.get(digest)
        # The look-up sees digests only; the comparison keeps its time from telling about them.
        if known is None or not hmac.compare_digest(known.digest, digest):
            raise Unauthenticated(
                "This API key is not known here: use a key of this gateway, not the provider's.",
                code="invalid_api_key",
            )
        return known.principal


def presented_key(authorization: bytes | None, x_api_key: bytes | None) -> bytes | None:
    """The key a request carries, from `authorization: Bearer KEY`, else from `x-api-key`."""
    if authorization is not None and authorization[: len(_BEARER)].lower() == _BEARER:
        token = authorization[len(_BEARER) :].strip()
        if token:
            return token
    if x_api_key is not None:
        return x_api_key.strip() or None
    return None
