"""The keys in the store: made, looked for, changed."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from headrace.clock import Clock
from headrace.errors import Conflict, NotFound
from headrace.identity.key_records import (
    KEY_PREFIX,
    EndedSession,
    KeyRecord,
    KeysSeen,
    KeyTerms,
    KeyWish,
    checked_wish,
    known_of,
)
from headrace.identity.sessions import LIFE_S, Session
from headrace.settings.values import key_digest
from headrace.store.records.records import Records, Step

KEYS_MAX: Final = 20_000
PAGE_MAX: Final = 100
GRACE_S: Final = 86_400.0
ENDED_MAX: Final = 2000
"""Sessions that are kept as ended one by one; at this many a sign-out ends all of its key."""
_KEY_BYTES: Final = 32
# By how much clocks of gateways may differ for what was ended to stay so.
_SKEW_S: Final = 3600.0
_TENANT: Final = "default"
# Before and after every id, in whatever order a database has texts.
_FIRST, _LAST = "", "z"


class NewKey(NamedTuple):
    """A key that was just made.

    Attributes:
        key: itself; nobody can tell it again.
        record: what is kept of it.
    """

    key: str
    record: KeyRecord


class Page(NamedTuple):
    """Some keys of a list.

    Attributes:
        records: the keys.
        has_more: whether others follow.
    """

    records: tuple[KeyRecord, ...]
    has_more: bool


class KeyStore:
    """The keys of a store. Everything may raise `StoreFault`.

    Args:
        records: the store.
        clock: the time.
        make_id: makes ids of a kind, later ones above earlier ones.
        make_key: makes keys that nobody can guess.
        check: raises what is wrong with a key that is about to be made or changed.
    """

    def __init__(
        self,
        records: Records,
        clock: Clock,
        make_id: Callable[[str], str],
        make_key: Callable[[], str] = lambda: KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES),
        check: Callable[[KeyRecord], object] = lambda record: record,
    ) -> None:
        self._check = check
        self._records = records
        self._clock = clock
        self._make_id = make_id
        self._make_key = make_key

    async def change(self) -> int:
        """Number of the last change of any key; 0 where there was none."""
        rows = await self._records.fetch("keys.change")
        return int(rows[0]["number"]) if rows else 0

    async def look(self) -> KeysSeen:
        """All keys that count, or may."""
        # First, so that what changes meanwhile is looked at again.
        change = await self.change()
        rows = await self._records.fetch("keys.live", {"most": KEYS_MAX})
        had_keys = bool(rows) or bool(await self._records.fetch("keys.any"))
        records = _readable(rows)
        unread = {row["id"] for row in rows} - {each.id for each in records}
        ended = await self._records.fetch("sessions.ended", {"most": ENDED_MAX + KEYS_MAX})
        return KeysSeen(
            tuple(records),
            change,
            had_keys,
            unread=tuple(sorted(unread)),
            ended=tuple(msgspec.convert(ended, list[EndedSession])),
        )

    async def create(self, wish: KeyWish) -> NewKey:
        """Make a key.

        Args:
            wish: what it may; without a name it gets one.

        Raises:
            InvalidRequest: a text of the wish cannot be what it is to be.
            Conflict: its tenant has a key of this name, or there are too many keys.
        """
        checked_wish(wish)
        counted = await self._records.fetch("keys.count")
        if int(counted[0]["number"]) >= KEYS_MAX:
            raise Conflict(f"There are {KEYS_MAX} keys; revoke some first.", code="too_many_keys")
        key, key_id, now_s = self._make_key(), self._make_id("key"), self._clock.wall_s()
        record = KeyRecord(
            id=key_id,
            name=f"key-{key_id[-8:]}" if wish.name is UNSET else wish.name,
            tenant=_TENANT if wish.tenant is UNSET else wish.tenant,
            digest=key_digest(key.encode()).hex(),
            terms=wish.terms(KeyTerms()),
            created_s=now_s,
            expires_s=_end_s(wish, None, now_s),
        )
        self._check(record)
        added, *_ = await self._write("keys.add", _row(record))
        if not added:
            before = await self._fetch("keys.find", {"id": key_id})
            if not before or before[0].digest != record.digest:
                raise _name_taken(record)
        return NewKey(key, record)

    async def find(self, key_id: str) -> KeyRecord:
        """A key by its id, or by its name where no other has the same.

        Raises:
            NotFound: there is none.
        """
        found = await self._fetch("keys.find", {"id": key_id})
        if not found:
            found = await self._fetch("keys.named", {"name": key_id})
        if len(found) != 1:
            why = "several keys have this name; say the id" if found else "there is no such key"
            raise NotFound(f"'{key_id[:100]}': {why}.", code="key_not_found")
        return found[0]

    async def page(
        self, *, limit: int, after: str | None, is_up: bool, tenant: str | None = None
    ) -> Page:
        """Keys, revoked ones as well.

        Args:
            limit: the most, up to 100.
            after: the id before the first of them.
            is_up: whether the oldest come first.
            tenant: those of one only.
        """
        limit = max(1, min(limit, PAGE_MAX))
        values: dict[str, Any] = {"after": after or (_FIRST if is_up else _LAST), "most": limit + 1}
        if tenant is not None:
            values["tenant"] = tenant
        query = f"keys.{'page' if tenant is None else 'tenant'}_{'up' if is_up else 'down'}"
        rows = await self._records.fetch(query, values)
        return Page(tuple(_readable(rows[:limit])), len(rows) > limit)

    async def alter(self, key_id: str, wish: KeyWish) -> KeyRecord:
        """Change what a key may; what the wish does not say stays.

        Raises:
            InvalidRequest: a text of the wish cannot be what it is to be.
            NotFound: there is no such key.
            Conflict: it is revoked, or its tenant has another key of this name.
        """
        checked_wish(wish)
        before = await self.find(key_id)
        after = msgspec.structs.replace(
            before,
            name=before.name if wish.name is UNSET else wish.name,
            tenant=before.tenant if wish.tenant is UNSET else wish.tenant,
            terms=wish.terms(before.terms),
            expires_s=_end_s(wish, before.expires_s, self._clock.wall_s()),
        )
        self._check(after)
        fields = ("id", "name", "tenant", "terms", "expires_s")
        row = _row(after)
        altered, *_ = await self._write("keys.alter", {name: row[name] for name in fields})
        if not altered:
            raise _revoked(before) if before.revoked_s is not None else _name_taken(after)
        return after

    async def revoke(self, key_id: str) -> KeyRecord:
        """Take a key away; it is kept for the books.

        Raises:
            NotFound: there is no such key.
        """
        before = await self.find(key_id)
        if before.revoked_s is not None:
            return before
        now_s = self._clock.wall_s()
        await self._write("keys.revoke", {"id": before.id, "revoked_s": now_s})
        return msgspec.structs.replace(before, revoked_s=now_s, old_digest=None)

    async def rotate(self, key_id: str, grace_s: float = GRACE_S) -> NewKey:
        """Put another key in the place of one, which counts for some time yet.

        Args:
            key_id: which.
            grace_s: how long, in seconds; a key before that one ends at once.

        Raises:
            NotFound: there is no such key.
            Conflict: it is revoked, or somebody else has rotated it just now.
        """
        before = await self.find(key_id)
        if before.revoked_s is not None:
            raise _revoked(before)
        key, now_s = self._make_key(), self._clock.wall_s()
        after = msgspec.structs.replace(
            before,
            digest=key_digest(key.encode()).hex(),
            old_digest=before.digest,
            old_until_s=now_s + grace_s,
            rotated_s=now_s,
        )
        values = {
            "id": after.id,
            "digest": after.digest,
            "before": before.digest,
            "old_until_s": after.old_until_s,
            "rotated_s": now_s,
        }
        rotated, *_ = await self._write("keys.rotate", values)
        if not rotated:
            raise Conflict(
                f"Key '{before.name}' was changed by somebody else just now: look at it again.",
                code="key_changed",
            )
        return NewKey(key, after)

    async def used(self, at_s: Mapping[str, float]) -> None:
        """Note when keys were used last, by id."""
        if at_s:
            rows = [{"id": key_id, "used_s": used_s} for key_id, used_s in at_s.items()]
            await self._records.write(Step("keys.use", rows))

    async def end_session(self, session: Session) -> None:
        """Have a session be over everywhere. Where very many are, all of its key's.

        Args:
            session: which.
        """
        counted = await self._records.fetch("sessions.count")
        if int(counted[0]["number"]) >= ENDED_MAX:
            await self.end_sessions(session.key_digest)
            return
        ended = EndedSession(session.id, session.key_digest, session.ends_s)
        await self._end(Step("sessions.end", msgspec.structs.asdict(ended)))

    async def end_sessions(self, key_digest: str) -> None:
        """Have all sessions that were begun with a key be over everywhere.

        Args:
            key_digest: of the key, in hexadecimal.
        """
        ended = EndedSession(key_digest, key_digest, int(self._clock.wall_s()) + LIFE_S)
        values = msgspec.structs.asdict(ended)
        each = Step("sessions.end_each", {name: values[name] for name in ("key_digest", "ends_s")})
        await self._end(Step("sessions.end", values), each)

    async def _end(self, *steps: Step) -> None:
        forget = Step("sessions.forget", {"before_s": self._clock.wall_s() - _SKEW_S})
        await self._records.write(*steps, forget, Step("keys.changed"))

    async def _fetch(self, query: str, values: Mapping[str, object]) -> list[KeyRecord]:
        return _readable(await self._records.fetch(query, values))

    async def _write(self, query: str, values: Mapping[str, object]) -> list[list[dict[str, Any]]]:
        return await self._records.write(Step(query, values), Step("keys.changed"))


def _readable(rows: Iterable[Mapping[str, Any]]) -> list[KeyRecord]:
    """Those keys that can be made out: one that cannot keeps no other out."""
    return [record for row in rows if (record := _record(row)) is not None]


def _record(row: Mapping[str, Any]) -> KeyRecord | None:
    try:
        terms = msgspec.json.decode(row["terms"])
        record = msgspec.convert({**row, "terms": terms}, KeyRecord)
        list(known_of((record,)))
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None
    return record


def _row(record: KeyRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "tenant": record.tenant,
        "digest": record.digest,
        "terms": msgspec.json.encode(record.terms).decode(),
        "created_s": record.created_s,
        "expires_s": record.expires_s,
    }


def _end_s(wish: KeyWish, before_s: float | None, now_s: float) -> float | None:
    if wish.expires_s is UNSET:
        return before_s
    return None if wish.expires_s is None else now_s + wish.expires_s


def _name_taken(record: KeyRecord) -> Conflict:
    return Conflict(
        f"Tenant '{record.tenant}' has a key '{record.name}' already: take another name, or rotate "
        "that key.",
        code="key_exists",
        param="name",
    )


def _revoked(record: KeyRecord) -> Conflict:
    return Conflict(
        f"Key '{record.name}' is revoked, for good: create another.", code="key_revoked"
    )
