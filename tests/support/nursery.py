"""A process that has imported a program, and forks one for each run that it is asked for.

Run as a script, with the number of its socket and the program, a module with a function `main`:
`headrace_process.py` is the other side. It starts no threads and opens nothing, so that a forked
process is as good as a new one.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any, Final

STREAMS: Final = 3
COMMAND: Final = "headrace.cli.main"
# What programs import when they first use it.
LATER: Final = {
    COMMAND: ("headrace.app", "headrace.server.supervisor", "headrace.store.store"),
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
    """Fork once more, and tell how that process ends; returns in it."""
    request = json.loads(line.makefile("rb").readline())
    pid = os.fork()
    if pid == 0:
        line.close()
        become(request, streams)
        return
    for descriptor in (*streams, *range(STREAMS)):
        os.close(descriptor)
    with suppress(BrokenPipeError):  # nobody asks any more
        line.sendall(b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
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


def prepared(program: str) -> Any:
    """The module of a program, with all that takes long imported."""
    module = importlib.import_module(program)
    for later in LATER[program]:
        importlib.import_module(later)
    if program == COMMAND:
        with suppress(SystemExit):  # what the command line imports when it is first used
            module.app(["keys", "digest", "--help"])
    gc.collect()
    gc.freeze()
    return module


if __name__ == "__main__":
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    found = prepared(sys.argv[2])
    sys.stdout = sys.__stdout__
    serve(socket.socket(fileno=int(sys.argv[1])))
    found.main()
