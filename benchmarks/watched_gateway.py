"""`headrace serve` with a look inside: where CPU time goes, or when streams were where.

    python -m benchmarks.watched_gateway parts|streams FILE serve --config SETTINGS

SIGUSR1 makes it write what it has seen to FILE as JSON: a `PartsSeen` or a `StreamsSeen`.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from benchmarks import parts, processes
from benchmarks.ledger import Entries, Ledger, Overhead, overhead_ns
from benchmarks.procfs import Scheduled, this_thread
from benchmarks.stream_stamps import Stamps, StreamWatch, Turn

SEEN_S_MAX = 10.0
Seen = TypeVar("Seen", bound="PartsSeen | StreamsSeen")


class PartsSeen(msgspec.Struct, frozen=True):
    """What the parts took so far."""

    entries: Entries
    overhead: Overhead
    scheduled: Scheduled


class StreamsSeen(msgspec.Struct, frozen=True):
    """Streams and turns since the last time it was asked for.

    Attributes:
        streams: by their number.
        turns: of the loop.
        moments: how the loop's thread fared whenever a stream's request was read.
    """

    streams: dict[int, Stamps]
    turns: list[Turn]
    moments: list[Scheduled]


def ask(child: processes.Child, file: Path, kind: type[Seen]) -> Seen:
    """Let a watched gateway write what it has seen, and read it.

    Raises:
        ChildFailed: it did not within some seconds.
    """
    file.unlink(missing_ok=True)
    child.signal(signal.SIGUSR1)
    deadline_s = time.monotonic() + SEEN_S_MAX
    while not file.exists():
        if not child.alive or time.monotonic() > deadline_s:
            raise processes.ChildFailed(f"{child.name} does not tell what it saw:\n{child.tail()}")
        time.sleep(0.01)
    return msgspec.json.decode(file.read_bytes(), type=kind)


def main(arguments: list[str]) -> None:
    """Watch what is asked for, and serve."""
    what, file, *command = arguments
    if what == "parts":
        ledger, overhead = (
            Ledger(parts.part_names(), time.perf_counter_ns),
            overhead_ns(time.perf_counter_ns),
        )
        parts.install(ledger)
        _tell_on_signal(Path(file), lambda: PartsSeen(ledger.entries(), overhead, this_thread()))
    else:
        watch = StreamWatch()
        watch.install()
        _tell_on_signal(Path(file), lambda: StreamsSeen(*watch.take()))
    sys.argv = ["headrace", *command]
    from headrace.cli.main import main as serve

    serve()


def _tell_on_signal(file: Path, look: Callable[[], PartsSeen | StreamsSeen]) -> None:
    def tell() -> None:
        written = file.with_suffix(".part")
        written.write_bytes(msgspec.json.encode(look()))
        written.replace(file)

    def listening(run: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Any]:
        async def run_and_tell(worker: Any) -> None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
            await run(worker)

        return run_and_tell

    parts.replace("headrace.server.worker:Worker.run", listening)


if __name__ == "__main__":
    main(sys.argv[1:])
