"""What callers ask of batches."""

from collections.abc import Callable

import msgspec

from headrace.batches.files import Files
from headrace.batches.nouns import PURPOSE_IN, Batch
from headrace.batches.tables import BatchTable
from headrace.batches.wishes import Wish
from headrace.clock import Clock
from headrace.errors import InvalidRequest, NotFound
from headrace.identity.keys import Principal
from headrace.ids import Ids
from headrace.settings.batches import FileSettings


class BatchDesk:
    """Takes batches, tells of them, cancels them. Belongs to one event loop.

    Args:
        table: what is known of them.
        files: what they read.
        ids: names them.
        clock: the time.
        settings: in force.
        on_news: told the id of a batch that is new, or to be cancelled.
    """

    def __init__(
        self,
        table: BatchTable,
        files: Files,
        ids: Ids,
        clock: Clock,
        settings: Callable[[], FileSettings],
        on_news: Callable[[str], None],
    ) -> None:
        self.table = table
        self._files = files
        self._ids = ids
        self._clock = clock
        self._settings = settings
        self._on_news = on_news

    async def create(self, wish: Wish, who: Principal, trace: str = "") -> Batch:
        """Take a batch.

        Args:
            wish: what is wanted.
            who: by whom.
            trace: as `Batch.trace`.

        Raises:
            NotFound: there is no such file here.
            InvalidRequest: the file is for something else.
        """
        file, _ = await self._files.here(wish.input_file, who.tenant)
        if file.purpose != PURPOSE_IN:
            raise InvalidRequest(
                f"File '{file.id}' has the purpose `{file.purpose}`; a batch reads one of "
                f"`{PURPOSE_IN}`.",
                code="invalid_value",
                param="input_file_id",
            )
        batch = self._made(wish, who, file.place, trace)
        await self.table.add(batch)
        self._on_news(batch.id)
        return batch

    async def find(self, batch_id: str, tenant: str) -> Batch:
        """A batch of a tenant.

        Raises:
            NotFound: there is none.
        """
        batch = await self.table.find(batch_id, tenant) if batch_id.isprintable() else None
        if batch is None:
            raise NotFound(f"No batch '{batch_id[:64]}'.", code="batch_not_found", param="batch_id")
        return batch

    async def cancel(self, batch_id: str, tenant: str) -> Batch:
        """End a batch; what is answered by then is kept.

        Raises:
            NotFound: there is none.
            InvalidRequest: it is over already.
        """
        before = await self.find(batch_id, tenant)
        await self.table.cancel(batch_id, tenant, self._clock.wall_s())
        batch = await self.find(batch_id, tenant)
        if batch.state not in ("cancelling", "cancelled"):
            raise InvalidRequest(
                f"Batch '{batch_id}' is {before.state}; it cannot be cancelled any more.",
                code="batch_over",
            )
        self._on_news(batch_id)
        return batch

    def _made(self, wish: Wish, who: Principal, place: str, trace: str) -> Batch:
        return Batch(
            id=self._ids.new("batch"),
            tenant=who.tenant,
            key_name=who.key_name,
            key_digest=who.key_digest,
            key_models=msgspec.json.encode(who.models).decode(),
            place=place,
            state="validating",
            endpoint=wish.endpoint,
            input_file=wish.input_file,
            output_file=self._ids.new("file"),
            error_file=self._ids.new("file"),
            has_output=0,
            has_errors=0,
            keep_s=self._settings().keep_s if wish.keep_s is None else wish.keep_s,
            metadata=wish.metadata,
            faults="[]",
            total=0,
            completed=0,
            failed=0,
            input_tokens=0,
            output_tokens=0,
            cached_tokens=0,
            window_s=wish.window_s,
            created_s=self._clock.wall_s(),
            trace=trace,
        )
