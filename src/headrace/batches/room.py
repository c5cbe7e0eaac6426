"""Files and batches as a room beside the data plane."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from starlette.routing import BaseRoute

from headrace.batches.desk import BatchDesk
from headrace.batches.files import Files
from headrace.batches.gear import Gear
from headrace.batches.keeper import Keeper
from headrace.batches.routes import batch_routes, file_routes
from headrace.batches.shelf import Shelf
from headrace.batches.tables import BatchTable, FileTable
from headrace.clock import Clock
from headrace.gateway.asking import Asker
from headrace.gateway.tasks import Spawn
from headrace.identity.keys import Principal
from headrace.ids import Ids
from headrace.observe.batch_metrics import BatchMetrics
from headrace.settings import Settings
from headrace.store.records.leases import RecordLeases
from headrace.store.records.records import Records
from headrace.store.voice import Say

_HOLDER_BYTES: Final = 8


class BatchRoom:
    """Answers `/v1/files` and `/v1/batches`, and runs batches. Belongs to one event loop.

    Args:
        settings: to go by at first.
        data_dir: where files are.
        records: what is known of them.
        asker: asks providers through the pipeline.
        counts: what is counted.
        ids: names what is kept.
        may_ask: whether a caller's key still counts.
        clock: the time.
        spawn: starts a task.
        say: tells the operator what happens.
    """

    def __init__(
        self,
        settings: Settings,
        data_dir: Path,
        *,
        records: Records,
        asker: Asker,
        counts: BatchMetrics,
        ids: Ids,
        may_ask: Callable[[Principal], bool],
        clock: Clock,
        spawn: Spawn,
        say: Say,
    ) -> None:
        self._settings = settings
        self._spawn = spawn
        self._keeping: asyncio.Task[None] | None = None
        table, shelf = BatchTable(records), Shelf(data_dir)
        files = Files(
            FileTable(records), table, shelf, ids, clock, settings=lambda: self._settings.files
        )
        leases = RecordLeases(records, clock, secrets.token_hex(_HOLDER_BYTES))
        gear = Gear(
            table=table,
            shelf=shelf,
            asker=asker,
            counts=counts,
            clock=clock,
            may_ask=may_ask,
            uniform=secrets.SystemRandom().random,
            spawn=spawn,
            say=say,
            settings=lambda: self._settings,
        )
        self._keeper = Keeper(files, leases, gear)
        desk = BatchDesk(
            table, files, ids, clock, lambda: self._settings.files, on_news=self._keeper.wake
        )
        self.routes: Sequence[BaseRoute] = [*file_routes(files), *batch_routes(desk)]

    @property
    def is_busy(self) -> bool:
        """Whether lines are under way."""
        return self._keeper.is_busy

    async def start(self) -> None:
        """Begin to look for batches."""
        self._keeping = self._spawn(self._keeper.keep())

    def adopt(self, settings: Settings) -> None:
        """Go by other settings; batches under way finish by the old ones."""
        self._settings = settings

    def stop(self) -> None:
        """Begin nothing new; lines under way are waited for."""
        self._keeper.stop()

    async def close(self) -> None:
        """End what runs; another process goes on with it."""
        await self._keeper.close()
        if self._keeping is not None:
            self._keeping.cancel()
