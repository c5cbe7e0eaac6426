"""OpenAI's files and Batch API, as far as batches need them."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from headrace.clock import Clock
from headrace.errors import Conflict, HeadraceError, InvalidRequest, NotFound
from headrace.sim.prompt import decode
from headrace.sim.reply import Reply

FILES_MAX: Final = 1_000
BATCHES_MAX: Final = 1_000
_PAGE_MAX: Final = 100
_PATHS: Final = ("/v1/files", "/v1/batches")
_EXPIRED: Final = "This request could not be executed before the completion window expired."
_FIELD: Final = re.compile(rb'name="([a-z_]+)"')

Answer = Callable[[str, bytes], bytes]
"""Gives the answer to a path and a body; raises what it is refused with."""


class BatchTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /_sim/batches`: how batches go, those under way included.

    Attributes:
        delay_s: how long a batch takes; `None`: until there are other terms.
        ending: how they end by themselves.
        answered_max: lines that are answered where a batch expires or is cancelled; `None`: all.
        cancels: whether a batch that is cancelled is so at once, and not never.
    """

    delay_s: float | None = 0.0
    ending: Literal["completed", "expired", "failed"] = "completed"
    answered_max: int | None = None
    cancels: bool = True


class _Wish(msgspec.Struct):
    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None


class _Line(msgspec.Struct):
    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class _Body(msgspec.Struct):
    model: str = ""


class _Batch(msgspec.Struct):
    id: str
    wish: _Wish
    lines: list[_Line]
    created_s: float
    state: str = "in_progress"
    output_file: str | None = None
    error_file: str | None = None
    completed: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] = []


class BatchApi:
    """Keeps files and batches, in memory; a batch is worked off when it is looked at.

    Args:
        clock: the time.
        answer: answers a line.

    Attributes:
        terms: how batches go.
    """

    def __init__(self, clock: Clock, answer: Answer) -> None:
        self._clock = clock
        self._answer = answer
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.terms = BatchTerms()
        self._files: dict[str, tuple[str, bytes]] = {}
        self._batches: dict[str, _Batch] = {}
        self._number = 0

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a path belongs here."""
        return path in _PATHS or path.startswith(("/v1/files/", "/v1/batches/"))

    def reply(self, method: str, path: str, query: str, kind: bytes, body: bytes) -> Reply:
        """Answer a request.

        Args:
            method: of HTTP.
            path: without the query.
            query: what follows it.
            kind: the content type.
            body: of the request.

        Raises:
            HeadraceError: it cannot be answered.
        """
        _, _, room, *rest = path.split("/")
        match method, room, rest:
            case "POST", "files", []:
                return _told(self._upload(kind, body))
            case "GET", "files", [file_id]:
                return _told(self._file_told(file_id))
            case "GET", "files", [file_id, "content"]:
                return Reply(body=self._file(file_id)[1])
            case "DELETE", "files", [file_id]:
                self._file(file_id)
                del self._files[file_id]
                return _told({"id": file_id, "object": "file", "deleted": True})
            case "POST", "batches", []:
                return _told(self._batch_told(self._create(decode(body, _Wish))))
            case "GET", "batches", []:
                return _told(self._page(query))
            case "GET", "batches", [batch_id]:
                return _told(self._batch_told(self._found(batch_id)))
            case "POST", "batches", [batch_id, "cancel"]:
                return _told(self._batch_told(self._cancel(self._found(batch_id))))
        raise NotFound(f"Invalid URL ({method} {path})", code="unknown_url")

    # Files.

    def _upload(self, kind: bytes, body: bytes) -> dict[str, Any]:
        _, _, boundary = kind.partition(b"boundary=")
        fields: dict[bytes, bytes] = {}
        for part in body.split(b"--" + boundary.strip(b'"'))[1:-1] if boundary else ():
            head, _, content = part.partition(b"\r\n\r\n")
            name = _FIELD.search(head)
            if name is not None:
                fields[name[1]] = content.removesuffix(b"\r\n")
        if b"purpose" not in fields or b"file" not in fields:
            raise InvalidRequest("Send the fields 'purpose' and 'file' as multipart/form-data.")
        return self._file_told(self._keep(fields[b"purpose"].decode(), fields[b"file"]))

    def _keep(self, purpose: str, content: bytes) -> str:
        file_id = self._id("file-")
        if len(self._files) >= FILES_MAX:
            del self._files[next(iter(self._files))]
        self._files[file_id] = (purpose, content)
        return file_id

    def _file(self, file_id: str) -> tuple[str, bytes]:
        if file_id not in self._files:
            raise NotFound(f"No such File object: {file_id}", param="id")
        return self._files[file_id]

    def _file_told(self, file_id: str) -> dict[str, Any]:
        purpose, content = self._file(file_id)
        return {
            "id": file_id,
            "object": "file",
            "bytes": len(content),
            "created_at": int(self._clock.wall_s()),
            "filename": "batch.jsonl",
            "purpose": purpose,
            "status": "processed",
        }

    # Batches.

    def _create(self, wish: _Wish) -> _Batch:
        if wish.completion_window != "24h":
            raise InvalidRequest("'completion_window' must be 24h.", param="completion_window")
        _, content = self._file(wish.input_file_id)
        batch = _Batch(self._id("batch_"), wish, [], self._clock.wall_s())
        models: set[str] = set()
        for number, line in enumerate(content.splitlines(), 1):
            try:
                batch.lines.append(msgspec.json.decode(line, type=_Line))
                models.add(msgspec.json.decode(batch.lines[-1].body, type=_Body).model)
            except msgspec.DecodeError as error:
                fault = {"code": "invalid_json_line", "message": str(error), "line": number}
                batch.errors.append(fault)
        if len(models) > 1:
            message = "The requests of a batch have to be for the same model."
            batch.errors.append({"code": "mismatched_model", "message": message})
        if len(self._batches) >= BATCHES_MAX:
            del self._batches[next(iter(self._batches))]
        self._batches[batch.id] = batch
        return batch

    def _found(self, batch_id: str) -> _Batch:
        if batch_id not in self._batches:
            raise NotFound(f"No batch found with id '{batch_id}'.", param="id")
        return self._seen(self._batches[batch_id])

    def _seen(self, batch: _Batch) -> _Batch:
        """A batch, worked off by now if its time is over."""
        terms = self.terms
        if batch.state == "cancelling" and terms.cancels:
            self._end(batch, "cancelled", terms.answered_max)
        elif batch.state != "in_progress":
            return batch
        elif batch.errors:
            batch.state = "failed"
        elif terms.delay_s is not None and self._clock.wall_s() >= batch.created_s + terms.delay_s:
            most = terms.answered_max if terms.ending == "expired" else None
            if terms.ending == "failed":
                batch.errors = [{"code": "token_limit_exceeded", "message": "Enqueued too much."}]
                batch.state = "failed"
            else:
                self._end(batch, terms.ending, most)
        return batch

    def _cancel(self, batch: _Batch) -> _Batch:
        if batch.state == "in_progress":
            batch.state = "cancelling"
        elif batch.state not in ("cancelling", "cancelled"):
            raise Conflict(f"Cannot cancel a batch with status '{batch.state}'.")
        return batch

    def _end(self, batch: _Batch, state: str, answered_max: int | None) -> None:
        good: list[bytes] = []
        bad: list[bytes] = []
        for at, line in enumerate(batch.lines):
            if answered_max is not None and at >= answered_max:
                if state == "expired":
                    fault = {"code": "batch_expired", "message": _EXPIRED}
                    bad.append(self._result(line, None, fault))
                continue
            status, answer = self._answered(batch, line)
            told = {"status_code": status, "request_id": self._id("req_"), "body": answer}
            (good if status == 200 else bad).append(self._result(line, told, None))
        batch.state, batch.completed, batch.failed = state, len(good), len(bad)
        batch.output_file = self._keep("batch_output", b"".join(good)) if good else None
        batch.error_file = self._keep("batch_output", b"".join(bad)) if bad else None

    def _answered(self, batch: _Batch, line: _Line) -> tuple[int, msgspec.Raw]:
        try:
            if line.url != batch.wish.endpoint or line.method != "POST":
                raise InvalidRequest("The line is not for the endpoint of the batch.", param="url")
            return 200, msgspec.Raw(self._answer(line.url, bytes(line.body)))
        except HeadraceError as error:
            fault = {"message": error.message, "type": error.type, "code": error.code}
            return error.status, msgspec.Raw(msgspec.json.encode({"error": fault}))

    def _result(
        self, line: _Line, response: Mapping[str, Any] | None, error: Mapping[str, Any] | None
    ) -> bytes:
        told = {
            "id": self._id("batch_req_"),
            "custom_id": line.custom_id,
            "response": response,
            "error": error,
        }
        return msgspec.json.encode(told) + b"\n"

    def _page(self, query: str) -> dict[str, Any]:
        asked = dict(each.partition("=")[::2] for each in query.split("&") if each)
        newest = [self._seen(each) for each in reversed(self._batches.values())]
        ids = [each.id for each in newest]
        begin = ids.index(asked["after"]) + 1 if asked.get("after") in ids else 0
        limit = min(int(asked.get("limit") or 20), _PAGE_MAX)
        page = [self._batch_told(each) for each in newest[begin : begin + limit]]
        has_more = begin + limit < len(newest)
        return {"object": "list", "data": page, "has_more": has_more}

    def _batch_told(self, batch: _Batch) -> dict[str, Any]:
        errors = {"object": "list", "data": batch.errors} if batch.errors else None
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.wish.endpoint,
            "errors": errors,
            "input_file_id": batch.wish.input_file_id,
            "completion_window": batch.wish.completion_window,
            "status": batch.state,
            "output_file_id": batch.output_file,
            "error_file_id": batch.error_file,
            "created_at": int(batch.created_s),
            "request_counts": {
                "total": len(batch.lines),
                "completed": batch.completed,
                "failed": batch.failed,
            },
            "metadata": batch.wish.metadata,
        }

    def _id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}{self._number:024x}"


def _told(document: Mapping[str, Any]) -> Reply:
    return Reply(body=msgspec.json.encode(document))
