"""How tiers of the cache are told of several workers together."""

from headrace.clock import SystemClock
from headrace.observe.cells import SharedCells
from headrace.observe.exposition import render
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.observe.tier_metrics import TierMetrics


def test_workers_that_go_without_a_tier_are_counted_where_it_is_set() -> None:
    layout = Layout()
    board = SharedCells(2, layout.size)
    workers = [
        TierMetrics(Metrics(layout, board.row(slot), board.slots, SystemClock()))
        for slot in range(2)
    ]

    def told() -> set[str]:
        lines = render(layout, board.rows()).decode().splitlines()
        return {line for line in lines if line.startswith("headrace_tiers_out{")}

    workers[0].is_now("l2", is_up=True, waiting=0)
    workers[1].is_now("l2", is_up=False, waiting=0)
    assert told() == {'headrace_tiers_out{tier="l2"} 1', 'headrace_tiers_out{tier="l3"} 0'}
    workers[1].is_now("l2", is_up=True, waiting=0)
    assert told() == {'headrace_tiers_out{tier="l2"} 0', 'headrace_tiers_out{tier="l3"} 0'}
