"""What is counted where."""

import pytest

from headrace import __version__
from headrace.clock import ManualClock
from headrace.model import Usage
from headrace.observe.cells import Cells
from headrace.observe.exposition import render
from headrace.observe.families import STAGE
from headrace.observe.handles import Counter, Gauge, Histogram
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.observe.provider_metrics import ProviderMetrics
from headrace.observe.worker_metrics import WorkerMetrics


class Bench:
    """A worker's metrics and the text they make."""

    def __init__(self) -> None:
        self.layout = Layout()
        self.board = Cells(self.layout.size)
        self.board.slots.assign(["openai", "anthropic"])
        self.metrics = Metrics(
            self.layout, self.board.row(), self.board.slots, ManualClock(wall_s=1_234.5)
        )

    def lines(self) -> set[str]:
        return set(
            render(self.layout, self.board.rows(), self.board.slots.names()).decode().splitlines()
        )


def test_every_family_has_a_handle() -> None:
    bench = Bench()
    held = {
        handle.place.family.name
        for metrics in (bench.metrics, WorkerMetrics(ManualClock()))
        for handle in vars(metrics).values()
        if isinstance(handle, Counter | Gauge | Histogram)
    }
    # The dead do not count themselves: the supervisor does.
    held.add("headrace_worker_restarts_total")
    assert held == {place.family.name for place in bench.layout.places}


def test_request_done_counts_the_request_and_its_time() -> None:
    bench = Bench()
    bench.metrics.request_done("chat", 200, "l1", 0.0001)
    bench.metrics.request_done("chat", 200, "l1", 100.0)
    lines = bench.lines()
    labels = 'route="chat",cache="l1"'
    assert 'headrace_requests_total{route="chat",status="200",cache="l1"} 2' in lines
    assert f'headrace_request_duration_seconds_bucket{{{labels},le="0.0001"}} 1' in lines
    assert f'headrace_request_duration_seconds_bucket{{{labels},le="80.0"}} 1' in lines
    assert f'headrace_request_duration_seconds_bucket{{{labels},le="+Inf"}} 2' in lines
    assert f"headrace_request_duration_seconds_sum{{{labels}}} 100.0001" in lines
    assert f"headrace_request_duration_seconds_count{{{labels}}} 2" in lines


@pytest.mark.parametrize(
    ("route", "status", "cache", "labels"),
    [
        ("chat", 422, "miss", 'route="chat",status="other",cache="miss"'),
        ("nonsense", 404, "none", 'route="other",status="404",cache="none"'),
        ("health", 200, "nonsense", 'route="health",status="200",cache="none"'),
    ],
)
def test_labels_stay_finite(route: str, status: int, cache: str, labels: str) -> None:
    bench = Bench()
    bench.metrics.request_done(route, status, cache, 0.01)
    bench.metrics.first_byte(route, cache, 0.01)
    lines = bench.lines()
    assert f"headrace_requests_total{{{labels}}} 1" in lines
    without_status = ",".join(part for part in labels.split(",") if "status" not in part)
    assert f"headrace_time_to_first_byte_seconds_count{{{without_status}}} 1" in lines


def test_request_done_agrees_with_the_handles() -> None:
    one, other = Bench(), Bench()
    one.metrics.request_done("messages", 503, "joined", 0.3)
    other.metrics.requests.add(other.metrics.requests.at("messages", 503, "joined"))
    durations = other.metrics.request_duration
    durations.observe(durations.at("messages", "joined"), 0.3)
    other.metrics.answers.observe(other.metrics.answers.at("messages", "bad"), 0.3)
    assert one.lines() == other.lines()


def test_what_was_saved_counts_for_what_saved_it() -> None:
    bench = Bench()
    bench.metrics.saved("l1", Usage(100, 20, 30), 0.25, 1.5)
    bench.metrics.saved("l1", Usage(1, 2), 0.5, 0.25)
    bench.metrics.saved("l2", Usage(5), 0.0, 0.0)
    assert {
        'headrace_saved_calls_total{by="l1"} 2',
        'headrace_saved_calls_total{by="l2"} 1',
        'headrace_saved_tokens_total{by="l1",type="input"} 101',
        'headrace_saved_tokens_total{by="l1",type="output"} 22',
        'headrace_saved_tokens_total{by="l1",type="cached"} 30',
        'headrace_saved_usd_total{by="l1"} 0.75',
        'headrace_saved_seconds_total{by="l1"} 1.75',
    } <= bench.lines()


def test_a_provider_counts_under_its_name() -> None:
    bench = Bench()
    provider = ProviderMetrics(bench.metrics, "anthropic")
    provider.connected()
    provider.pool_is(idle=2, active=1)
    provider.retried()
    provider.failed("reset")
    for status in (200, 204, 429, 500, 302, 101, 700):
        provider.done(status, 0.4)
    provider.spent(Usage(input_tokens=10, output_tokens=5, cached_tokens=3), 0.125)
    name = 'provider="anthropic"'
    assert {
        f"headrace_upstream_connects_total{{{name}}} 1",
        f'headrace_upstream_connections{{{name},state="idle"}} 2',
        f'headrace_upstream_connections{{{name},state="active"}} 1',
        'headrace_upstream_connections{provider="openai",state="idle"} 0',
        f"headrace_upstream_retries_total{{{name}}} 1",
        f'headrace_upstream_errors_total{{{name},kind="reset"}} 1',
        f'headrace_upstream_requests_total{{{name},status_class="2xx"}} 2',
        f'headrace_upstream_requests_total{{{name},status_class="4xx"}} 1',
        f'headrace_upstream_requests_total{{{name},status_class="other"}} 2',
        f"headrace_upstream_duration_seconds_count{{{name}}} 7",
        f'headrace_tokens_total{{{name},type="input"}} 10',
        f'headrace_tokens_total{{{name},type="cached"}} 3',
        f"headrace_spent_usd_total{{{name}}} 0.125",
    } <= bench.lines()


def test_a_provider_without_a_slot_counts_as_other() -> None:
    bench = Bench()
    ProviderMetrics(bench.metrics, "unheard-of").retried()
    assert 'headrace_upstream_retries_total{provider="other"} 1' in bench.lines()


def test_errors_have_known_kinds_only() -> None:
    with pytest.raises(ValueError, match="kind cannot be 'nonsense'"):
        ProviderMetrics(Bench().metrics, "openai").failed("nonsense")


def test_stages_are_told_apart() -> None:
    bench = Bench()
    stages = bench.metrics.stages
    for stage in STAGE.values:
        stages.observe(stages.at(stage), 2e-6)
    lines = bench.lines()
    for stage in STAGE.values:
        name = f'headrace_stage_duration_seconds_bucket{{stage="{stage}",le='
        assert {f'{name}"1e-06"}} 0', f'{name}"2.5e-06"}} 1'} <= lines


def test_it_says_what_runs_and_since_when() -> None:
    assert {
        f'headrace_build_info{{version="{__version__}"}} 1',
        "process_start_time_seconds 1234.5",
        "headrace_workers 1",
    } <= Bench().lines()


def test_what_prompt_caches_save_only_grows() -> None:
    bench = Bench()
    bench.metrics.prompt_cached(0.25, 0.5)
    bench.metrics.prompt_cached(-1.0, -1.0)
    assert {
        "headrace_prompt_cache_saved_usd_total 0.25",
        "headrace_prompt_cache_fees_usd_total 0.5",
    } <= bench.lines()


def test_answers_of_models_are_counted_by_verdict_and_no_others() -> None:
    bench = Bench()
    bench.metrics.request_done("chat", 200, "miss", 0.3)
    bench.metrics.request_done("chat", 200, "miss", 0.3, "bad")
    bench.metrics.request_done("chat", 503, "miss", 0.3, "neither")
    bench.metrics.request_done("chat", 429, "none", 0.3)
    bench.metrics.request_done("admin", 500, "none", 0.3)
    bench.metrics.stream_began("chat", 0.3, "left")
    bench.metrics.stream_began("api", 0.3)
    counts = {line for line in bench.lines() if "_count{" in line and "verdict" in line}
    assert counts == {
        'headrace_answer_seconds_count{route="chat",verdict="good"} 1',
        'headrace_answer_seconds_count{route="chat",verdict="bad"} 1',
        'headrace_stream_start_seconds_count{route="chat",verdict="left"} 1',
    }
