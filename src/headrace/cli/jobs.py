"""`headrace jobs`: long work that is kept, and done though processes die."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from headrace.cli.jobs_call import Gateway, Key, Url, refuse

app = typer.Typer(
    no_args_is_help=True, help="Long work that is kept, and done though processes die."
)

_SUBMIT: Final = """Examples:

headrace jobs submit generate --input '{"model": "fast", "prompt": "Say hello"}' --wait

headrace jobs submit generate --input @question.json --priority low --delay 3600"""
_LIST: Final = """Examples:

headrace jobs list --state running

headrace jobs list --kind video --limit 100"""
_DEAD: Final = """Examples:

headrace jobs dead

headrace jobs dead --requeue"""
_WORK: Final = """Example:

headrace jobs work --config headrace.yaml --queues default,video \
--gateway http://127.0.0.1:8080

The key of the gateway comes from HEADRACE_KEY. Run as many as you like, on any machine that
reaches the store and, for result files, shares the data directory."""

JobId = Annotated[str, typer.Argument(help="Id of the job.", metavar="ID")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")]
Limit = Annotated[int, typer.Option(help="How many at most.", min=1, max=100)]


@app.callback()
def root() -> None:
    """Long work that is kept, and done though processes die.

    A job is submitted to a running gateway, which answers at once; a worker does
    it, tries again where it fails, and another goes on where a worker dies.
    """


@app.command()
def kinds() -> None:
    """List the kinds of jobs and what each takes."""
    from headrace.jobs.built_in import built_in_kinds

    every = built_in_kinds()
    for name in every.names:
        kind = every.find(name)
        typer.echo(f"{name}: {kind.about}")
        typer.echo(f"  input: {', '.join(kind.input_type.__struct_fields__)}")


@app.command(epilog=_SUBMIT)
def submit(
    kind: Annotated[str, typer.Argument(help="What is to be done: see `headrace jobs kinds`.")],
    *,
    given: Annotated[
        str,
        typer.Option("--input", help="What of, as JSON; @FILE reads a file, - standard input."),
    ] = "{}",
    queue: Annotated[str | None, typer.Option(help="Where it waits.")] = None,
    priority: Annotated[str, typer.Option(help="high, normal or low.")] = "normal",
    once: Annotated[
        str | None, typer.Option(help="Idempotency key: the same key is the same job.")
    ] = None,
    delay: Annotated[float | None, typer.Option(help="Start in so many seconds.", min=0)] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it until it ends.")] = False,
    url: Url = "http://127.0.0.1:8080",
    key: Key = None,
) -> None:
    """Submit a job; prints its id."""
    from headrace.cli.jobs_view import watch_job

    job: dict[str, Any] = {"kind": kind, "input": _document(given), "priority": priority}
    more = {"queue": queue, "idempotency_key": once, "delay_s": delay}
    job |= {name: value for name, value in more.items() if value is not None}
    gateway = Gateway(url, key)
    told = gateway.ask("POST", "/v1/jobs", job)
    typer.echo(told["id"])
    if wait:
        raise typer.Exit(watch_job(gateway, told["id"]))


@app.command("list", epilog=_LIST)
def list_jobs(
    *,
    state: Annotated[
        str,
        typer.Option(help="waiting, delayed, running, succeeded, failed or cancelled."),
    ] = "",
    kind: Annotated[str, typer.Option(help="Only of this kind.")] = "",
    queue: Annotated[str, typer.Option(help="Only of this queue.")] = "",
    limit: Limit = 20,
    after: Annotated[str, typer.Option(help="Go on after the job with this id.")] = "",
    json: AsJson = False,
    url: Url = "http://127.0.0.1:8080",
    key: Key = None,
) -> None:
    """List your jobs, the latest first."""
    from headrace.cli.jobs_view import show_page

    wanted = {"state": state, "kind": kind, "queue": queue, "after": after, "limit": str(limit)}
    show_page(Gateway(url, key).page(wanted), as_json=json)


@app.command(epilog="Example:  headrace jobs show job_01jd3k...")
def show(job: JobId, *, url: Url = "http://127.0.0.1:8080", key: Key = None) -> None:
    """Show a job: its input, its result or why it failed, and its files."""
    from headrace.cli.jobs_view import show_document

    show_document(Gateway(url, key).ask("GET", f"/v1/jobs/{job}"))


@app.command(epilog="Example:  headrace jobs watch job_01jd3k...")
def watch(job: JobId, *, url: Url = "http://127.0.0.1:8080", key: Key = None) -> None:
    """Watch a job until it ends; the exit status is 0 only where it succeeds."""
    from headrace.cli.jobs_view import watch_job

    raise typer.Exit(watch_job(Gateway(url, key), job))


@app.command(epilog="Example:  headrace jobs cancel job_01jd3k...")
def cancel(job: JobId, *, url: Url = "http://127.0.0.1:8080", key: Key = None) -> None:
    """Cancel a job; one that runs is ended at its next opportunity."""
    told = Gateway(url, key).ask("DELETE", f"/v1/jobs/{job}")
    typer.echo("cancelling" if told["cancelling"] else told["state"])


@app.command(epilog="Example:  headrace jobs retry job_01jd3k...")
def retry(job: JobId, *, url: Url = "http://127.0.0.1:8080", key: Key = None) -> None:
    """Try a job again that failed or was cancelled; recorded steps are not done again."""
    typer.echo(Gateway(url, key).ask("POST", f"/v1/jobs/{job}/retry")["state"])


@app.command(epilog=_DEAD)
def dead(
    *,
    requeue: Annotated[
        bool, typer.Option("--requeue", help="Have all of those shown tried again.")
    ] = False,
    limit: Limit = 20,
    after: Annotated[str, typer.Option(help="Go on after the job with this id.")] = "",
    json: AsJson = False,
    url: Url = "http://127.0.0.1:8080",
    key: Key = None,
) -> None:
    """List jobs that failed for good, with the reason of each."""
    from headrace.cli.jobs_view import show_page

    gateway = Gateway(url, key)
    page = gateway.page({"state": "failed", "after": after, "limit": str(limit)})
    show_page(page, as_json=json)
    if requeue:
        for job in page["data"]:
            gateway.ask("POST", f"/v1/jobs/{job['id']}/retry")
        typer.echo(f"{len(page['data'])} are tried again")


@app.command(epilog=_WORK)
def work(
    *,
    config: Annotated[
        Path | None, typer.Option(help="Settings file (YAML).", metavar="FILE")
    ] = None,
    queues: Annotated[
        str, typer.Option(help="Those it serves, with commas between; all by default.")
    ] = "",
    gateway: Annotated[str, typer.Option(help="Where models are asked.")] = "http://127.0.0.1:8080",
    key: Key = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Directory for result files.", metavar="DIR")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(help="Where GET /metrics tells Prometheus of it.", metavar="HOST:PORT"),
    ] = None,
) -> None:
    """Run a worker apart from the gateway.

    SIGTERM has it take no more jobs; those under way end, or are given back.
    """
    from headrace.cli.jobs_work import run_worker

    names = tuple(name.strip() for name in queues.split(",") if name.strip())
    run_worker(config, names, gateway=gateway, key=key, data_dir=data_dir, metrics=metrics)


def _document(given: str) -> Any:
    import json

    try:
        if given == "-":
            given = sys.stdin.read()
        elif given.startswith("@"):
            given = Path(given[1:]).read_text("utf-8")
        return json.loads(given)
    except (OSError, ValueError) as error:
        return refuse(f"--input: {error}")
