"""`/admin/jobs`: the jobs of all tenants, for administrators."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from headrace.jobs.desk import JobDesk
from headrace.jobs.job import Job
from headrace.jobs.requests import JobsWanted

_TENANT: Final = "tenant"
ReadPage = Callable[[list[tuple[str, str]]], JobsWanted]


def admin_routes(desk: JobDesk, read_page: ReadPage) -> list[BaseRoute]:
    """The routes.

    Args:
        desk: tells of jobs.
        read_page: reads the parameters of a page.
    """

    async def show_all(request: Request) -> Response:
        pairs = request.query_params.multi_items()
        wanted = read_page([pair for pair in pairs if pair[0] != _TENANT])
        found = await desk.search(wanted, request.query_params.get(_TENANT))
        jobs = found.jobs
        return _json(
            {
                "object": "list",
                "data": [_told(job, whole=False) for job in jobs],
                "first_id": jobs[0].id if jobs else None,
                "last_id": found.next_after or (jobs[-1].id if jobs else None),
                "has_more": found.next_after is not None,
                "searched_to": found.searched_to_s,
                "kinds": desk.kinds.names,
            }
        )

    async def show(request: Request) -> Response:
        job_id = request.path_params["id"]
        job = await desk.find(await desk.tenant_of(job_id), job_id)
        events = [_event_told(each) for each in await desk.latest_events(job)]
        return _json({**_told(job), "losses": job.losses, "events": events})

    async def cancel(request: Request) -> Response:
        job_id = request.path_params["id"]
        job = await desk.cancel(await desk.tenant_of(job_id), job_id)
        return _json(_told(job, whole=False), 200 if job.has_ended else 202)

    async def retry(request: Request) -> Response:
        job_id = request.path_params["id"]
        job = await desk.retry(await desk.tenant_of(job_id), job_id)
        return _json(_told(job, whole=False), 202)

    return [
        Route("/admin/jobs", show_all, methods=["GET"]),
        Route("/admin/jobs/{id}", show, methods=["GET"]),
        Route("/admin/jobs/{id}", cancel, methods=["DELETE"]),
        Route("/admin/jobs/{id}/retry", retry, methods=["POST"]),
    ]


def _told(job: Job, *, whole: bool = True) -> dict[str, Any]:
    return {**job.told(whole=whole), "tenant": job.tenant, "worker": job.worker}


def _event_told(event: Mapping[str, Any]) -> dict[str, Any]:
    data = msgspec.Raw(event["data"].encode())
    return {"id": event["number"], "at": event["at_s"], "event": event["event"], "data": data}


def _json(told: dict[str, Any], status: int = 200) -> Response:
    return Response(msgspec.json.encode(told), status, media_type="application/json")
