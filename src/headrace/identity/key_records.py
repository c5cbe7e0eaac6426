"""Keys as the store has them: what each may, how long, and what becomes of them. Pure.

A key is shown once, when it is made. What is kept is its digest.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import inf, isfinite
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headrace.errors import InvalidRequest
from headrace.identity.keys import KnownKey, Principal
from headrace.settings.bounded import Count
from headrace.settings.flow import Burst, PerMinute, Share
from headrace.settings.keys import MODEL_PATTERNS_MAX, KeySettings
from headrace.settings.spend import BudgetSettings, Dollars
from headrace.settings.values import (
    filled_problem,
    key_digest,
    model_name_problem,
    model_pattern_problem,
)

KEY_PREFIX: Final = "hr-"
NAME_CHARS_MAX: Final = 64
LIFE_S_MAX: Final = 100 * 366 * 86_400.0

Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
Patterns = Annotated[tuple[str, ...], Meta(max_length=MODEL_PATTERNS_MAX)]


class KeyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may. What a later gateway wrote besides is passed over.

    Attributes:
        admin: whether it may use the console and operations.
        models: patterns of the models that it may ask for; empty for all of them.
        requests_per_minute: as in the settings, like all below.
        day_usd: what may be spent with it in a day, in US dollars; `None` for no bound.
        month_usd: what may be spent in a month.
        soft_share: from which part of either on the budget is soft.
        cheaper: the model that is asked then.
    """

    admin: bool = False
    models: Patterns = ()
    requests_per_minute: PerMinute | None = None
    tokens_per_minute: PerMinute | None = None
    concurrent: Count | None = None
    burst_s: Burst = 60.0
    day_usd: Dollars | None = None
    month_usd: Dollars | None = None
    soft_share: Share = 0.8
    cheaper: str | None = None


class StoredKey(KeySettings, frozen=True, kw_only=True):
    """A key of the store as one of the settings.

    Attributes:
        record_id: names it for good, however often the key itself is another.
    """

    record_id: str

    def place_bytes(self) -> bytes:
        return key_digest(self.record_id.encode())


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the store. Times are seconds since the epoch.

    Attributes:
        id: names the key for good; it says nothing of the key itself.
        name: what logs and books call it; no two keys of a tenant that count share one.
        digest: of the key, hexadecimal.
        created_s: when it was made.
        expires_s: when it ends by itself.
        revoked_s: when it was taken away.
        rotated_s: when another key took its place last.
        old_digest: of the key before that one.
        old_until_s: until when that one counts as well.
        used_s: when it was used last, to about a minute.
    """

    id: str
    name: str
    tenant: str
    digest: str
    terms: KeyTerms
    created_s: float
    expires_s: float | None = None
    revoked_s: float | None = None
    rotated_s: float | None = None
    old_digest: str | None = None
    old_until_s: float | None = None
    used_s: float | None = None

    def state(self, wall_s: float) -> str:
        """How it stands: `active`, `expired` or `revoked`."""
        if self.revoked_s is not None:
            return "revoked"
        return "expired" if self.expires_s is not None and self.expires_s <= wall_s else "active"

    def settings(self) -> KeySettings:
        """The same as a key of the settings."""
        terms = self.terms
        return StoredKey(
            record_id=self.id,
            digest=self.digest,
            tenant=self.tenant,
            name=self.name,
            admin=terms.admin,
            requests_per_minute=terms.requests_per_minute,
            tokens_per_minute=terms.tokens_per_minute,
            concurrent=terms.concurrent,
            burst_s=terms.burst_s,
            models=terms.models,
        )

    def budget(self) -> BudgetSettings | None:
        """Its budget as one of the settings."""
        terms = self.terms
        if terms.day_usd is None and terms.month_usd is None:
            return None
        return BudgetSettings(
            name=f"key {self.tenant}/{self.name}",
            key=self.name,
            tenant=self.tenant,
            day_usd=terms.day_usd,
            month_usd=terms.month_usd,
            soft_share=terms.soft_share,
            cheaper=terms.cheaper,
        )

    def told(self, wall_s: float) -> dict[str, Any]:
        """The same as people are told of it; neither the key nor its digest."""
        return {
            "id": self.id,
            "object": "key",
            "name": self.name,
            "tenant": self.tenant,
            "state": self.state(wall_s),
            **msgspec.to_builtins(self.terms),
            "created_at": self.created_s,
            "expires_at": self.expires_s,
            "revoked_at": self.revoked_s,
            "rotated_at": self.rotated_s,
            "old_key_until": self.old_until_s,
            "last_used_at": self.used_s,
        }


class KeyWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for a key, new or to be changed; what is not said stays as it is.

    Attributes:
        expires_s: how long it is to live from now on, in seconds; `None` for ever.
    """

    name: Name | UnsetType = UNSET
    tenant: Name | UnsetType = UNSET
    expires_s: Annotated[float, Meta(gt=0, le=LIFE_S_MAX)] | UnsetType | None = UNSET
    admin: bool | UnsetType = UNSET
    models: Patterns | UnsetType = UNSET
    requests_per_minute: PerMinute | UnsetType | None = UNSET
    tokens_per_minute: PerMinute | UnsetType | None = UNSET
    concurrent: Count | UnsetType | None = UNSET
    burst_s: Burst | UnsetType = UNSET
    day_usd: Dollars | UnsetType | None = UNSET
    month_usd: Dollars | UnsetType | None = UNSET
    soft_share: Share | UnsetType = UNSET
    cheaper: str | UnsetType | None = UNSET

    def terms(self, before: KeyTerms) -> KeyTerms:
        """What the key may then."""
        said = {
            name: value
            for name in KeyTerms.__struct_fields__
            if (value := getattr(self, name)) is not UNSET
        }
        return msgspec.structs.replace(before, **said)


class EndedSession(msgspec.Struct, frozen=True):
    """A session of a browser that was ended before its time, or all of a key.

    Attributes:
        id: of the session; the digest of the key for all that were begun with it.
        key_digest: of that key, in hexadecimal.
        ends_s: when it would end by itself, the latest of them, seconds since the epoch.
    """

    id: str
    key_digest: str
    ends_s: float


class KeysSeen(msgspec.Struct, frozen=True):
    """The keys of the store as they were seen last.

    Attributes:
        records: those that count, or may again.
        change: number of the change after which they were seen; -1 for none.
        had_keys: whether there has ever been one, which keeps callers without out.
        is_known: whether they were ever seen; else there may be others.
        unread: ids of those that could not be made out, and count for nothing here.
        ended: sessions that were begun with keys, and are over.
    """

    records: tuple[KeyRecord, ...] = ()
    change: int = -1
    had_keys: bool = False
    is_known: bool = True
    unread: tuple[str, ...] = ()
    ended: tuple[EndedSession, ...] = ()


NO_STORE: Final = KeysSeen()
"""Where there is no store of keys: it is certain that it holds none."""

NOT_SEEN: Final = KeysSeen(is_known=False)


def checked_wish(wish: KeyWish) -> KeyWish:
    """The same wish.

    Raises:
        InvalidRequest: a text of it cannot be what it is to be.
    """
    for field in ("name", "tenant"):
        text = getattr(wish, field)
        if text is not UNSET and (problem := filled_problem(text)) is not None:
            raise _invalid(field, problem)
    for pattern in () if wish.models is UNSET else wish.models:
        if (problem := model_pattern_problem(pattern)) is not None:
            raise _invalid("models", problem)
    if wish.cheaper not in (None, UNSET) and (problem := model_name_problem(str(wish.cheaper))):
        raise _invalid("cheaper", problem)
    for field in KeyWish.__struct_fields__:
        value = getattr(wish, field)
        if isinstance(value, float) and not isfinite(value):
            raise _invalid(field, "expected a number")
    return wish


def read_wish(document: Mapping[str, Any]) -> KeyWish:
    """A wish as JSON says it.

    Raises:
        InvalidRequest: there is a field that is not known, or one holds what it cannot.
    """
    try:
        return checked_wish(msgspec.convert(document, KeyWish))
    except msgspec.ValidationError as problem:
        raise InvalidRequest(f"This is not what a key takes: {problem}.", code="bad_key") from None


def known_of(records: Iterable[KeyRecord]) -> Iterator[KnownKey]:
    """Each key that counts, or will until it ends; a key that was rotated as two."""
    for record in records:
        if record.revoked_s is not None:
            continue
        ends_s = inf if record.expires_s is None else record.expires_s
        yield _known(record, record.digest, ends_s)
        if record.old_digest is not None and record.old_until_s is not None:
            yield _known(record, record.old_digest, min(ends_s, record.old_until_s))


def _known(record: KeyRecord, digest: str, ends_s: float) -> KnownKey:
    # Limits count for both keys together, so both bear the digest of the one in force.
    terms, own = record.terms, bytes.fromhex(record.digest)
    who = Principal(record.tenant, record.name, terms.admin, own, terms.models)
    return KnownKey(bytes.fromhex(digest), who, ends_s)


def _invalid(field: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {problem}.", code="bad_key", param=field)
