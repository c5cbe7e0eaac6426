"""A process that has imported a program, and forks one for each run that it is asked for.

Run as a script, with the number of its socket and the program, a module with a function `main`:
`headrace_process.py` is the other side. It starts no threads and opens nothing, so that a forked
process is as good as a new one.
"""

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn

STREAMS: Final = 3
COMMAND: Final = "headrace.cli.main"
# What programs import when they first use it.
LATER: Final = {
    COMMAND: (
        "encodings.idna",
        "headrace.app",
        "headrace.cli.notes",
        "headrace.identity.key_start",
        "headrace.server.supervisor",
        "headrace.store.records.sqlite_driver",
        "headrace.store.records.steps",
        "headrace.store.store",
    ),
    "tests.support.jobs_worker": (
        "dbos",
        "headrace.store.records.postgres_driver",
        "headrace.store.records.sqlite_driver",
        "headrace.store.workflow_engine",
        "psycopg",
        "sqlalchemy.dialects.postgresql.psycopg",
        "sqlalchemy.dialects.sqlite.pysqlite",
    ),
}


def serve(channel: socket.socket) -> None:
    """Fork for each request; returns in the forked processes, and at the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        said, (*descriptors,) = socket.recv_fds(channel, 1, STREAMS + 1)[:2]
        with suppress(ChildProcessError):  # none is left
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not said:
            os._exit(0)
        if os.fork() == 0:
            channel.close()
            keep(socket.socket(fileno=descriptors[0]), descriptors[1:])
            return
        for descriptor in descriptors:
            os.close(descriptor)


def keep(line: socket.socket, streams: list[int]) -> None:
    """Fork once more, and tell how that process ends; returns in it.

    It is killed where nobody asks for it any more: whoever did was killed, or interrupted.
    """
    request = json.loads(line.makefile("rb").readline())
    pid = os.fork()
    if pid == 0:
        line.close()
        become(request, streams)
        return
    for descriptor in (*streams, *range(STREAMS)):
        os.close(descriptor)
    process = os.pidfd_open(pid)
    with suppress(BrokenPipeError):
        line.sendall(b"%d\n" % pid)
    # Nothing is said on the line any more; it can be read when its other side is closed.
    if process not in select.select([process, line], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):
        line.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def become(request: dict[str, Any], streams: list[int]) -> None:
    """Be what was asked for."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["headrace", *request["arguments"]]


def run(main: Callable[[], None]) -> NoReturn:
    """Run the program, and end as an interpreter does, but without freeing what it has imported.

    Most of an end would be that: each page is shared, and would be copied first.
    """
    status: object = None
    try:
        main()
    except SystemExit as end:
        status = end.code
    if status is None or isinstance(status, int):
        threading._shutdown()
        atexit._run_exitfuncs()
        gc.collect()  # who was never awaited or closed complains
        with suppress(OSError, ValueError):  # the usual end tells of streams that are gone
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status or 0)
    sys.exit(status)


def prepared(program: str) -> Any:
    """The module of a program, with all that takes long imported."""
    module = importlib.import_module(program)
    for later in LATER[program]:
        importlib.import_module(later)
    if program == COMMAND:
        with suppress(SystemExit):  # what the command line imports when it is first used
            module.app(["keys", "digest", "--help"])
        read_once()
    gc.collect()
    gc.freeze()
    return module


def read_once() -> None:
    """What a gateway reads once of itself: its queries, and what settings are made of."""
    from headrace.settings import parse_settings
    from headrace.store.records.queries import query_names

    query_names()
    parse_settings("providers: {one: {dialect: openai, base_url: http://127.0.0.1/v1}}", {})


if __name__ == "__main__":
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    found = prepared(sys.argv[2])
    sys.stdout = sys.__stdout__
    serve(socket.socket(fileno=int(sys.argv[1])))
    run(found.main)
