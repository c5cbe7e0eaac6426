import os
import subprocess
import sys

from benchmarks.procfs import (
    NS_PER_TICK,
    MachineTime,
    Memory,
    ProcessCpu,
    ProcessStat,
    cpu_between_us,
    parse_machine_time,
    parse_schedstat,
    parse_smaps_rollup,
    parse_stat,
    stolen_share,
    tree_cpu,
    tree_memory,
    tree_pids,
)


def cpu(threads_ns: dict[int, int], own_ticks: int = 0, reaped_ticks: int = 0) -> ProcessCpu:
    return ProcessCpu(threads_ns, ProcessStat(own_ticks, reaped_ticks))


def test_a_commands_name_may_look_like_the_rest_of_the_line() -> None:
    text = "42 (a) R 1 (b) S 1 42 42 0 -1 4194304 10 0 0 0 7 3 20 5 20 0 1 0 99 1000 10 1\n"
    assert parse_stat(text) == ProcessStat(own_ticks=10, reaped_ticks=25)


def test_schedstat_begins_with_the_time_on_cpu() -> None:
    assert parse_schedstat("527114787 16839496 57\n") == 527_114_787


def test_smaps_rollup_is_read_by_name() -> None:
    text = (
        "55d0-7fff ---p 00000000 00:00 0 [rollup]\n"
        "Rss:               10240 kB\nPss:                5120 kB\nPss_Dirty:  77 kB\n"
    )
    assert parse_smaps_rollup(text) == Memory(rss_mib=10.0, pss_mib=5.0)


def test_time_of_all_threads_counts() -> None:
    before = {1: cpu({1: 1_000, 2: 5_000})}
    after = {1: cpu({1: 4_000, 2: 6_000, 3: 2_000})}
    assert cpu_between_us(before, after) == 6.0


def test_a_process_that_appeared_meanwhile_counts_whole() -> None:
    assert cpu_between_us({1: cpu({1: 0})}, {1: cpu({1: 0}), 2: cpu({2: 3_000})}) == 3.0


def test_a_thread_that_ended_leaves_the_ticks_to_tell() -> None:
    before = {1: cpu({1: 0, 2: 5_000}, own_ticks=10)}
    after = {1: cpu({1: 1_000}, own_ticks=12)}
    assert cpu_between_us(before, after) == 2 * NS_PER_TICK / 1000


def test_a_reaped_child_counts_only_what_it_did_meanwhile() -> None:
    lived_ns = 3 * NS_PER_TICK
    before = {1: cpu({1: 0}), 2: cpu({2: lived_ns})}
    after = {1: cpu({1: 0}, reaped_ticks=5)}
    assert cpu_between_us(before, after) == 2 * NS_PER_TICK / 1000


def test_stolen_time_is_a_share_of_all_time_between_two_readings() -> None:
    before = parse_machine_time("cpu  10 0 10 70 0 0 0 10 99 99\ncpu0 1 1\n")
    after = parse_machine_time("cpu  50 0 50 185 0 0 0 15 99 99\ncpu0 1 1\n")
    assert before == MachineTime(all_ticks=100, stolen_ticks=10)
    assert stolen_share(before, after) == 5 / 200
    assert stolen_share(before, before) == 0.0


def test_this_very_process_can_be_read() -> None:
    before = tree_cpu(os.getpid())
    sum(range(200_000))
    assert cpu_between_us(before, tree_cpu(os.getpid())) >= 0.0
    assert os.getpid() in before
    assert tree_memory(os.getpid()).rss_mib > 1.0


def test_the_tree_holds_children() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        assert child.pid in tree_pids(os.getpid())
    finally:
        child.communicate(b"\n")


def test_a_process_that_is_gone_has_used_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert tree_cpu(child.pid) == {}
    assert tree_memory(child.pid) == Memory(0.0, 0.0)
