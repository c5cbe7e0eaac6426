"""What ends a long command: signals, but not the end of a terminal that it is to outlive."""

import signal
import subprocess
import sys

import pytest
from tests.support.hangup import HEARS

COMMAND = """
import asyncio, sys
from headrace.cli.stop_signals import heed_stop

async def main():
    loop, over, heard = asyncio.get_running_loop(), asyncio.Event(), []
    heed_stop(loop, lambda: (heard.append("stopped"), over.set()))
    loop.add_reader(sys.stdin, over.set)
    print("begun", flush=True)
    await over.wait()
    for _ in range(3):
        await asyncio.sleep(0)  # a signal that came at the same time is heard a turn later
    print(*heard or ["went on"])

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("prefix", [HEARS, ("nohup",)], ids=["plain", "nohup"])
def test_each_ends_it_but_for_the_one_that_was_ignored(
    prefix: tuple[str, ...], number: signal.Signals
) -> None:
    with subprocess.Popen(
        (*prefix, sys.executable, "-c", COMMAND),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        outlives = prefix == ("nohup",) and number == signal.SIGHUP
        if outlives:
            process.stdin.close()
        assert process.stdout.read() == ("went on\n" if outlives else "stopped\n")
        assert process.wait() == 0
