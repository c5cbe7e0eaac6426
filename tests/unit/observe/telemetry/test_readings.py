"""A row of cells as metrics of OpenTelemetry."""

from headrace.clock import ManualClock
from headrace.model import Usage
from headrace.observe.cells import Cells
from headrace.observe.families import families_with
from headrace.observe.gen_ai_families import GEN_AI
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.observe.provider_metrics import ProviderMetrics
from headrace.observe.telemetry.gen_ai import GenAiMetrics, error_type
from headrace.observe.telemetry.readings import Point, Reading, read_row

LAYOUT = Layout(families_with((), gen_ai=True))


class Worker:
    """One worker's metrics, and what is read of them."""

    def __init__(self) -> None:
        self.board = Cells(LAYOUT.size)
        self.board.slots.assign(["openai", "local"])
        self.row = self.board.row(0)
        self.metrics = Metrics(LAYOUT, self.row, self.board.slots, ManualClock())
        self.gen_ai = GenAiMetrics(LAYOUT, self.row, self.board.slots)
        self.before = list(self.row)

    def read(self) -> dict[str, Reading]:
        names = self.board.slots.names()
        readings = read_row(LAYOUT, list(self.row), self.before, names)
        return {reading.name: reading for reading in readings}


def test_a_call_is_counted_by_the_conventions() -> None:
    worker = Worker()
    worker.gen_ai.called("messages", "local", 200, 0.7, Usage(100, 20))
    worker.gen_ai.failed("embeddings", "openai", 0, "upstream_timeout_idle", 3.0)
    read = worker.read()
    duration = read["gen_ai.client.operation.duration"]
    chat, embeddings = duration.points
    provider = ("gen_ai.provider.name", "local")
    assert chat.labels == (("gen_ai.operation.name", "chat"), provider)
    assert embeddings.labels == (
        ("gen_ai.operation.name", "embeddings"),
        ("gen_ai.provider.name", "openai"),
        ("error.type", "timeout"),
    )
    assert (chat.value, sum(chat.counts)) == (0.7, 1)
    assert chat.counts.index(1) == duration.family.buckets.index(1.28)
    tokens = {point.labels[-1]: point.value for point in read["gen_ai.client.token.usage"].points}
    assert tokens == {("gen_ai.token.type", "input"): 100, ("gen_ai.token.type", "output"): 20}
    assert (duration.unit, read["gen_ai.client.token.usage"].unit) == ("s", "{token}")


def test_a_request_is_counted_by_the_conventions() -> None:
    worker = Worker()
    worker.gen_ai.served("responses", 200, "", 2.1, 0.1, 21)
    worker.gen_ai.served("chat", 200, "", 0.5, None, 400)
    worker.gen_ai.served("admin", 200, "", 0.5, 0.1, 400)
    read = worker.read()
    (served,) = read["gen_ai.server.request.duration"].points
    assert (sum(served.counts), served.value) == (2, 2.6)
    (first,) = read["gen_ai.server.time_to_first_token"].points
    assert first.value == 0.1
    (between,) = read["gen_ai.server.time_per_output_token"].points
    assert round(between.value, 6) == 0.1


def test_what_a_predecessor_counted_is_not_told_again() -> None:
    worker = Worker()
    worker.metrics.requests.add(worker.metrics.requests.at("chat", 200, "miss"), 5)
    worker.before = list(worker.row)
    assert "headrace_requests_total" not in worker.read()
    worker.metrics.requests.add(worker.metrics.requests.at("chat", 200, "miss"))
    (point,) = worker.read()["headrace_requests_total"].points
    assert point == Point((("route", "chat"), ("status", "200"), ("cache", "miss")), 1.0)


def test_gauges_are_told_as_they_are_and_only_of_what_there_is() -> None:
    worker = Worker()
    ProviderMetrics(worker.metrics, "local").pool_is(3, 0)
    read = worker.read()
    (inflight,) = read["headrace_inflight_requests"].points
    assert inflight.value == 0
    points = read["headrace_upstream_connections"].points
    told = {point.labels: point.value for point in points}
    assert told[("provider", "local"), ("state", "idle")] == 3
    assert {labels[0][1] for labels in told} == {"openai", "local"}
    assert "headrace_quota_used_ratio" not in read


def test_alarms_are_told_before_they_first_grow_and_only_of_what_there_is() -> None:
    worker = Worker()
    read = worker.read()
    alarms = [each for each in LAYOUT.places if each.family.is_whole]
    assert alarms
    for place in alarms:
        points = read[place.family.name].points
        assert {point.value for point in points} == {0}
        providers = {
            value for point in points for name, value in point.labels if name == "provider"
        }
        assert providers <= {"openai", "local"}


def test_kinds_of_errors_are_few() -> None:
    assert error_type(200, "") == "none"
    assert error_type(429, "rate_limited") == "429"
    assert error_type(404, "") == "4xx"
    assert error_type(504, "deadline_exceeded") == "timeout"
    assert error_type(502, "upstream_reset") == "connection"
    assert error_type(503, "queue_full") == "5xx"
    assert error_type(0, "internal_error") == "other"


def test_every_metric_of_the_conventions_has_a_name_of_opentelemetry() -> None:
    worker = Worker()
    worker.gen_ai.called("chat", "local", 200, 0.7, Usage(1, 1))
    worker.gen_ai.served("chat", 200, "", 2.1, 0.1, 21)
    assert len([name for name in worker.read() if name.startswith("gen_ai.")]) == len(GEN_AI)
