"""What one worker counts: its handles, and one call for each thing that happens on the hot path."""

from bisect import bisect_left

from headrace.clock import Clock
from headrace.model import Usage
from headrace.observe.cells import NameSlots, Row
from headrace.observe.families import (
    BY,
    CACHE,
    FOR,
    ROUTE,
    STATUS,
)
from headrace.observe.family import OTHER
from headrace.observe.handles import Counter, Gauge, Histogram
from headrace.observe.layout import Layout
from headrace.observe.verdicts import COUNTED, Verdict, verdict_of_status
from headrace.settings.slos import MODEL_ROUTES


class Metrics:
    """The metrics of one worker, bound to its row; made in the worker, after the fork.

    Counters go on from what the row holds; gauges start at zero, since they told of a worker that
    is no more.

    Args:
        layout: the layout of the row, the same in every worker.
        cells: the row, of `layout.size` cells; nobody else writes it.
        slots: the names of the providers.
        clock: read once, for the start time.
    """

    def __init__(self, layout: Layout, cells: Row, slots: NameSlots, clock: Clock) -> None:
        self._cells = cells
        self._slots = slots
        self._layout = layout
        self._bind_traffic()
        self._bind_upstream()
        self._bind_aim()
        self._bind_cache()
        self._bind_work()
        self._bind_self()
        self._bind_hot_path()
        layout.zero_gauges(cells)
        self.workers.set(1.0)
        self.process_start.set(clock.wall_s())
        for index, _ in self.build_info.place.each():
            self.build_info.set_at(index, 1.0)

    def request_done(
        self,
        route: str,
        status: int,
        cache: str,
        seconds: float,
        verdict: Verdict | None = None,
    ) -> None:
        """Count a request that has been answered.

        Args:
            route: one of the label's values; any other counts as `other`.
            status: HTTP status; one without a series of its own counts as `other`.
            cache: one of the label's values; any other counts as `none`.
            seconds: from the first byte of the request to the last byte of the answer.
            verdict: how the answer counts, where its status does not say it.
        """
        try:
            counter, base, total, counted = self._request_cells[route, status, cache]
        except KeyError:
            known = self._request_cells[_known(route, status, cache)]
            counter, base, total, counted = known
        if verdict is not None:
            counted = self._answer_cells.get((route, verdict), 0)
        # Written out, not through the handles: a call costs more than the counting.
        cells = self._cells
        cells[counter] += 1.0
        bucket = bisect_left(self._request_bounds, seconds)
        cells[base + bucket] += 1.0
        cells[total] += seconds
        if counted:
            cells[counted + bucket] += 1.0
            cells[counted + self._answer_sum] += seconds

    def first_byte(self, route: str, cache: str, seconds: float) -> None:
        """Count the time to the first byte of an answer; labels as in `request_done`."""
        try:
            base = self._first_byte_cells[route, cache]
        except KeyError:
            known_route, _, known_cache = _known(route, 200, cache)
            base = self._first_byte_cells[known_route, known_cache]
        self.time_to_first_byte.observe(base, seconds)

    def stream_began(self, route: str, seconds: float, verdict: Verdict = "good") -> None:
        """Count the time to the first byte of a stream, or to the end of one that never began."""
        if base := self._stream_cells.get((route, verdict)):
            self.stream_start.observe(base, seconds)

    def saved(self, by: str, usage: Usage, usd: float, seconds: float) -> None:
        """Count an upstream call that was not needed: what it would have cost and taken.

        Raises:
            KeyError: `by` is not one of the label's values.
        """
        cells = self._cells
        calls, tokens, dollars, waits = self._saved_cells[by]
        cells[calls] += 1.0
        cells[tokens] += usage.input_tokens
        cells[tokens + 1] += usage.output_tokens
        if usage.cached_tokens:
            cells[tokens + 2] += usage.cached_tokens
        if written := usage.cache_write_tokens + usage.cache_write_1h_tokens:
            cells[tokens + 3] += written
        cells[dollars] += usd
        cells[waits] += seconds

    def cache_spent(self, purpose: str, usd: float) -> None:
        """Count a call made for the cache itself, and what it cost in US dollars.

        Raises:
            ValueError: `purpose` is not one of the label's values.
        """
        self.cache_calls.add(self.cache_calls.at(purpose))
        self.cache_spent_usd.add(self.cache_spent_usd.at(purpose), usd)

    def cache_books(self) -> dict[str, dict[str, dict[str, float]]]:
        """What each tier saved, and what the cache spent on its own account; zeros left out."""
        cells = self._cells
        saved = {
            by: {
                "calls": cells[calls],
                "input_tokens": cells[tokens],
                "output_tokens": cells[tokens + 1],
                "usd": cells[dollars],
                "seconds": cells[waits],
            }
            for by, (calls, tokens, dollars, waits) in self._saved_cells.items()
            if cells[calls]
        }
        spent = {
            reason: {"calls": cells[calls], "usd": cells[self.cache_spent_usd.at(reason)]}
            for reason in FOR.values
            if cells[calls := self.cache_calls.at(reason)]
        }
        return {"saved": saved, "spent": spent}

    def slot(self, provider: str) -> int:
        """The slot of a provider's series."""
        return self._slots.slot(provider)

    def prompt_cached(self, saved_usd: float, fee_usd: float) -> None:
        """Count what a provider's prompt cache saved, and the fee for what was put there."""
        self.prompt_cache_saved_usd.add(self.prompt_cache_saved_usd.at(), max(0.0, saved_usd))
        self.prompt_cache_fees_usd.add(self.prompt_cache_fees_usd.at(), max(0.0, fee_usd))

    def shaped(self, step: str, tokens_saved: int) -> None:
        """Count a step that changed a prompt, and by how many tokens that is shorter now.

        Raises:
            ValueError: `step` is not one of the label's values.
        """
        self.prompts_shaped.add(self.prompts_shaped.at(step))
        if tokens_saved > 0:
            self.prompt_tokens_removed.add(self.prompt_tokens_removed.at(step), tokens_saved)

    def _counter(self, name: str) -> Counter:
        return Counter(self._cells, self._layout.place(f"headrace_{name}_total"))

    def _gauge(self, name: str) -> Gauge:
        return Gauge(self._cells, self._layout.place(f"headrace_{name}"))

    def _seconds(self, name: str) -> Histogram:
        return Histogram(self._cells, self._layout.place(f"headrace_{name}_seconds"))

    def _bind_traffic(self) -> None:
        self.requests = self._counter("requests")
        self.request_duration = self._seconds("request_duration")
        self.time_to_first_byte = self._seconds("time_to_first_byte")
        self.stream_start = self._seconds("stream_start")
        self.answers = self._seconds("answer")
        self.stages = self._seconds("stage_duration")
        self.stage_overruns = self._counter("stage_overruns")
        self.inflight = self._gauge("inflight_requests")
        self.connections = self._gauge("connections")
        self.connections_refused = self._counter("connections_refused")
        self.client_aborts = self._counter("client_aborts")
        self.bad_requests = self._counter("bad_requests")
        self.rate_limited = self._counter("rate_limited")
        self.templates = self._counter("templates")
        self.flights_joined = self._counter("flights_joined")

    def _bind_upstream(self) -> None:
        self.upstream_requests = self._counter("upstream_requests")
        self.upstream_errors = self._counter("upstream_errors")
        self.upstream_retries = self._counter("upstream_retries")
        self.fallback_texts = self._counter("fallback_texts")
        self.streams_continued = self._counter("streams_continued")
        self.upstream_limited = self._counter("upstream_limited")
        self.quota_used = self._gauge("quota_used_ratio")
        self.hedges = self._counter("hedges")
        self.hedge_tokens = self._counter("hedge_tokens")
        self.hedge_spent_usd = self._counter("hedge_spent_usd")
        self.circuit_openings = self._counter("circuit_openings")
        self.circuits_open = self._gauge("circuits_open")
        self.provider_ejections = self._counter("provider_ejections")
        self.health_checks = self._counter("health_checks")
        self.providers_out = self._gauge("providers_out")
        self.limited_models = self._gauge("limited_models")
        self.waiting_calls = self._gauge("waiting_calls")
        self.upstream_connections = self._gauge("upstream_connections")
        self.upstream_connects = self._counter("upstream_connects")
        self.upstream_duration = self._seconds("upstream_duration")
        self.tokens = self._counter("tokens")
        self.spent_usd = self._counter("spent_usd")
        self.spend_beyond_usd = self._counter("spend_beyond_usd")
        self.budget_refusals = self._counter("budget_refusals")
        self.budget_unknown = self._counter("budget_unknown")
        self.budget_cheaper = self._counter("budget_cheaper")
        self.keys_unseen_s = self._gauge("keys_unseen_seconds")
        self.budgets_unshared_s = self._gauge("budgets_unshared_seconds")
        self.budget_used = self._gauge("budget_used_ratio")
        self.estimated_usd = self._counter("estimated_usd")
        self.prompt_cache_saved_usd = self._counter("prompt_cache_saved_usd")
        self.prompt_cache_fees_usd = self._counter("prompt_cache_fees_usd")

    def _bind_aim(self) -> None:
        self.model_choices = self._counter("model_choices")
        self.model_choice_saved_usd = self._counter("model_choice_saved_usd")
        self.model_choice_extra_usd = self._counter("model_choice_extra_usd")
        self.model_choice_unpriced = self._counter("model_choice_unpriced")
        self.intents = self._counter("intents")
        self.arm_requests = self._counter("arm_requests")
        self.arm_calls = self._counter("arm_calls")
        self.arm_errors = self._counter("arm_errors")
        self.arm_spent_usd = self._counter("arm_spent_usd")
        self.arm_seconds = self._counter("arm_seconds")

    def _bind_work(self) -> None:
        self.batches_running = self._gauge("batches_running")
        self.batch_lines = self._counter("batch_lines")
        self.batch_retries = self._counter("batch_retries")
        self.jobs_submitted = self._counter("jobs_submitted")
        self.jobs_ended = self._counter("jobs_ended")
        self.jobs_waiting = self._gauge("jobs_waiting")
        self.jobs_running = self._gauge("jobs_running")
        self.jobs_oldest = self._gauge("jobs_oldest_seconds")

    def _bind_cache(self) -> None:
        self.cache_entries = self._gauge("cache_entries")
        self.cache_bytes = self._gauge("cache_bytes")
        self.cache_evictions = self._counter("cache_evictions")
        self.cache_stores = self._counter("cache_stores")
        self.cache_refusals = self._counter("cache_refusals")
        self.saved_calls = self._counter("saved_calls")
        self.saved_tokens = self._counter("saved_tokens")
        self.saved_usd = self._counter("saved_usd")
        self.saved_seconds = self._counter("saved_seconds")
        self.cache_calls = self._counter("cache_calls")
        self.cache_spent_usd = self._counter("cache_spent_usd")
        self.cache_stale = self._counter("cache_stale")
        self.prefetched = self._counter("prefetched")
        self.prefetch_refusals = self._counter("prefetch_refusals")
        self.prefetch_wasted_usd = self._counter("prefetch_wasted_usd")
        self.prefetch_saved_seconds = self._counter("prefetch_saved_seconds")
        self.semantic_entries = self._gauge("semantic_entries")
        self.semantic_lookups = self._counter("semantic_lookups")
        self.semantic_judged = self._counter("semantic_judged")
        self.cache_purges = self._counter("cache_purges")
        self.tier_lookups = self._counter("tier_lookups")
        self.tier_lookup_duration = self._seconds("tier_lookup_duration")
        self.tier_writes = self._counter("tier_writes")
        self.tier_queue = self._gauge("tier_queue")
        self.tier_up = self._gauge("tier_up")
        self.tiers_out = self._gauge("tiers_out")

    def _bind_self(self) -> None:
        place, cells = self._layout.place, self._cells
        self.loop_lag = self._seconds("loop_lag")
        self.process_pressure = self._gauge("process_pressure")
        self.slo_burn = self._gauge("slo_burn_rate")
        self.slo_budget_used = self._gauge("slo_budget_used_ratio")
        self.slo_budget_left = self._gauge("slo_budget_left_ratio")
        self.slo_reaction_share = self._gauge("slo_reaction_share")
        self.slo_reactions = self._counter("slo_reactions")
        self.slo_calls = self._counter("slo_calls")
        self.shed_calls = self._counter("shed_calls")
        self.prompts_shaped = self._counter("prompts_shaped")
        self.prompt_tokens_removed = self._counter("prompt_tokens_removed")
        self.store_queries = self._counter("store_queries")
        self.store_query_seconds = self._counter("store_query_seconds")
        self.store_errors = self._counter("store_errors")
        self.store_connections = self._gauge("store_connections")
        self.standby_reads = self._counter("standby_reads")
        self.standby_lag = self._gauge("standby_lag_seconds")
        self.standby_out = self._gauge("standby_out")
        self.ledger_rows = self._counter("ledger_rows")
        self.ledger_pending = self._gauge("ledger_pending_bytes")
        self.spans = self._counter("spans")
        self.telemetry_exports = self._counter("telemetry_exports")
        self.log_lines_dropped = self._counter("log_lines_dropped")
        self.log_write_errors = self._counter("log_write_errors")
        self.process_memory = Gauge(cells, place("process_resident_memory_bytes"))
        self.process_cpu = Counter(cells, place("process_cpu_seconds_total"))
        self.process_start = Gauge(cells, place("process_start_time_seconds"))
        self.build_info = self._gauge("build_info")
        self.workers = self._gauge("workers")
        self.worker_restarts = self._counter("worker_restarts")

    def _bind_hot_path(self) -> None:
        durations = self.request_duration
        to_sum = self._answer_sum = durations.place.stride - 1
        self._request_bounds = durations.place.family.buckets
        # The first cell is never theirs: 0 is what counts for nothing.
        self._answer_cells, self._stream_cells = (
            {
                (route, verdict): each.at(route, verdict)
                for route in MODEL_ROUTES
                for verdict in COUNTED
            }
            for each in (self.answers, self.stream_start)
        )
        self._request_cells: dict[tuple[str, int | str, str], tuple[int, int, int, int]] = {
            (route, _status_key(status), cache): (
                self.requests.at(route, status, cache),
                base,
                base + to_sum,
                self._answer_cells.get((route, _verdict_key(status)), 0),
            )
            for route in ROUTE.values
            for status in STATUS.values
            for cache in CACHE.values
            for base in (durations.at(route, cache),)
        }
        self._first_byte_cells = {
            (route, cache): self.time_to_first_byte.at(route, cache)
            for route in ROUTE.values
            for cache in CACHE.values
        }
        self._saved_cells = {
            by: (
                self.saved_calls.at(by),
                self.saved_tokens.at(by, "input"),
                self.saved_usd.at(by),
                self.saved_seconds.at(by),
            )
            for by in BY.values
        }


def _status_key(status: str) -> int | str:
    return status if status == OTHER else int(status)


def _verdict_key(status: str) -> Verdict:
    # What has no series of its own is a provider's, and hardly ever an error.
    return verdict_of_status(200 if status == OTHER else int(status))


def _known(route: str, status: int, cache: str) -> tuple[str, int | str, str]:
    """The labels under which a request with unusual ones is counted."""
    return (
        route if route in ROUTE.values else OTHER,
        status if str(status) in STATUS.values else OTHER,
        cache if cache in CACHE.values else "none",
    )
