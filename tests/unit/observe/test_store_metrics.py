"""What is counted of the store, and under which names."""

from headrace.clock import ManualClock
from headrace.observe.cells import Cells
from headrace.observe.exposition import render
from headrace.observe.families import families_with
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.observe.store_metrics import StoreMetrics


def test_what_a_worker_counts_of_the_store() -> None:
    layout = Layout(families_with(("keys.find", "ledger.page")))
    cells = Cells(layout.size)
    meter = StoreMetrics(Metrics(layout, cells.row(), cells.slots, ManualClock()))
    meter.done("keys.find", 0.5)
    meter.done("keys.find", 0.25)
    meter.done("what.nobody.knows", 1.0)
    meter.failed("ledger.page", "timeout")
    meter.failed("ledger.page", "fault")
    meter.connections_are(3, 7)
    meter.standby_is(0, 1.5, is_out=False)
    meter.standby_is(1, 20.0, is_out=True)
    meter.standby_is(8, 99.0, is_out=True)
    for count in (2, 5):
        meter.reads_were("waited", count)
    lines = set(render(layout, cells.rows(), []).decode().splitlines())
    assert {
        'headrace_store_queries_total{query="keys.find"} 2',
        'headrace_store_query_seconds_total{query="keys.find"} 0.75',
        'headrace_store_queries_total{query="other"} 1',
        'headrace_store_queries_total{query="ledger.page"} 2',
        'headrace_store_errors_total{kind="timeout"} 1',
        'headrace_store_errors_total{kind="other"} 1',
        'headrace_store_connections{state="used"} 3',
        'headrace_store_connections{state="waiting"} 7',
        'headrace_standby_lag_seconds{standby="1"} 1.5',
        'headrace_standby_out{standby="2"} 1',
        'headrace_standby_reads_total{outcome="waited"} 5',
    } <= lines
    assert not any("99" in line for line in lines)
