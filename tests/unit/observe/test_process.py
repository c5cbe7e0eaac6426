"""Memory and CPU time of the process."""

import pytest

from headrace.clock import ManualClock
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.observe.process import ProcessSampler


def test_memory_is_read_and_cpu_time_goes_on_from_what_the_row_holds() -> None:
    layout = Layout()
    cells = Cells(layout.size)
    metrics = Metrics(layout, cells.row(), cells.slots, ManualClock())
    metrics.process_cpu.increment(1_000.0)
    sampler = ProcessSampler(metrics)
    sampler.sample()
    first = cells.rows()[0]
    reading = sampler.sample()
    second = cells.rows()[0]
    cpu, memory = metrics.process_cpu.at(), metrics.process_memory.at()
    assert 1_000.0 < first[cpu] <= second[cpu] < 2 * first[cpu]
    assert 5e6 < second[memory] < 5e10
    assert reading.memory_bytes == second[memory]
    assert reading.cpu_s == pytest.approx(second[cpu] - 1_000.0)
