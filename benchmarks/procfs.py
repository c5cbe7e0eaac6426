"""CPU time and memory of a process tree, read from /proc.

CPU time comes from each thread's `schedstat`: the scheduler's own nanoseconds. `stat` gives the
same sum cut to ticks of 10 ms, which is 1 % of a one-second round, so it is used only for what
`schedstat` cannot tell: threads and children that ended between two readings.
"""

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class ProcessStat(msgspec.Struct, frozen=True):
    """Ticks of one process: its own (ended threads included) and of children it waited for."""

    own_ticks: int
    reaped_ticks: int


class ProcessCpu(msgspec.Struct, frozen=True):
    """CPU time of one process at one moment; `threads_ns` is by thread id."""

    threads_ns: Mapping[int, int]
    stat: ProcessStat


class Memory(msgspec.Struct, frozen=True):
    """Resident memory in MiB; `pss` counts a page shared by n processes as 1/n."""

    rss_mib: float
    pss_mib: float


def parse_stat(text: str) -> ProcessStat:
    """Read the ticks of /proc/PID/stat; the command's name may hold spaces and parentheses."""
    fields = text.rpartition(")")[2].split()
    return ProcessStat(
        own_ticks=int(fields[11]) + int(fields[12]),
        reaped_ticks=int(fields[13]) + int(fields[14]),
    )


def parse_schedstat(text: str) -> int:
    """Read the nanoseconds on CPU out of /proc/PID/task/TID/schedstat."""
    return int(text.split(maxsplit=1)[0])


def parse_smaps_rollup(text: str) -> Memory:
    """Read Rss and Pss out of /proc/PID/smaps_rollup."""
    kib = {
        name: int(value.split()[0])
        for name, _, value in (line.partition(":") for line in text.splitlines())
        if name in {"Rss", "Pss"}
    }
    return Memory(rss_mib=kib["Rss"] / 1024, pss_mib=kib["Pss"] / 1024)


class Scheduled(msgspec.Struct, frozen=True):
    """How a thread fared up to one moment.

    Attributes:
        at_s: the moment, on the machine's monotonic clock.
        on_cpu_ns: nanoseconds it was on a processor.
        waiting_ns: nanoseconds it could have run, but waited for one.
    """

    at_s: float
    on_cpu_ns: int
    waiting_ns: int


def this_thread() -> Scheduled:
    """How the calling thread fared so far."""
    text = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text()
    on_cpu, waiting, _ = text.split()
    return Scheduled(time.perf_counter(), int(on_cpu), int(waiting))


class MachineTime(msgspec.Struct, frozen=True):
    """Ticks of all cores since boot: all there were, and those the host gave to others."""

    all_ticks: int
    stolen_ticks: int


def parse_machine_time(text: str) -> MachineTime:
    """Read the first line of /proc/stat."""
    # user nice system idle iowait irq softirq steal; guest time is part of user's.
    ticks = [int(field) for field in text.split("\n", 1)[0].split()[1:9]]
    return MachineTime(sum(ticks), ticks[7])


def stolen_share(before: MachineTime, after: MachineTime) -> float:
    """The share of the machine's time that its host gave to others meanwhile."""
    ticks = after.all_ticks - before.all_ticks
    return (after.stolen_ticks - before.stolen_ticks) / ticks if ticks > 0 else 0.0


def machine_time() -> MachineTime:
    """The machine's ticks so far."""
    return parse_machine_time(Path("/proc/stat").read_text())


def cpu_between_us(before: Mapping[int, ProcessCpu], after: Mapping[int, ProcessCpu]) -> float:
    """CPU microseconds a process tree used between two readings, by process id."""
    spent_ns = 0
    for pid, now in after.items():
        then = before.get(pid)
        if then is None:
            spent_ns += sum(now.threads_ns.values()) + now.stat.reaped_ticks * NS_PER_TICK
            continue
        spent_ns += _own_ns(then, now)
        spent_ns += (now.stat.reaped_ticks - then.stat.reaped_ticks) * NS_PER_TICK
    # A child that was reaped meanwhile brings its whole life to its parent's account.
    for pid, then in before.items():
        if pid not in after:
            spent_ns -= sum(then.threads_ns.values()) + then.stat.reaped_ticks * NS_PER_TICK
    return max(0, spent_ns) / 1000


def _own_ns(then: ProcessCpu, now: ProcessCpu) -> int:
    if then.threads_ns.keys() <= now.threads_ns.keys():
        return sum(now.threads_ns.values()) - sum(then.threads_ns.values())
    return (now.stat.own_ticks - then.stat.own_ticks) * NS_PER_TICK


def tree_pids(pid: int) -> list[int]:
    """The process and all its descendants that are alive."""
    found = [pid]
    for parent in found:
        for task in _tasks(parent):
            try:
                found.extend(int(child) for child in (task / "children").read_text().split())
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def tree_cpu(pid: int) -> dict[int, ProcessCpu]:
    """CPU time of the process and its descendants, by process id."""
    reading = {}
    for member in tree_pids(pid):
        try:
            reading[member] = _process_cpu(member)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return reading


def tree_memory(pid: int) -> Memory:
    """Resident memory of the process and its descendants together."""
    parts = []
    for member in tree_pids(pid):
        try:
            parts.append(parse_smaps_rollup(Path(f"/proc/{member}/smaps_rollup").read_text()))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return Memory(sum(part.rss_mib for part in parts), sum(part.pss_mib for part in parts))


def _process_cpu(pid: int) -> ProcessCpu:
    stat = parse_stat(Path(f"/proc/{pid}/stat").read_text())
    threads_ns = {}
    for task in _tasks(pid):
        try:
            threads_ns[int(task.name)] = parse_schedstat((task / "schedstat").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return ProcessCpu(threads_ns, stat)


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []
