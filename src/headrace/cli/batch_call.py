"""How `headrace batch` speaks with a gateway."""

import http.client
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from headrace.cli.cache_warm_lines import Address

TIMEOUT_S: Final = 120.0
_PIECE_BYTES: Final = 256 * 1024


class Refused(Exception):
    """The gateway said no, or nothing; the message says why."""


class BatchCall:
    """Files and batches of one gateway.

    Args:
        address: where it listens.
        key: of the gateway, if it wants one.
    """

    def __init__(self, address: Address, key: str | None) -> None:
        self._address = address
        self._own = {} if key is None else {"authorization": f"Bearer {key}"}

    def upload(self, file: IO[bytes], size: int, name: str) -> str:
        """Send a file; gives its id.

        Args:
            file: from its beginning.
            size: its bytes.
            name: what it is called.

        Raises:
            Refused: it was not taken.
        """
        boundary = f"headrace-{secrets.token_hex(16)}"
        part = f"--{boundary}\r\ncontent-disposition: form-data; name="
        shown = "".join(c for c in name if c.isprintable() and c not in '"\\') or "file"
        head = f'{part}"purpose"\r\n\r\nbatch\r\n{part}"file"; filename="{shown}"\r\n\r\n'.encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(len(head) + size + len(tail)),
        }
        with self._asked("POST", "/v1/files", _form(head, file, tail), headers) as answer:
            return str(json.load(answer)["id"])

    def create(self, file_id: str, endpoint: str, window: str) -> dict[str, Any]:
        """Ask for a batch; raises as `upload` does."""
        wish = {"input_file_id": file_id, "endpoint": endpoint, "completion_window": window}
        return self._told("POST", "/v1/batches", json.dumps(wish).encode())

    def look(self, batch_id: str) -> dict[str, Any]:
        """How a batch is; raises as `upload` does."""
        return self._told("GET", f"/v1/batches/{batch_id}")

    def cancel(self, batch_id: str) -> None:
        """End a batch; raises as `upload` does."""
        self._told("POST", f"/v1/batches/{batch_id}/cancel")

    def download(self, file_id: str, path: Path) -> None:
        """Write a file's content to a path.

        Raises:
            Refused: it was not given, or not whole.
            OSError: the path cannot be written to.
        """
        with self._asked("GET", f"/v1/files/{file_id}/content") as answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file, _PIECE_BYTES)

    def _told(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        with self._asked(method, path, body, {"content-type": "application/json"}) as answer:
            told: dict[str, Any] = json.load(answer)
            return told

    @contextmanager
    def _asked(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        place = self._address
        kind = http.client.HTTPSConnection if place.is_tls else http.client.HTTPConnection
        connection = kind(place.host, place.port, timeout=TIMEOUT_S)
        try:
            answer = _answer(
                connection, method, place.prefix + path, body, {**self._own, **(headers or {})}
            )
            if answer.status != 200:
                raise Refused(_message(answer))
            yield answer
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Refused(f"the connection broke: {error}") from error
        finally:
            connection.close()


def _answer(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | Iterator[bytes] | None,
    headers: dict[str, str],
) -> http.client.HTTPResponse:
    try:
        connection.request(method, path, body, headers)
    except (BrokenPipeError, ConnectionResetError):
        if connection.sock is None:
            raise
    # A gateway that does not want a file says so before all of it has come.
    return connection.getresponse()


def _form(head: bytes, file: IO[bytes], tail: bytes) -> Iterator[bytes]:
    yield head
    while piece := file.read(_PIECE_BYTES):
        yield piece
    yield tail


def _message(answer: http.client.HTTPResponse) -> str:
    body = answer.read(65_536)
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status} {body[:200].decode('utf-8', 'replace')}"
