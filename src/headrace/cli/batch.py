"""`headrace batch`: a file of requests through a running gateway, and a file of answers back."""

import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from headrace.cli.batch_call import BatchCall

INTERRUPTED: Final = 130
POLL_S: Final = 0.5
_ENDPOINTS: Final = ("/v1/chat/completions", "/v1/embeddings", "/v1/messages")
_OVER: Final = ("completed", "failed", "expired", "cancelled")
# The gateway may be restarted meanwhile; the batch goes on where it was.
_SILENCE_S_MAX: Final = 60.0

EPILOG: Final = """Examples:

headrace batch questions.txt --model gpt-4o-mini --output answers.jsonl

headrace batch requests.jsonl --url http://127.0.0.1:8080

A line of FILE is a line of a batch as OpenAI has it, the body of a request, or a prompt:

{"prompt": "What is a mill race?"}

or plain text. More: docs/batches.md"""

File = Annotated[str, typer.Argument(metavar="FILE", help="One request a line; - reads stdin.")]
Model = Annotated[str | None, typer.Option("--model", help="For lines that name none.")]
Output = Annotated[
    Path | None, typer.Option("--output", help="Where answers go; FILE.answers.jsonl by default.")
]
Errors = Annotated[
    Path | None, typer.Option("--errors", help="Where the rest goes; FILE.errors.jsonl by default.")
]
Endpoint = Annotated[str, typer.Option("--endpoint", help="What all lines ask.")]
Window = Annotated[str, typer.Option("--window", help="How long it may take, from 1h to 168h.")]
Url = Annotated[str, typer.Option("--url", help="Where the gateway listens.")]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="HEADRACE_KEY", help="A key of the gateway."),
]
Leave = Annotated[
    bool,
    typer.Option(
        "--leave-running/--cancel-on-interrupt", help="What becomes of the batch after Ctrl-C."
    ),
]


def batch(
    file: File,
    model: Model = None,
    output: Output = None,
    errors: Errors = None,
    endpoint: Endpoint = _ENDPOINTS[0],
    window: Window = "24h",
    url: Url = "http://127.0.0.1:8080",
    key: Key = None,
    *,
    leave_running: Leave = False,
) -> None:
    """Have a running gateway answer the requests of FILE, at low priority.

    The exit code is 1 where a line has no answer.
    """
    from headrace.cli.batch_call import BatchCall, Refused
    from headrace.cli.cache_warm_lines import parse_address

    if endpoint not in _ENDPOINTS:
        raise typer.BadParameter(f"one of {', '.join(_ENDPOINTS)}", param_hint="--endpoint")
    try:
        address = parse_address(url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None
    call = BatchCall(address, key or None)
    name = "stdin" if file == "-" else file
    try:
        with tempfile.TemporaryFile() as lines:
            _write_lines(file, lines, endpoint, model)
            size = lines.tell()
            lines.seek(0)
            file_id = call.upload(lines, size, Path(name).name)
        over = _run(call, call.create(file_id, endpoint, window), leaves=leave_running)
        _fetch(call, over, output or Path(f"{name}.answers.jsonl"), "output_file_id")
        _fetch(call, over, errors or Path(f"{name}.errors.jsonl"), "error_file_id")
    except Refused as refused:
        typer.echo(f"{url}: {refused}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(_outcome(over))


def _write_lines(name: str, lines: IO[bytes], endpoint: str, model: str | None) -> None:
    try:
        if name == "-":
            _convert(sys.stdin.buffer, lines, endpoint, model)
        else:
            with Path(name).open("rb") as file:
                _convert(file, lines, endpoint, model)
    except OSError as error:
        typer.echo(f"{name}: {error.strerror}", err=True)
        raise typer.Exit(1) from None


def _convert(file: IO[bytes], lines: IO[bytes], endpoint: str, model: str | None) -> None:
    from headrace.cli.batch_lines import Unclear, batch_line

    for number, raw in enumerate(file, 1):
        try:
            line = batch_line(raw, number, endpoint, model)
        except Unclear as error:
            typer.echo(f"line {number}: {error}", err=True)
            raise typer.Exit(1) from None
        if line is not None:
            lines.write(line + b"\n")


def _run(call: "BatchCall", made: dict[str, Any], *, leaves: bool) -> dict[str, Any]:
    try:
        return _watch(call, made)
    except KeyboardInterrupt:
        _interrupted(call, made["id"], leaves=leaves)
        raise typer.Exit(INTERRUPTED) from None


def _watch(call: "BatchCall", told: dict[str, Any]) -> dict[str, Any]:
    """Show how far the batch is, until it is over."""
    from headrace.cli.batch_view import Bar

    typer.echo(f"{told['id']}: {told['status']}", err=True)
    with Bar() as bar:
        while told["status"] not in _OVER:
            time.sleep(POLL_S)
            told = _look(call, told["id"])
            bar.show(told)
    return told


def _look(call: "BatchCall", batch_id: str) -> dict[str, Any]:
    from headrace.cli.batch_call import Refused

    end_s = time.monotonic() + _SILENCE_S_MAX
    while True:
        try:
            return call.look(batch_id)
        except Refused:
            if time.monotonic() >= end_s:
                raise
            time.sleep(POLL_S)


def _interrupted(call: "BatchCall", batch_id: str, *, leaves: bool) -> None:
    from headrace.cli.batch_call import Refused

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second one ends this at once
    if leaves:
        typer.echo(f"{batch_id} goes on without being watched.", err=True)
        return
    try:
        call.cancel(batch_id)
    except Refused as refused:
        typer.echo(f"{batch_id} could not be cancelled: {refused}", err=True)
    else:
        typer.echo(f"{batch_id} is cancelled; what it has so far is kept.", err=True)


def _fetch(call: "BatchCall", over: dict[str, Any], path: Path, which: str) -> None:
    if over[which] is None:
        return
    try:
        call.download(over[which], path)
    except OSError as error:
        typer.echo(f"{path}: {error.strerror}; file {over[which]} has it", err=True)
        raise typer.Exit(1) from None
    typer.echo(str(path))


def _outcome(over: dict[str, Any]) -> int:
    from headrace.cli.batch_view import summary

    for line in summary(over):
        typer.echo(line, err=True)
    return 0 if over["status"] == "completed" and not over["request_counts"]["failed"] else 1
