"""A provider's own Batch API, as OpenAI has it."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from headrace.errors import HeadraceError
from headrace.gateway.plan import Lane
from headrace.upstream.fetch import fetch

LABEL: Final = "headrace"
"""What the token is called in a batch's metadata."""

PAGE: Final = 100
PAGES_MAX: Final = 20
_AGAIN: Final = frozenset((408, 409, 429))
_BROKEN: Final = 500
_ERRORS: Final = 400
_TOLD_CHARS_MAX: Final = 300
# Lines are JSON without a line end within, so that it cannot stand in one.
_BOUNDARY: Final = b"headrace-lines"
_FORM: Final = ((b"content-type", b"multipart/form-data; boundary=" + _BOUNDARY),)
_HEAD: Final = (
    b'--%b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--%b\r\ncontent-disposition: form-data; name="file"; filename="batch.jsonl"\r\n'
    b"content-type: application/jsonl\r\n\r\n" % (_BOUNDARY, _BOUNDARY)
)
_TAIL: Final = b"\r\n--%b--\r\n" % _BOUNDARY


Kind = TypeVar("Kind")


class Refused(HeadraceError):
    """The provider answered with an error."""

    default_code = "provider_batch_refused"

    def __init__(self, name: str, status: int, body: bytes) -> None:
        words = body.decode("utf-8", "replace")[:_TOLD_CHARS_MAX]
        super().__init__(f"The Batch API of provider '{name}' answered {status}: {words}")
        self.told = status

    @property
    def may_change(self) -> bool:
        """Whether asking again may help."""
        return self.told >= _BROKEN or self.told in _AGAIN


class _Fault(msgspec.Struct):
    code: str | None = None
    message: str | None = None


class _Faults(msgspec.Struct):
    data: list[_Fault] = []


class Told(msgspec.Struct):
    """A batch as its provider tells of it."""

    id: str
    status: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    input_file_id: str | None = None
    errors: _Faults | None = None
    metadata: dict[str, str] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status in ("completed", "failed", "expired", "cancelled")

    @property
    def why(self) -> str:
        """What the provider says is wrong with it as a whole."""
        faults = self.errors.data if self.errors is not None else []
        return "; ".join(each.message or each.code or "" for each in faults[:3])


class _File(msgspec.Struct):
    id: str


class _Page(msgspec.Struct):
    data: list[Told]
    has_more: bool = False


class ProviderBatches:
    """Speaks to one provider.

    Args:
        lane: the way to it, as it is at the moment.
    """

    def __init__(self, lane: Callable[[], Lane]) -> None:
        self._lane = lane

    async def upload(self, lines: bytes) -> str:
        """Send lines; gives the file's id.

        Raises:
            HeadraceError: they did not arrive; so do the others.
        """
        body = await self._ask("/files", _HEAD + lines + _TAIL, headers=_FORM)
        return self._read(body, _File).id

    async def create(self, file_id: str, endpoint: str, token: str) -> Told:
        """Have the lines of a file answered."""
        wish: dict[str, Any] = {
            "input_file_id": file_id,
            "endpoint": endpoint,
            "completion_window": "24h",
            "metadata": {LABEL: token},
        }
        body = await self._ask("/batches", msgspec.json.encode(wish), is_once=True)
        return self._read(body, Told)

    async def find(self, token: str) -> Told | None:
        """The batch that was created with a token, among the newest ones."""
        after = ""
        for _ in range(PAGES_MAX):
            body = await self._ask(f"/batches?limit={PAGE}{after}")
            page = self._read(body, _Page)
            for each in page.data:
                if (each.metadata or {}).get(LABEL) == token:
                    return each
            if not page.has_more or not page.data:
                break
            after = f"&after={page.data[-1].id}"
        return None

    async def read(self, batch_id: str) -> Told:
        """A batch as it is now."""
        return self._read(await self._ask(f"/batches/{batch_id}"), Told)

    async def cancel(self, batch_id: str) -> None:
        """Have a batch end."""
        await self._ask(f"/batches/{batch_id}/cancel", b"{}")

    async def content(self, file_id: str) -> bytes:
        """What is in a file."""
        return await self._ask(f"/files/{file_id}/content")

    async def remove(self, file_id: str) -> None:
        """Have a file deleted."""
        await self._ask(f"/files/{file_id}", method=b"DELETE")

    async def _ask(
        self,
        path: str,
        body: bytes | None = None,
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        method: bytes = b"",
        is_once: bool = False,
    ) -> bytes:
        endpoint = self._lane().endpoint
        status, _, answer = await fetch(
            endpoint, path, headers, body, method=method, is_once=is_once
        )
        if status >= _ERRORS:
            raise Refused(endpoint.name, status, answer)
        return answer

    def _read(self, body: bytes, kind: type[Kind]) -> Kind:
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Refused(self._lane().endpoint.name, 502, body) from None
