"""How jobs are shown in a terminal."""

import datetime as dt
import json
import time
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from headrace.cli.jobs_call import Gateway

_AGAIN_S: Final = 0.5


def show_document(told: Any) -> None:
    """A job, whole."""
    typer.echo(json.dumps(told, indent=2, ensure_ascii=False))


def show_page(page: Any, *, as_json: bool) -> None:
    """A page of jobs, as a table."""
    if as_json:
        show_document(page)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "kind", "queue", "state", "done", "tries", "created", "why"):
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for job in page["data"]:
        why = "" if job["error"] is None else job["error"]["message"]
        table.add_row(
            job["id"],
            job["kind"],
            job["queue"],
            "cancelling" if job["cancelling"] else job["state"],
            f"{job['progress']:.0%}",
            f"{job['attempts']}/{job['attempts_max']}",
            _time(job["created_at"]),
            escape(why),
        )
    Console().print(table)
    if page["has_more"]:
        typer.echo(f"There are more: --after {page['last_id']}")


def watch_job(gateway: Gateway, job: str) -> int:
    """Show how a job goes on until it ends.

    Returns:
        The exit status: 0 where it succeeded.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    last: Any = None
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(job, total=1.0)
        while last is None or last["state"] in ("waiting", "delayed", "running"):
            for name, data in gateway.events(job):
                if name == "job":
                    last = data
                told = data.get("doing") or data.get("state") or data.get("reason") or ""
                share = data.get("progress", 0.0)
                progress.update(task, completed=share, description=escape(f"{job} {told}"))
            time.sleep(0 if last is not None and last["ended_at"] else _AGAIN_S)
    show_document(last)
    return 0 if last["state"] == "succeeded" else 1


def _time(at_s: float) -> str:
    at = dt.datetime.fromtimestamp(at_s, dt.UTC).astimezone()
    return at.strftime("%Y-%m-%d %H:%M:%S")
