"""Who calls: API keys, kept as digests, and the tenant each belongs to."""

import hmac
from collections.abc import Callable, Collection, Iterable, Mapping
from math import inf
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from headrace.clock import SystemClock
from headrace.errors import KeysUnavailable, SettingsInvalid, Unauthenticated
from headrace.settings.keys import KeySettings
from headrace.settings.values import key_digest


class Principal(msgspec.Struct, frozen=True):
    """The caller of a request.

    Attributes:
        tenant: whose cache and limits apply; keys of one tenant share them.
        key_name: what logs call the key; never the key.
        is_admin: whether the console and operations are open to it.
        key_digest: which key it is; empty while no keys are set.
        models: patterns of the models that it may ask for; empty for all of them.
    """

    tenant: str
    key_name: str
    is_admin: bool = False
    key_digest: bytes = b""
    models: tuple[str, ...] = ()


ANONYMOUS: Final = Principal(tenant="default", key_name="anonymous", is_admin=True)
"""The caller while no keys are set; such a gateway listens on loopback only."""

_BEARER: Final = b"bearer "
_RETRY_AFTER_S: Final = 2.0
_NO_ROOM_RETRY_S: Final = 60.0


class KnownKey(NamedTuple):
    """One key of a ring.

    Attributes:
        digest: of the key.
        principal: the caller that it stands for.
        ends_s: when it ends, seconds since the epoch; infinite for never.
    """

    digest: bytes
    principal: Principal
    ends_s: float = inf


class KeyRing:
    """The known keys. Immutable: other keys make a new ring.

    Args:
        keys: those that are known.
        wall_s: tells the time, seconds since the epoch.
        is_closed: whether callers need a key even while none is known.
        is_whole: whether every key that there is, is known; a caller with another one may be let
            in elsewhere, and is told to come again.
        uncounted: digests of keys that are good, but of which what is spent cannot be counted.
        ended: sessions of browsers that are over before their time, as `Session.is_over` has them.
    """

    __slots__ = ("_known", "_uncounted", "_wall_s", "ended", "is_closed", "is_whole")

    def __init__(
        self,
        keys: Iterable[KnownKey],
        *,
        wall_s: Callable[[], float] = SystemClock.wall_s,
        is_closed: bool = False,
        is_whole: bool = True,
        uncounted: Collection[bytes] = (),
        ended: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.ended = ended
        self._uncounted = frozenset(uncounted)
        self._known = {key.digest: key for key in keys}
        self._wall_s = wall_s
        self.is_closed = is_closed or bool(self._known)
        self.is_whole = is_whole

    @classmethod
    def from_settings(cls, keys: Iterable[KeySettings]) -> "KeyRing":
        """The ring of the keys in the settings alone.

        Raises:
            SettingsInvalid: a key has neither key nor digest, or is there twice.
        """
        return cls(known_keys(keys))

    @property
    def is_open(self) -> bool:
        """Whether everyone may call."""
        return self.is_whole and not self.is_closed

    def next_end_s(self, wall_s: float) -> float:
        """When the next key ends, seconds since the epoch; infinite where none will."""
        return min((key.ends_s for key in self._known.values() if key.ends_s > wall_s), default=inf)

    def of_digest(self, digest: str) -> Principal | None:
        """The caller whose key has a digest, in hexadecimal; None where it is not known, or ended.

        Raises:
            KeysUnavailable: it is not known, and not all keys are; or it cannot be counted for.
        """
        try:
            sought = bytes.fromhex(digest)
        except ValueError:
            return None
        known = self._known.get(sought)
        if sought in self._uncounted:
            raise _no_room()
        if known is None and not self.is_whole:
            raise _unavailable()
        if known is None or known.ends_s <= self._wall_s():
            return None
        return known.principal

    def may_ask(self, who: Principal) -> bool:
        """Whether a caller who was let in before would be let in now, whatever its key is by now.

        Args:
            who: as it was then; another key of its tenant that has its name stands for it. Who was
                let in without a key has none that could end.
        """
        if not self.is_closed or not self.is_whole or not who.key_digest:
            return True
        if who.key_digest in self._uncounted:
            return True
        known = self._known.get(who.key_digest)
        if known is not None and known.ends_s > self._wall_s():
            return True
        return self.named(who.tenant, who.key_name) is not None

    def named(self, tenant: str, key_name: str) -> Principal | None:
        """The caller whose key, in force now, has a name among those of its tenant."""
        now_s = self._wall_s()
        return next(
            (
                key.principal
                for key in self._known.values()
                if (key.principal.tenant, key.principal.key_name) == (tenant, key_name)
                and key.ends_s > now_s
            ),
            None,
        )

    def authenticate(self, presented: bytes | None) -> Principal:
        """The caller that `presented` stands for; in open mode the key does not matter.

        Raises:
            Unauthenticated: no key, one that is not known, or one that has ended.
            KeysUnavailable: it is not known, and not all keys are.
        """
        if not self.is_closed:
            if self.is_whole:
                return ANONYMOUS
            raise _unavailable()
        if not presented:
            raise Unauthenticated(
                "No API key: send it as `authorization: Bearer KEY` or as `x-api-key: KEY`.",
                code="missing_api_key",
            )
        digest = key_digest(presented)
        known = self._known.get(digest)
        # The look-up sees digests only; the comparison keeps its time from telling about them.
        if known is None or not hmac.compare_digest(known.digest, digest):
            if digest in self._uncounted:
                raise _no_room()
            if not self.is_whole:
                raise _unavailable()
            raise Unauthenticated(
                "This API key is not known here: use a key of this gateway, not the provider's.",
                code="invalid_api_key",
            )
        if known.ends_s is not inf and known.ends_s <= self._wall_s():
            raise Unauthenticated(
                "This API key has expired: ask whoever runs this gateway for another one.",
                code="expired_api_key",
            )
        return known.principal


def known_keys(keys: Iterable[KeySettings]) -> list[KnownKey]:
    """The keys in the settings.

    Raises:
        SettingsInvalid: a key has neither key nor digest, or is there twice.
    """
    known: dict[bytes, KnownKey] = {}
    for at, key in enumerate(keys):
        try:
            digest = key.digest_bytes()
        except ValueError:
            raise SettingsInvalid(f"keys[{at}]: expected a key or a digest") from None
        if digest in known:
            raise SettingsInvalid(f"keys[{at}]: this key is there twice")
        who = Principal(key.tenant, key.shown_name, key.admin, digest, key.models)
        known[digest] = KnownKey(digest, who)
    return list(known.values())


def _unavailable() -> KeysUnavailable:
    return KeysUnavailable(
        "Which keys there are cannot be told: they are in the store, which cannot be reached and "
        "was not read before. Try again, or look after the store (store.url).",
        retry_after_s=_RETRY_AFTER_S,
    )


def _no_room() -> KeysUnavailable:
    return KeysUnavailable(
        "This API key has a budget, and there is no room to count what is spent with it: ask "
        "whoever runs this gateway to take budgets away and start it again.",
        retry_after_s=_NO_ROOM_RETRY_S,
    )


def presented_key(authorization: bytes | None, x_api_key: bytes | None) -> bytes | None:
    """The key a request carries, from `authorization: Bearer KEY`, else from `x-api-key`."""
    if authorization is not None and authorization[: len(_BEARER)].lower() == _BEARER:
        token = authorization[len(_BEARER) :].strip()
        if token:
            return token
    if x_api_key is not None:
        return x_api_key.strip() or None
    return None
