"""What a worker does for its ledger besides writing rows: it makes room ahead, has the disk write,
and sees to it that the store takes what stands in the journal."""

import asyncio
import secrets
from pathlib import Path
from typing import Final

from headrace.clock import Clock
from headrace.gateway.engine import Engine
from headrace.gateway.ledger.contents import Contents
from headrace.gateway.ledger.ledger import Ledger
from headrace.gateway.tasks import Keep, Spawn
from headrace.observe.metrics import Metrics
from headrace.server.service import Service
from headrace.settings import Settings
from headrace.settings.ledger import LedgerSettings
from headrace.settings.places import data_dir
from headrace.store.journal.journal import Journal
from headrace.store.ledger.refused import LEDGER_FOLDER
from headrace.store.ledger.retention import Retention
from headrace.store.ledger.shipper import ShipCounts, Shipper
from headrace.store.records.records import Records
from headrace.store.voice import Say

_MIB: Final = 1 << 20
# At the end; what is left then stays in the journal.
_SHIP_S_MAX: Final = 2.0


class LedgerKeeper:
    """Belongs to one event loop.

    Args:
        journal: where rows go.
        ledger: writes them.
        shipper: brings them to the store.
        settings: what to go by.
        clock: the time.
        say: tells what the operator should know.

    Attributes:
        ledger: see above.
    """

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        shipper: Shipper,
        settings: LedgerSettings,
        clock: Clock,
        say: Say,
    ) -> None:
        self.ledger = ledger
        self._journal = journal
        self._shipper = shipper
        self._settings = settings
        self._now_s = clock.monotonic_s
        self._synced_s = self._now_s()
        self._say = say
        self._is_busy = False
        self._spawn: Spawn

    def attach(self, engine: Engine, service: Service, keep: Keep) -> None:
        """Have an engine and its service write rows, and what was said too, where that is wanted.

        Raises:
            SettingsInvalid: a pattern cannot be used.
        """
        self._spawn = engine.spawn
        service.ledger = engine.stock.errands.ledger = self.ledger
        engine.pipeline.landing.ledger = self.ledger
        keep(self._shipper.run)
        if self._settings.content:
            self.ledger.contents = Contents(self._settings, self.ledger.write, engine.spawn)
            engine.pipeline.landing.keeps_bodies = True

    def tick(self) -> None:
        """To be called now and then."""
        now_s = self._now_s()
        wants_sync = 0 < self._settings.fsync_s <= now_s - self._synced_s
        if self._is_busy or not (wants_sync or self._journal.wants_spare):
            return
        if wants_sync:
            self._synced_s = now_s
        self._is_busy = True
        self._spawn(self._keep_up(wants_sync=wants_sync))

    async def close(self) -> None:
        """Nothing is written any more; the store takes what it can at once."""
        self._journal.close()
        await self._shipper.stop(_SHIP_S_MAX)

    async def _keep_up(self, *, wants_sync: bool) -> None:
        try:
            if self._journal.wants_spare:
                await asyncio.to_thread(self._journal.prepare)
            if wants_sync:
                await asyncio.to_thread(self._journal.sync)
        except OSError as error:
            self._say("warning", "ledger_sync_failed", detail=str(error))
        finally:
            self._is_busy = False


class NoLedger:
    """What there is where no calls are written down."""

    def attach(self, engine: Engine, service: Service, keep: Keep) -> None: ...

    def tick(self) -> None: ...

    async def close(self) -> None: ...


def open_keeper(
    settings: Settings, records: Records, clock: Clock, metrics: Metrics, say: Say, tag: str
) -> LedgerKeeper | NoLedger:
    """The ledger of a worker, where one is wanted and can be had.

    Args:
        settings: what to go by.
        records: where rows go in the end.
        clock: the time.
        metrics: counts rows.
        say: is told why there is none, where one is wanted.
        tag: makes ids that no other process makes.
    """
    if not settings.ledger.enabled:
        return NoLedger()
    try:
        journal = open_journal(settings, clock)
    except OSError as error:
        detail = f"no calls are written down: {error} (data_dir, ledger.enabled)"
        say("warning", "ledger_off", detail=detail)
        return NoLedger()
    ledger = Ledger(journal, clock, metrics, say, tag)
    shipper = make_shipper(settings, records, clock, metrics, say)
    return LedgerKeeper(journal, ledger, shipper, settings.ledger, clock, say)


def make_shipper(
    settings: Settings, records: Records, clock: Clock, metrics: Metrics, say: Say
) -> Shipper:
    """What brings rows to the store."""
    terms, rows, pending = settings.ledger, metrics.ledger_rows, metrics.ledger_pending
    stored, damaged = rows.at("stored"), rows.at("damaged")
    return Shipper(
        ledger_folder(settings),
        records,
        Retention(records, terms.keep_days, terms.content_keep_days),
        clock,
        say,
        ShipCounts(
            lambda count: rows.add(stored, count),
            lambda count: rows.add(damaged, count),
            pending.set,
        ),
        share_max=terms.share_max,
        bytes_max=terms.journal_mb_max * _MIB,
    )


def open_journal(settings: Settings, clock: Clock) -> Journal:
    """The journal of this process.

    Raises:
        OSError: its folder cannot be made.
    """
    terms = settings.ledger
    return Journal(
        ledger_folder(settings),
        terms.journal_mb_max * _MIB,
        clock,
        secrets.token_bytes,
        syncs=terms.fsync_s > 0,
    )


def ledger_folder(settings: Settings) -> Path:
    """Where journals are kept."""
    return data_dir(settings) / LEDGER_FOLDER
