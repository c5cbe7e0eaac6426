"""What a process sees of the keys in the store, and what it makes of a store that is away."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.support.stores import NOW_S, Place

from headrace.clock import ManualClock
from headrace.errors import Conflict, SettingsInvalid
from headrace.identity.key_merge import ring_of, with_keys
from headrace.identity.key_mirror import KeyMirror
from headrace.identity.key_records import EndedSession, KeysSeen, KeyWish
from headrace.identity.key_store import ENDED_MAX, KeyStore
from headrace.identity.key_watch import USES_INTERVAL_S, KeyWatch
from headrace.identity.keys import Principal
from headrace.identity.sessions import LIFE_S, Session, Sessions
from headrace.ids import Ids
from headrace.settings import Settings, parse_settings
from headrace.store.records.open import RECORDS_FILE
from headrace.store.records.records import Records


class House:
    """A store of keys, and one process that looks at it."""

    def __init__(self, records: Records, folder: Path, *, has_store: bool = True) -> None:
        self.clock = ManualClock(wall_s=NOW_S)
        self.store = KeyStore(records, self.clock, Ids(self.clock.wall_s).new)
        self.mirror = KeyMirror(folder, "store")
        self.events: list[str] = []
        self.changes = 0
        self.problem: SettingsInvalid | None = None
        self.used: set[tuple[str | None, str | None]] = set()
        self.has_store = has_store
        self.watch = self.look_anew()

    def look_anew(self) -> KeyWatch:
        """As another process would, that knows only the file."""
        self.watch = KeyWatch(
            self.store,
            self.mirror,
            clock=self.clock,
            say=lambda level, event, about="", **fields: self.events.append(event),
            on_change=self._changed,
            uses=lambda: self.used,
            has_store=lambda: self.has_store,
        )
        return self.watch

    def _changed(self) -> None:
        if self.problem is not None:
            raise self.problem
        self.changes += 1


def in_house(folder: Path, work: Callable[[House], Coroutine[Any, Any, None]], **how: Any) -> None:
    async def main() -> None:
        async with Place("sqlite", folder).records() as records:
            await work(House(records, folder, **how))

    asyncio.run(main())


def test_it_looks_for_keys_only_where_something_has_changed(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        await house.watch.look()
        assert (house.changes, house.watch.seen.had_keys) == (1, False)
        made = await house.store.create(KeyWish(name="a"))
        await house.watch.look()
        await house.watch.look()
        assert house.changes == 2
        assert house.watch.seen.records == (made.record,)
        assert house.mirror.read() == house.watch.seen

    in_house(tmp_path, work)


def test_another_process_begins_with_what_was_seen_last(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        await house.store.create(KeyWish(name="a"))
        await house.watch.look()
        seen = house.watch.seen
        assert house.look_anew().seen == seen
        house.mirror.path.unlink()
        assert not house.look_anew().seen.is_known
        await house.watch.catch_up(30.0)
        assert house.watch.seen == seen
        assert house.mirror.read() == seen  # it is there again

    in_house(tmp_path, work)


def test_where_nobody_has_made_a_store_there_are_no_keys_for_certain(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        assert house.watch.seen.is_known
        await house.watch.look()
        assert house.watch.seen == KeysSeen()
        house.has_store = True
        await house.store.create(KeyWish(name="a"))
        await house.watch.look()
        assert house.watch.seen.had_keys

    in_house(tmp_path, work, has_store=False)


def test_what_was_closed_stays_closed(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        made = await house.store.create(KeyWish(name="a"))
        await house.watch.look()
        await house.store.revoke(made.record.id)
        await house.watch.look()
        assert (house.watch.seen.records, house.watch.seen.had_keys) == ((), True)

    in_house(tmp_path, work)
    (tmp_path / "records.sqlite3").unlink()

    async def emptied(house: House) -> None:
        await house.watch.look()
        assert house.watch.seen.had_keys  # another file, as after a disaster

    in_house(tmp_path, emptied)


def test_a_store_that_is_away_is_told_of_once_and_what_was_seen_counts(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        await house.store.create(KeyWish(name="a"))
        await house.watch.look()
        seen = house.watch.seen
        await house.store._records.close()
        for _ in range(2):
            house.clock.advance(1.0)
            await house.watch.catch_up(30.0)
        assert (house.events, house.watch.seen, house.watch.age_s) == (["keys_not_seen"], seen, 1.0)

    in_house(tmp_path, work)


def test_a_copy_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        house.mirror.path.mkdir()
        await house.store.create(KeyWish(name="a"))
        await house.watch.look()
        assert house.events == ["keys_not_kept"]
        assert len(house.watch.seen.records) == 1

    in_house(tmp_path, work)


def spoil(folder: Path, key_id: str, terms: str) -> None:
    """As another gateway, or a hand, might leave a key."""
    with closing(sqlite3.connect(folder / RECORDS_FILE)) as records, records:
        records.execute("UPDATE headrace_keys SET terms = ? WHERE id = ?", (terms, key_id))


def test_a_term_that_a_later_gateway_wrote_is_passed_over(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        made = await house.store.create(KeyWish(name="a"))
        spoil(tmp_path, made.record.id, '{"admin": true, "term_of_tomorrow": 1}')
        await house.watch.look()
        (seen,) = house.watch.seen.records
        assert (seen.id, seen.terms.admin, house.events) == (made.record.id, True, [])

    in_house(tmp_path, work)


@pytest.mark.parametrize("terms", ["{", "[]", '{"models": 3}', '{"concurrent": -1}'])
def test_a_key_that_cannot_be_made_out_keeps_no_other_from_being_seen(
    tmp_path: Path, terms: str
) -> None:
    async def work(house: House) -> None:
        good, bad = [(await house.store.create(KeyWish(name=name))).record for name in "ab"]
        spoil(tmp_path, bad.id, terms)
        await house.watch.look()
        await house.watch.look()
        assert (house.watch.seen.records, house.events) == ((good,), ["keys_unreadable"])
        assert house.watch.seen.unread == (bad.id,)
        page = await house.store.page(limit=10, after=None, is_up=True)
        assert page.records == (good,)
        await house.store.revoke(good.id)
        await house.watch.look()
        assert house.watch.seen.records == ()

    in_house(tmp_path, work)


def test_keys_that_could_not_be_gone_by_are_gone_by_at_the_next_look(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        await house.store.create(KeyWish(name="a"))
        house.problem = SettingsInvalid("there is no room")
        with pytest.raises(SettingsInvalid):
            await house.watch.look()
        house.problem = None
        await house.watch.look()
        await house.watch.look()
        assert house.changes == 1

    in_house(tmp_path, work)


def test_when_keys_were_used_is_noted_and_makes_nobody_look_again(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        made = await house.store.create(KeyWish(name="a", tenant="acme"))
        await house.store.create(KeyWish(name="b", tenant="acme"))
        await house.watch.look()
        change = house.watch.seen.change
        house.clock.advance(USES_INTERVAL_S)
        house.used = {("acme", "a"), ("other", "b"), (None, None)}
        await house.watch.close()
        found = await house.store.find(made.record.id)
        assert found.used_s == NOW_S + USES_INTERVAL_S
        assert (await house.store.find("b")).used_s is None
        assert await house.store.change() == change

    in_house(tmp_path, work)


def test_two_who_rotate_at_once_do_not_both_succeed(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        made = await house.store.create(KeyWish(name="a"))
        done = await asyncio.gather(
            *(house.store.rotate(made.record.id) for _ in range(4)), return_exceptions=True
        )
        refused = [each for each in done if isinstance(each, Conflict)]
        kept = await house.store.find(made.record.id)
        (won,) = [
            each for each in done if not isinstance(each, BaseException) and each.record == kept
        ]
        assert len(refused) + len([each for each in done if not isinstance(each, Conflict)]) == 4
        assert won.record.old_digest is not None
        keys = [each for each in done if not isinstance(each, BaseException)]
        # Each one that was told of counts, or did until the next one took its place.
        assert len({each.key for each in keys}) == len(keys)

    in_house(tmp_path, work)


SETTINGS = {"providers": {"p": {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}}}


def settings(**more: Any) -> Settings:
    import json

    return parse_settings(json.dumps({**SETTINGS, **more}), {})


def test_keys_of_both_make_one_ring(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        made = await house.store.create(KeyWish(name="a", tenant="acme", day_usd=1.0))
        await house.watch.look()
        own = settings(keys=[{"key": "own", "tenant": "ops", "admin": True}])
        ring = ring_of(own, house.watch.seen, house.clock.wall_s)
        assert ring.authenticate(b"own").is_admin
        assert ring.authenticate(made.key.encode()).tenant == "acme"
        merged = with_keys(own, house.watch.seen)
        assert [each.shown_name for each in merged.keys][1:] == ["a"]
        assert [each.day_usd for each in merged.budgets] == [1.0]
        # The same key in both is that of the settings.
        both = settings(keys=[{"key": made.key, "tenant": "theirs", "name": "t"}])
        ring = ring_of(both, house.watch.seen, house.clock.wall_s)
        assert ring.authenticate(made.key.encode()).tenant == "theirs"
        assert len(with_keys(both, house.watch.seen).keys) == 1

    in_house(tmp_path, work)


@pytest.mark.parametrize(
    ("host", "seen", "is_open"),
    [
        ("127.0.0.1", KeysSeen(), True),
        ("127.0.0.1", KeysSeen(had_keys=True), False),
        ("127.0.0.1", KeysSeen(is_known=False), False),
        ("0.0.0.0", KeysSeen(), False),
    ],
)
def test_who_is_open(host: str, seen: KeysSeen, is_open: bool) -> None:
    found = settings(listen={"host": host})
    assert ring_of(found, seen, ManualClock().wall_s).is_open is is_open


def begun(house: House, digest: str) -> Session:
    """A session of the key with a digest."""
    who = Principal("operations", "boss", is_admin=True, key_digest=bytes.fromhex(digest))
    return Sessions("secret", house.clock.wall_s).begin(who, {})


def test_sessions_that_were_ended_are_seen_and_outlive_the_process(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        session = begun(house, "ab" * 32)
        await house.store.end_session(session)
        await house.watch.look()
        ended = EndedSession(session.id, "ab" * 32, session.ends_s)
        assert (house.changes, house.watch.seen.ended) == (1, (ended,))
        assert house.look_anew().seen.ended == (ended,)

    in_house(tmp_path, work)


def test_what_has_ended_by_itself_is_kept_no_longer(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        await house.store.end_session(begun(house, "ab" * 32))
        house.clock.advance(2 * LIFE_S)
        last = begun(house, "ab" * 32)
        await house.store.end_session(last)
        await house.watch.look()
        assert [each.id for each in house.watch.seen.ended] == [last.id]

    in_house(tmp_path, work)


def test_all_of_a_key_take_one_place_and_so_do_too_many(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        mine, others = begun(house, "ab" * 32), begun(house, "cd" * 32)
        await house.store.end_session(mine)
        await house.store.end_session(others)
        await house.store.end_sessions("ab" * 32)
        await house.watch.look()
        assert {each.id for each in house.watch.seen.ended} == {others.id, "ab" * 32}
        with closing(sqlite3.connect(tmp_path / RECORDS_FILE, isolation_level=None)) as file:
            rows = [(f"s{number}", "ef" * 32, NOW_S + LIFE_S) for number in range(ENDED_MAX)]
            file.executemany("INSERT INTO headrace_ended_sessions VALUES (?, ?, ?)", rows)
        await house.store.end_session(begun(house, "ef" * 32))
        await house.watch.look()
        assert {each.id for each in house.watch.seen.ended} == {
            *(others.id, "ab" * 32),
            "ef" * 32,
        }

    in_house(tmp_path, work)
