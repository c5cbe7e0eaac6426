"""Files and batches in the records. Every method may raise `StoreFault`."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headrace.batches.hold import lease_name
from headrace.batches.nouns import Batch, Ending, KeptFile, State
from headrace.batches.results import Totals
from headrace.store.records.records import Records, Step

# Beyond every id, and before every id: all of them begin alike.
_LAST: Final = "zzzz"
_FIRST: Final = ""


class Page(msgspec.Struct, frozen=True):
    """Which part of a list is wanted.

    Attributes:
        limit: how many at the most.
        after: the id before the first one; empty for the beginning.
        is_ascending: whether the oldest come first.
    """

    limit: int = 20
    after: str = ""
    is_ascending: bool = False

    @property
    def query(self) -> str:
        """The name of the query for one tenant."""
        return "page_up" if self.is_ascending else "page_down"

    @property
    def query_all(self) -> str:
        """The name of the query for all of them."""
        return "all_up" if self.is_ascending else "all_down"

    def values(self, tenant: str) -> dict[str, object]:
        """What the query wants: one more than is asked for tells whether there are more."""
        after = self.after or (_FIRST if self.is_ascending else _LAST)
        return {"tenant": tenant, "after": after, "limit": self.limit + 1}


class FileTable:
    """Files that callers keep.

    Args:
        records: where they stand.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    async def add(self, file: KeptFile, bytes_max: int) -> bool:
        """Keep a file; whether its tenant has room for it.

        Args:
            file: that is there.
            bytes_max: all of the tenant's files together.
        """
        values = {**msgspec.structs.asdict(file), "bytes_max": bytes_max}
        met = {"place": file.place, "id": file.id}
        await self._records.write(Step("files.meet", met), Step("files.add", values))
        return await self.find(file.id, file.tenant) is not None

    async def held_bytes(self, tenant: str) -> int:
        """How much a tenant keeps."""
        (row,) = await self._records.fetch("files.held", {"tenant": tenant})
        return int(row["bytes"])

    async def find(self, file_id: str, tenant: str) -> KeptFile | None:
        """A file of a tenant."""
        rows = await self._records.fetch("files.find", {"id": file_id, "tenant": tenant})
        return msgspec.convert(rows[0], KeptFile) if rows else None

    async def page(self, tenant: str, page: Page, purpose: str) -> list[KeptFile]:
        """Files of a tenant, and one more where there are more."""
        values = {**page.values(tenant), "purpose": purpose}
        rows = await self._records.fetch(f"files.{page.query}", values)
        return msgspec.convert(rows, list[KeptFile])

    async def expired(self, place: str, now_s: float) -> list[tuple[str, str]]:
        """Ids and tenants of files whose time is over."""
        rows = await self._records.fetch("files.expired", {"place": place, "now_s": now_s})
        return [(row["id"], row["tenant"]) for row in rows]

    async def known(self, place: str, first: str, last: str) -> set[str]:
        """Ids of the files of a data directory from one to another, both of them included."""
        values = {"place": place, "first": first, "last": last}
        return {row["id"] for row in await self._records.fetch("files.known", values)}

    async def known_since(self, place: str) -> str | None:
        """The id of the first file of a data directory; `None` where there never was one."""
        rows = await self._records.fetch("files.met", {"place": place})
        return str(rows[0]["first_file"]) if rows else None

    async def remove(self, file_id: str, tenant: str) -> None:
        """Keep a file no more."""
        await self._records.write(Step("files.remove", {"id": file_id, "tenant": tenant}))


class BatchTable:
    """Batches.

    Args:
        records: where they stand.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    async def add(self, batch: Batch) -> None:
        """Take a batch that was asked for."""
        names = (
            *(
                "id",
                "tenant",
                "key_name",
                "key_digest",
                "key_models",
                "place",
                "endpoint",
                "input_file",
            ),
            *("output_file", "error_file", "keep_s", "metadata", "window_s", "created_s", "trace"),
        )
        await self._records.write(
            Step("batches.add", {name: getattr(batch, name) for name in names})
        )

    async def find(self, batch_id: str, tenant: str) -> Batch | None:
        """A batch of a tenant."""
        return _one(await self._records.fetch("batches.find", {"id": batch_id, "tenant": tenant}))

    async def read(self, batch_id: str) -> Batch | None:
        """A batch, whoever asked for it."""
        return _one(await self._records.fetch("batches.read", {"id": batch_id}))

    async def page(self, tenant: str, page: Page) -> list[Batch]:
        """Batches of a tenant, and one more where there are more."""
        rows = await self._records.fetch(f"batches.{page.query}", page.values(tenant))
        return msgspec.convert(rows, list[Batch])

    async def page_of_all(self, page: Page, tenant: str) -> list[Batch]:
        """The same of everybody, or of a tenant that is named."""
        rows = await self._records.fetch(f"batches.{page.query_all}", page.values(tenant))
        return msgspec.convert(rows, list[Batch])

    async def pending(self, place: str) -> list[str]:
        """Ids of batches that are not over, the oldest first."""
        rows = await self._records.fetch("batches.pending", {"place": place})
        return [row["id"] for row in rows]

    async def uses(self, place: str, file_id: str) -> bool:
        """Whether a batch that is not over reads a file."""
        values = {"place": place, "file": file_id}
        return bool(await self._records.fetch("batches.using", values))

    async def owns(self, place: str, file_id: str) -> bool:
        """Whether a batch that is not over reads a file, or writes it."""
        values = {"place": place, "file": file_id}
        return bool(await self._records.fetch("batches.owning", values))

    async def begin(self, batch_id: str, total: int, faults: str, now_s: float) -> None:
        """Its lines were looked at."""
        values = {"id": batch_id, "total": total, "faults": faults, "now_s": now_s}
        await self._records.write(Step("batches.begin", values))

    async def tell(self, batch_id: str, totals: Totals) -> State:
        """Note how far it is; gives its state."""
        values = {"id": batch_id, **msgspec.structs.asdict(totals)}
        (rows,) = await self._records.write(Step("batches.tell", values))
        return rows[0]["state"] if rows else "cancelled"

    async def finalize(self, batch_id: str, now_s: float) -> None:
        """All lines are answered."""
        await self._records.write(Step("batches.finalize", {"id": batch_id, "now_s": now_s}))

    async def cancel(self, batch_id: str, tenant: str, now_s: float) -> None:
        """It is wanted no more."""
        values = {"id": batch_id, "tenant": tenant, "now_s": now_s}
        await self._records.write(Step("batches.cancel", values))

    async def end(
        self,
        batch: Batch,
        ending: Ending,
        totals: Totals,
        files: Sequence[KeptFile],
        now_s: float,
    ) -> None:
        """It is over, and these are its results.

        Args:
            batch: with its faults and its number of lines as they are now.
            ending: how it ended.
            totals: of all its lines.
            files: what it has written.
            now_s: the time.
        """
        kept = {file.id for file in files}
        values = {
            "id": batch.id,
            "state": ending,
            "now_s": now_s,
            "faults": batch.faults,
            "total": batch.total,
            "has_output": int(batch.output_file in kept),
            "has_errors": int(batch.error_file in kept),
            **msgspec.structs.asdict(totals),
        }
        steps = [Step("files.keep", msgspec.structs.asdict(file)) for file in files]
        await self._records.write(*steps, Step("batches.end", values))

    async def forget(self, place: str, before_s: float) -> None:
        """Forget batches that were over before a moment, some at a time."""
        values = {"place": place, "before_s": before_s}
        ids = [row["id"] for row in await self._records.fetch("batches.old", values)]
        if ids:
            await self._records.write(
                Step("batches.forget", [{"id": each} for each in ids]),
                Step("batches.forget_lease", [{"name": lease_name(each)} for each in ids]),
            )


def _one(rows: list[dict[str, Any]]) -> Batch | None:
    return msgspec.convert(rows[0], Batch) if rows else None
