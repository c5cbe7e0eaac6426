"""Takes samples of a process by py-spy (https://github.com/benfred/py-spy), from outside: what is
profiled knows nothing of it, and is stopped for some microseconds each time."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from headrace.clock import Clock
from headrace.errors import HeadraceError
from headrace.observe.profiling.stacks import Profile, read_collapsed
from headrace.scratch import Scratch

_POLL_S: Final = 0.1
# Beyond what was asked for: reading symbols of a large process, writing the file.
_GRACE_S: Final = 60.0


class NotProfiled(HeadraceError):
    """No samples could be taken; the message says why and what to do."""


def sample(
    pid: int,
    seconds: float,
    rate_hz: int,
    title: str,
    *,
    clock: Clock,
    native: bool = False,
    on_tick: Callable[[], None] = lambda: None,
    is_over: Callable[[], bool] = lambda: False,
) -> Profile:
    """Take samples of a process and its children while they are at work.

    Args:
        pid: of the process.
        seconds: how long.
        rate_hz: how many in a second.
        title: what is profiled.
        clock: tells how long it was, should it end before its time.
        native: whether functions of extensions are seen too, where they have symbols.
        on_tick: called now and then meanwhile.
        is_over: asked now and then; when it says so, the sampling ends before its time.

    Raises:
        NotProfiled: there is no such process, no leave to look at it, or no py-spy.
    """
    with Scratch("profile") as folder:
        path = folder / "stacks"
        command = [
            *(_program(), "record", "--pid", str(pid), "--subprocesses"),
            *("--duration", str(max(1, round(seconds))), "--rate", str(rate_hz)),
            *("--format", "raw", "--output", str(path)),
            *(("--native",) if native else ()),
        ]
        began_s = clock.monotonic_s()
        said = _run(command, seconds + _GRACE_S, on_tick, is_over)
        # It may have been ended before its time, and writes its file after it.
        sampled_s = round(min(seconds, clock.monotonic_s() - began_s), 3)
        if not path.exists():
            raise NotProfiled(_why(said, pid))
        stacks = read_collapsed(path.read_text("utf-8", "replace"))
    if not stacks:
        raise NotProfiled(
            f"process {pid} was never at work in {sampled_s:g} s: profile it while it has to do"
        )
    return Profile(stacks, sampled_s, rate_hz, title)


def _run(
    command: list[str], limit_s: float, on_tick: Callable[[], None], is_over: Callable[[], bool]
) -> str:
    is_told = False
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as child:
        waited_s = 0.0
        while True:
            try:
                said, _ = child.communicate(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                waited_s += _POLL_S
                if waited_s > limit_s:
                    child.kill()
                elif is_over() and not is_told:
                    is_told = True
                    child.send_signal(signal.SIGINT)
                on_tick()
            except KeyboardInterrupt:
                child.send_signal(signal.SIGINT)  # it lets go of the process and writes what it has
            else:
                return said.decode("utf-8", "replace")


def _program() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise NotProfiled("py-spy is missing. Install it: pip install 'headrace[profile]'")
    return found


def _why(said: str, pid: int) -> str:
    if "ermission" in said or "Operation not permitted" in said:
        return (
            f"this user may not look into process {pid}: run the command as root, or allow it "
            "(Linux: sysctl kernel.yama.ptrace_scope=0; in a container: --cap-add SYS_PTRACE)"
        )
    if "No python processes" in said or "No such process" in said:
        return f"there is no Python process {pid}, or it has ended"
    return f"py-spy failed: {said.strip().partition(chr(10))[0] or 'without a word'}"
