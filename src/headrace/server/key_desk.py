"""The keys of a worker: those of the settings and those of the store as one."""

from collections.abc import Callable
from math import inf

from headrace.clock import Clock
from headrace.errors import Conflict
from headrace.gateway.tasks import Keep
from headrace.identity.key_merge import ring_of, with_keys
from headrace.identity.key_mirror import KeyMirror, store_name
from headrace.identity.key_records import KeyRecord, KeyWish
from headrace.identity.key_store import GRACE_S, KeyStore, NewKey, Page
from headrace.identity.key_watch import KeyWatch, Names
from headrace.identity.keys import KeyRing, Principal
from headrace.identity.purse import NoRoom
from headrace.identity.sessions import Ended, Session
from headrace.ids import Ids
from headrace.settings import Settings
from headrace.settings.places import data_dir
from headrace.store.faults import StoreFault
from headrace.store.records.open import RECORDS_FILE
from headrace.store.records.records import Records
from headrace.store.voice import Say

Adopt = Callable[[Settings], None]


class KeyDesk:
    """Belongs to one event loop.

    Args:
        settings: as they were read.
        records: where keys of the store stand.
        clock: the time.
        say: told what happens.
        on_change: told that there are other keys.
        uses: gives tenant and name of each key that was used since it was asked last.
        has_room: whether a budget of a name can be counted.
    """

    def __init__(
        self,
        settings: Settings,
        records: Records,
        *,
        clock: Clock,
        say: Say,
        on_change: Callable[[], None],
        uses: Callable[[], Names],
        has_room: Callable[[str], bool],
    ) -> None:
        url, folder = settings.store.url.reveal(), data_dir(settings)
        self._clock = clock
        self._say = say
        self._store = KeyStore(records, clock, Ids(clock.wall_s).new, check=self._insist_on_room)
        self._has_room = has_room
        self._watch = KeyWatch(
            self._store,
            KeyMirror(folder, store_name(url)),
            clock=clock,
            say=say,
            on_change=on_change,
            uses=uses,
            has_store=(folder / RECORDS_FILE).exists if url == "sqlite" else lambda: True,
        )
        self._without: frozenset[str] = frozenset()
        self._ring = KeyRing(())
        self._looked_s = 0.0
        self._ends_s = inf

    @property
    def is_open(self) -> bool:
        """Whether everyone may call."""
        return self._ring.is_open

    @property
    def known(self) -> int:
        """How many keys of the store count, or may."""
        return len(self._watch.seen.records)

    @property
    def age_s(self) -> float:
        """For how long the store has not told of keys, in seconds."""
        return self._watch.age_s

    def start(self, keep: Keep) -> None:
        """Begin to look for changes."""
        keep(self._watch.look_on)

    async def catch_up(self, timeout_s: float) -> None:
        """Look once, within a limit."""
        await self._watch.catch_up(timeout_s)

    async def close(self) -> None:
        """Note what is to be noted."""
        await self._watch.close()

    def ring(self, settings: Settings) -> KeyRing:
        """All keys.

        Args:
            settings: as they were read.

        Raises:
            SettingsInvalid: keys of the settings cannot be told apart.
        """
        ring = ring_of(settings, self._watch.seen, self._clock.wall_s, self._without)
        self._ring = ring
        self._see_ends()
        return ring

    @property
    def ended(self) -> Ended:
        """The sessions of browsers that were ended before their time."""
        return self._ring.ended

    def may_ask(self, who: Principal) -> bool:
        """Whether a caller who was let in before would be let in now."""
        return self._ring.may_ask(who)

    def merged(self, settings: Settings) -> Settings:
        """The settings as if they held the keys of the store, and the budgets of those."""
        return with_keys(settings, self._watch.seen, self._without)

    def adopt(self, settings: Settings, adopt: Adopt) -> None:
        """Have the settings with all keys gone by.

        Where there is no room to count the budgets of all of the store's keys, the last ones are
        left out: nobody spends without the bound that was set.

        Args:
            settings: as they were read.
            adopt: goes by settings.

        Raises:
            SettingsInvalid: the settings themselves cannot be gone by.
        """
        self._without = frozenset()
        try:
            adopt(self.merged(settings))
        except NoRoom as problem:
            self._without = frozenset(
                each.id
                for each in self._watch.seen.records
                if (budget := each.budget()) is not None and budget.name in problem.names
            )
            if not self._without:
                raise
            detail = f"{len(self._without)} keys: {problem.message}"
            self._say("error", "keys_left_out", detail=detail)
            adopt(self.merged(settings))

    def has_ended(self) -> bool:
        """Whether a key has ended since this was asked last."""
        wall_s = self._clock.wall_s()
        if self._looked_s <= wall_s < self._ends_s:
            self._looked_s = wall_s
            return False
        self._see_ends()
        return True

    # What people ask.

    async def create(self, wish: KeyWish) -> NewKey:
        """Make a key, which counts at once here, and within a second elsewhere."""
        made = await self._store.create(wish)
        await self._see()
        return made

    async def find(self, key_id: str) -> KeyRecord:
        """A key of the store."""
        return await self._store.find(key_id)

    async def page(self, *, limit: int, after: str | None, is_up: bool, tenant: str | None) -> Page:
        """Keys of the store."""
        return await self._store.page(limit=limit, after=after, is_up=is_up, tenant=tenant)

    async def alter(self, key_id: str, wish: KeyWish) -> KeyRecord:
        """Change what a key may."""
        altered = await self._store.alter(key_id, wish)
        await self._see()
        return altered

    async def revoke(self, key_id: str) -> KeyRecord:
        """Take a key away."""
        revoked = await self._store.revoke(key_id)
        await self._see()
        return revoked

    async def rotate(self, key_id: str, grace_s: float = GRACE_S) -> NewKey:
        """Put another key in the place of one."""
        made = await self._store.rotate(key_id, grace_s)
        await self._see()
        return made

    async def end_session(self, session: Session) -> None:
        """Have a session be over: at once here, and within a second elsewhere."""
        await self._store.end_session(session)
        await self._see()

    async def end_sessions(self, key_digest: str) -> None:
        """The same for all that were begun with a key."""
        await self._store.end_sessions(key_digest)
        await self._see()

    def _insist_on_room(self, record: KeyRecord) -> None:
        budget = record.budget()
        if budget is not None and not self._has_room(budget.shown_name):
            raise Conflict(
                "There is no room to count another budget: make the key without one, or take "
                "budgets away and start the gateway again.",
                code="too_many_budgets",
            )

    async def _see(self) -> None:
        """Go by what was just done; where the store stops answering, soon: it is done."""
        try:
            await self._watch.look()
        except StoreFault:
            return

    def _see_ends(self) -> None:
        self._looked_s = wall_s = self._clock.wall_s()
        self._ends_s = self._ring.next_end_s(wall_s)
