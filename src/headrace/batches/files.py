"""Files that callers keep here: taken in, told of, given out, deleted."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import msgspec

from headrace.batches.nouns import PURPOSE_IN, KeptFile
from headrace.batches.shelf import Shelf, disk_error, no_file
from headrace.batches.tables import BatchTable, FileTable
from headrace.batches.upload import Upload
from headrace.clock import Clock
from headrace.errors import InvalidRequest, NotFound
from headrace.ids import Ids
from headrace.limits import FORM_BYTES_MAX
from headrace.settings.batches import FileSettings

EXPIRES_S_MIN: Final = 3_600
EXPIRES_S_MAX: Final = 30 * 86_400
_LOOKED_UP_AT_ONCE: Final = 500


class Taking(msgspec.Struct, frozen=True):
    """A file that is about to come.

    Attributes:
        kind: the request's content type.
        bytes_told: how long the request is, where it says so.
    """

    tenant: str
    kind: str
    bytes_told: int | None


class Files:
    """The files of one gateway. Belongs to one event loop.

    Args:
        table: what is known of them.
        batches: which of them are in use.
        shelf: where they are.
        ids: names them.
        clock: the time.
        settings: the bounds in force.
    """

    def __init__(
        self,
        table: FileTable,
        batches: BatchTable,
        shelf: Shelf,
        ids: Ids,
        clock: Clock,
        settings: Callable[[], FileSettings],
    ) -> None:
        self.table = table
        self.shelf = shelf
        self._batches = batches
        self._ids = ids
        self._clock = clock
        self._settings = settings
        self._place = ""

    async def place(self) -> str:
        """The name of the data directory.

        Raises:
            HeadraceError: it cannot be used.
        """
        if not self._place:
            try:
                self._place = await asyncio.to_thread(self.shelf.place)
            except OSError as error:
                raise disk_error(error) from error
        return self._place

    async def take(self, taking: Taking, parts: AsyncIterator[bytes]) -> KeptFile:
        """Take a file in as it comes.

        Args:
            taking: whose, and how much.
            parts: of the form.

        Raises:
            HeadraceError: the form is wrong, there is no room, or the store is out of reach.
        """
        place = await self.place()
        settings = self._settings()
        await self._check_room(taking, settings)
        file_id = self._ids.new("file")
        path = self.shelf.incoming(file_id)
        upload = Upload(taking.kind, path, settings.bytes_max)
        is_kept = False
        try:
            async for part in parts:
                await asyncio.to_thread(upload.feed, part)
            await asyncio.to_thread(upload.end)
            file = self._described(file_id, taking.tenant, upload, place)
            await asyncio.to_thread(os.replace, path, self.shelf.path(file_id))
            is_kept = await self.table.add(file, settings.tenant_bytes_max)
            if not is_kept:
                raise _no_room(settings)
        except OSError as error:
            raise disk_error(error) from error
        finally:
            upload.close()
            path.unlink(missing_ok=True)
            if not is_kept:  # nobody would ever find it
                self.shelf.remove(file_id)
        return file

    async def find(self, file_id: str, tenant: str) -> KeptFile:
        """A file of a tenant.

        Raises:
            NotFound: there is none.
        """
        file = await self.table.find(file_id, tenant) if file_id.isprintable() else None
        if file is None or self._is_expired(file):
            raise no_file(file_id)
        return file

    async def here(self, file_id: str, tenant: str) -> tuple[KeptFile, Path]:
        """The same, and where it is.

        Raises:
            NotFound: there is none, or another machine has it.
        """
        file = await self.find(file_id, tenant)
        path = self.shelf.path(file_id)
        if file.place != await self.place() or not await asyncio.to_thread(path.exists):
            raise NotFound(
                f"File '{file_id}' is in the data directory of another machine: ask there, or let "
                "the machines share one.",
                code="file_elsewhere",
            )
        return file, path

    async def delete(self, file_id: str, tenant: str) -> None:
        """Delete a file of a tenant.

        Raises:
            NotFound: there is none.
            InvalidRequest: a batch reads it.
        """
        file = await self.find(file_id, tenant)
        if await self._batches.uses(file.place, file_id):
            raise InvalidRequest(
                f"File '{file_id}' is read by a batch: wait for it, or cancel it.",
                code="file_in_use",
            )
        await self.table.remove(file_id, tenant)
        if file.place == await self.place():
            await asyncio.to_thread(self.shelf.remove, file_id)

    async def clean(self, lost_s: float) -> None:
        """Delete files whose time is over, and what is left of those that never came whole.

        Args:
            lost_s: after how long without a byte a file will not come any more.
        """
        place = await self.place()
        for file_id, tenant in await self.table.expired(place, self._clock.wall_s()):
            if not await self._batches.uses(place, file_id):
                await self.table.remove(file_id, tenant)
                await asyncio.to_thread(self.shelf.remove, file_id)
        await asyncio.to_thread(self.shelf.sweep, self._clock.wall_s() - lost_s)

    async def sweep_strays(self, lost_s: float) -> int:
        """Delete files of which nothing is known, and tell how many.

        Their process was killed before it had noted them, or noted that their batch had failed. A
        file that is about to be noted is held by its process, and results that grow belong to a
        batch that is not over. Where the store is another one than before, files of the former
        one are left alone: they are older than all that this one ever knew of the directory.

        Args:
            lost_s: after how long without a byte a file is looked at.

        Raises:
            HeadraceError: the data directory or the store cannot be used.
        """
        place, strays = await self.place(), 0
        first = await self.table.known_since(place)
        if first is None:
            return 0
        there = await asyncio.to_thread(self.shelf.ids, first, self._clock.wall_s() - lost_s)
        for at in range(0, len(there), _LOOKED_UP_AT_ONCE):
            some = there[at : at + _LOOKED_UP_AT_ONCE]
            known = await self.table.known(place, some[0], some[-1])
            for file_id in some:
                if file_id not in known:
                    strays += await self._remove_stray(place, file_id)
        return strays

    async def _remove_stray(self, place: str, file_id: str) -> bool:
        held = await asyncio.to_thread(self.shelf.claim, file_id)
        if held is None:
            return False
        try:  # it may have been noted since
            is_known = await self.table.known(place, file_id, file_id)
            if is_known or await self._batches.owns(place, file_id):
                return False
            await asyncio.to_thread(self.shelf.remove, file_id)
            return True
        finally:
            os.close(held)

    def _is_expired(self, file: KeptFile) -> bool:
        return file.expires_s is not None and file.expires_s <= self._clock.wall_s()

    async def _check_room(self, taking: Taking, settings: FileSettings) -> None:
        held = await self.table.held_bytes(taking.tenant)
        coming = max(0, (taking.bytes_told or 0) - FORM_BYTES_MAX)
        if held + coming > settings.tenant_bytes_max:
            raise _no_room(settings)

    def _described(self, file_id: str, tenant: str, upload: Upload, place: str) -> KeptFile:
        if upload.fields.get("purpose") != PURPOSE_IN:
            raise InvalidRequest(
                "`purpose` has to be `batch`: other files are of no use here.",
                code="invalid_value",
                param="purpose",
            )
        now_s = self._clock.wall_s()
        assert upload.filename is not None  # noqa: S101  # it has ended well
        return KeptFile(
            file_id,
            tenant,
            PURPOSE_IN,
            upload.filename,
            upload.bytes,
            now_s,
            now_s + self._keep_s(upload.fields),
            place,
        )

    def _keep_s(self, fields: dict[str, str]) -> float:
        anchor = fields.get("expires_after[anchor]", "created_at")
        seconds = fields.get("expires_after[seconds]")
        if anchor != "created_at":
            raise InvalidRequest("`expires_after.anchor` has to be `created_at`.")
        if seconds is None:
            return self._settings().keep_s
        if not seconds.isascii() or not seconds.isdigit():
            raise wrong_expiry()
        return expiry_s(int(seconds[:12]))


def expiry_s(seconds: int) -> float:
    """How long a file is kept, as a caller wants it.

    Raises:
        InvalidRequest: that is too short or too long.
    """
    if not EXPIRES_S_MIN <= seconds <= EXPIRES_S_MAX:
        raise wrong_expiry()
    return float(seconds)


def wrong_expiry() -> InvalidRequest:
    """The refusal of an expiry that cannot be."""
    return InvalidRequest(
        f"`expires_after.seconds` has to be from {EXPIRES_S_MIN} to {EXPIRES_S_MAX}.",
        code="invalid_value",
        param="expires_after.seconds",
    )


def _no_room(settings: FileSettings) -> InvalidRequest:
    return InvalidRequest(
        f"The files of a tenant may have {settings.tenant_bytes_max} bytes together: delete some, "
        "or raise files.tenant_bytes_max.",
        code="storage_full",
    )
