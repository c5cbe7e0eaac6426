"""`/v1/jobs` and the simple `/api/create`, `/api/task/{id}`, `/api/tasks`."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from headrace.errors import InvalidRequest
from headrace.jobs.admin_routes import admin_routes
from headrace.jobs.desk import JobDesk, Tenant
from headrace.jobs.events import Watchers, read_last_event
from headrace.jobs.job import Job
from headrace.jobs.requests import JobsWanted, NewJob
from headrace.jobs.result_files import find_file, list_files
from headrace.jobs.tasks import new_task, task_told

Wanted = TypeVar("Wanted", NewJob, JobsWanted)

_ONCE_HEADER: Final = "idempotency-key"
_PAGE_FIELDS: Final = frozenset(JobsWanted.__struct_fields__)


class JobRoutes:
    """Answers requests about jobs; errors of the tree are told by whoever runs the application.

    Args:
        desk: takes jobs, and tells of them.
        watchers: tells of jobs as they go on.
        folder: holds a folder for each job.
        model: who is asked where a task names no model.
    """

    def __init__(self, desk: JobDesk, watchers: Watchers, folder: Path, model: str | None) -> None:
        self._desk = desk
        self._watchers = watchers
        self._folder = folder
        self.model = model

    @property
    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [
            Route("/v1/jobs", self._submit, methods=["POST"]),
            Route("/v1/jobs", self._list, methods=["GET"]),
            Route("/v1/jobs/{id}", self._show, methods=["GET"]),
            Route("/v1/jobs/{id}", self._cancel, methods=["DELETE"]),
            Route("/v1/jobs/{id}/retry", self._retry, methods=["POST"]),
            Route("/v1/jobs/{id}/events", self._events, methods=["GET"]),
            Route("/v1/jobs/{id}/files/{name}", self._file, methods=["GET"]),
            Route("/api/create", self._create, methods=["POST"]),
            Route("/api/task/{id}", self._task, methods=["GET"]),
            Route("/api/tasks", self._tasks, methods=["GET"]),
            *admin_routes(self._desk, _read_page),
        ]

    async def _submit(self, request: Request) -> Response:
        new = _read(await request.body(), NewJob)
        job = await self._submitted(request, new)
        return _json(job.told(whole=False), 202)

    async def _list(self, request: Request) -> Response:
        jobs, has_more = await self._desk.page(_tenant(request), _page(request))
        return _json(
            {
                "object": "list",
                "data": [job.told(whole=False) for job in jobs],
                "first_id": jobs[0].id if jobs else None,
                "last_id": jobs[-1].id if jobs else None,
                "has_more": has_more,
            }
        )

    async def _show(self, request: Request) -> Response:
        job = await self._found(request)
        files = await asyncio.to_thread(list_files, self._folder, job.id)
        return _json({**job.told(), "files": files})

    async def _cancel(self, request: Request) -> Response:
        job = await self._desk.cancel(_tenant(request), request.path_params["id"])
        return _json(job.told(whole=False), 200 if job.has_ended else 202)

    async def _retry(self, request: Request) -> Response:
        job = await self._desk.retry(_tenant(request), request.path_params["id"])
        return _json(job.told(whole=False), 202)

    async def _events(self, request: Request) -> Response:
        after = read_last_event(request.headers.get("last-event-id"))
        job = await self._found(request)
        self._watchers.check()
        return StreamingResponse(
            self._watchers.stream(_tenant(request), job, after),
            media_type="text/event-stream",
            headers={"cache-control": "no-store"},
        )

    async def _file(self, request: Request) -> Response:
        job = await self._found(request)
        name = request.path_params["name"]
        path = await asyncio.to_thread(find_file, self._folder, job.id, name)
        # What a job wrote must not become a page of this server.
        return FileResponse(path, filename=name, headers={"x-content-type-options": "nosniff"})

    async def _create(self, request: Request) -> Response:
        new = new_task(_document(await request.body()), self._desk.kinds, self.model)
        job = await self._submitted(request, new)
        return _json(task_told(job), 202)

    async def _task(self, request: Request) -> Response:
        job = await self._found(request)
        files = await asyncio.to_thread(list_files, self._folder, job.id)
        told = task_told(job)
        told["files"] = [f"/v1/jobs/{job.id}/files/{file.name}" for file in files]
        return _json(told)

    async def _tasks(self, request: Request) -> Response:
        jobs, has_more = await self._desk.page(_tenant(request), _page(request))
        told = [task_told(job, whole=False) for job in jobs]
        return _json({"tasks": told, "has_more": has_more})

    async def _submitted(self, request: Request, new: NewJob) -> Job:
        once = _once(request, new)
        return await self._desk.submit(_tenant(request), once, request.state.trace)

    async def _found(self, request: Request) -> Job:
        return await self._desk.find(_tenant(request), request.path_params["id"])


def _tenant(request: Request) -> Tenant:
    principal = request.state.principal
    digest = principal.key_digest.hex()
    # The name finds the key that is there in place of a rotated one when the job is done.
    return Tenant(principal.tenant, f"{digest}:{quote(principal.key_name)}" if digest else "")


def _once(request: Request, new: NewJob) -> NewJob:
    """The job, with the idempotency key of the header where there is one."""
    header = request.headers.get(_ONCE_HEADER)
    if header is None:
        return new
    if new.idempotency_key not in (None, header):
        raise InvalidRequest(
            "`idempotency-key` is there twice, as a header and in the body, and differs."
        )
    try:
        return msgspec.convert({**msgspec.structs.asdict(new), "idempotency_key": header}, NewJob)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"`idempotency-key`: {error}", param="idempotency_key") from None


def _page(request: Request) -> JobsWanted:
    return _read_page(request.query_params.multi_items())


def _read_page(pairs: list[tuple[str, str]]) -> JobsWanted:
    unknown = [name for name, _ in pairs if name not in _PAGE_FIELDS]
    if unknown:
        raise InvalidRequest(
            f"No parameter '{unknown[0][:64]}'; there are {', '.join(sorted(_PAGE_FIELDS))}.",
            param=unknown[0][:64],
        )
    try:
        return msgspec.convert(dict(pairs), JobsWanted, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The query: {error}") from None


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is no JSON object: {error}") from None


def _read(body: bytes, kind: type[Wanted]) -> Wanted:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is no job: {error}") from None


def _json(told: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(told), status, media_type="application/json")
