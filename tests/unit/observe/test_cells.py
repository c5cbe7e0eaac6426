"""Rows of cells: one process, forked processes, and the table of providers."""

import os
from collections.abc import Callable

import pytest

from headrace.clock import ManualClock
from headrace.observe.cells import PROVIDERS_MAX, Board, Cells, SharedCells
from headrace.observe.exposition import render
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.observe.provider_metrics import ProviderMetrics


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked process; returns its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001  # a child must never return into the test runner
            os._exit(1)
        os._exit(0)
    return pid


def ends_well(pid: int) -> bool:
    return os.waitpid(pid, 0)[1] == 0


def worker_metrics(layout: Layout, board: Board, worker: int) -> Metrics:
    return Metrics(layout, board.row(worker), board.slots, ManualClock(wall_s=1_000.0 + worker))


def test_two_processes_count_and_the_parent_renders_the_sum() -> None:
    layout = Layout()
    board = SharedCells(2, layout.size)
    board.slots.assign(["openai"])

    def work(worker: int) -> Callable[[], None]:
        def count() -> None:
            metrics = worker_metrics(layout, board, worker)
            for _ in range(1_000 * (worker + 1)):
                metrics.request_done("chat", 200, "l1", 0.003)
            metrics.connections.set(5.0)
            ProviderMetrics(metrics, "openai").retried()

        return count

    children = [in_child(work(worker)) for worker in (0, 1)]
    assert [ends_well(pid) for pid in children] == [True, True]
    text = render(layout, board.rows(), board.slots.names()).decode()
    assert 'headrace_requests_total{route="chat",status="200",cache="l1"} 3000\n' in text
    assert 'headrace_request_duration_seconds_count{route="chat",cache="l1"} 3000\n' in text
    assert "headrace_connections 10\n" in text
    assert "headrace_workers 2\n" in text
    assert "process_start_time_seconds 1000\n" in text
    assert 'headrace_upstream_retries_total{provider="openai"} 2\n' in text


def test_a_restarted_worker_goes_on_counting_and_forgets_its_gauges() -> None:
    layout = Layout()
    board = SharedCells(1, layout.size)

    def live_and_die() -> None:
        metrics = worker_metrics(layout, board, 0)
        metrics.client_aborts.increment(2.0)
        metrics.inflight.shift(3.0)

    def live_again() -> None:
        worker_metrics(layout, board, 0).client_aborts.increment()

    assert ends_well(in_child(live_and_die))
    assert "headrace_inflight_requests 3\n" in render(layout, board.rows()).decode()
    assert ends_well(in_child(live_again))
    text = render(layout, board.rows()).decode()
    assert "headrace_client_aborts_total 3\n" in text
    assert "headrace_inflight_requests 0\n" in text


def test_the_gauges_of_a_dead_worker_can_be_forgotten_without_it() -> None:
    layout = Layout()
    board = SharedCells(2, layout.size)
    for worker in (0, 1):
        worker_metrics(layout, board, worker).client_aborts.increment()
    layout.zero_gauges(board.row(1))
    text = render(layout, board.rows()).decode()
    assert "headrace_workers 1\n" in text
    assert "headrace_client_aborts_total 2\n" in text


@pytest.mark.parametrize("size", [1, 5, 8, 9])
def test_rows_do_not_overlap(size: int) -> None:
    board = SharedCells(3, size)
    for worker in range(3):
        row = board.row(worker)
        assert len(row) == size
        for index in range(size):
            row[index] = worker * 10.0 + index
    board.slots.assign(["x" * 63, *(f"p{n}" for n in range(31))])
    assert board.rows() == [[w * 10.0 + index for index in range(size)] for w in range(3)]


@pytest.mark.parametrize("board", [Cells(4), SharedCells(2, 4)])
def test_rows_are_copies(board: Board) -> None:
    before = board.rows()
    board.row(0)[1] += 2.5
    assert before[0] == [0.0] * 4
    assert board.rows()[0] == [0.0, 2.5, 0.0, 0.0]


@pytest.mark.parametrize(("board", "worker"), [(Cells(4), 1), (SharedCells(2, 4), 2)])
def test_there_is_no_row_for_a_worker_too_many(board: Board, worker: int) -> None:
    with pytest.raises(IndexError):
        board.row(worker)


@pytest.mark.parametrize(("workers", "size"), [(0, 1), (1, 0)])
def test_empty_boards_are_refused(workers: int, size: int) -> None:
    with pytest.raises(ValueError, match="start at 1"):
        SharedCells(workers, size)


def test_slots_never_change_their_meaning() -> None:
    slots = Cells(1).slots
    slots.assign(["b", "a", "b"])
    slots.assign(["c", "a"])
    assert slots.names() == ["b", "a", "c"]
    assert [slots.slot(name) for name in ("b", "a", "c", "d")] == [0, 1, 2, PROVIDERS_MAX]


def test_slots_are_bounded_and_the_rest_is_other() -> None:
    slots = Cells(1).slots
    slots.assign([f"p{n}" for n in range(PROVIDERS_MAX + 3)])
    assert len(slots.names()) == PROVIDERS_MAX
    assert slots.slot(f"p{PROVIDERS_MAX - 1}") == PROVIDERS_MAX - 1
    assert slots.slot(f"p{PROVIDERS_MAX}") == PROVIDERS_MAX


def test_the_name_other_is_the_slot_of_all_others() -> None:
    slots = Cells(1).slots
    slots.assign(["other", "a"])
    assert slots.names() == ["a"]
    assert slots.slot("other") == PROVIDERS_MAX


def test_long_names_are_cut_between_characters_and_still_found() -> None:
    slots = Cells(1).slots
    name = "é" * 40
    slots.assign([name])
    assert slots.names() == ["é" * 31]
    assert slots.slot(name) == 0


def test_names_assigned_by_the_parent_are_seen_by_children_that_run_already() -> None:
    board = SharedCells(1, 1)
    parent_assigned, child_waits = os.pipe(), os.pipe()

    def look() -> None:
        os.write(child_waits[1], b".")
        os.read(parent_assigned[0], 1)
        assert board.slots.slot("late") == 0

    child = in_child(look)
    os.read(child_waits[0], 1)
    board.slots.assign(["late"])
    os.write(parent_assigned[1], b".")
    assert ends_well(child)
    for fd in (*parent_assigned, *child_waits):
        os.close(fd)
