"""What the dashboard shows, from what users feel down to what the machine does."""

from typing import Final

from headrace.observe.export.alerts import HIT_RATIO
from headrace.observe.export.dashboard import Panel, Query, Section, Unit
from headrace.observe.export.slo_rules import ANSWERED, ASKED, FAILED, JUDGED, RATIO
from headrace.settings.slos import Slo

_RATE: Final = "[$__rate_interval]"


def _lines(title: str, description: str, unit: Unit, *queries: tuple[str, str]) -> Panel:
    return Panel(title, description, unit, tuple(Query(expr, legend) for expr, legend in queries))


def _number(title: str, description: str, unit: Unit, expr: str) -> Panel:
    return Panel(title, description, unit, (Query(expr, title),), "stat", 4)


def _rate(name: str, by: str, labels: str = "") -> str:
    return f"sum by ({by}) (rate({name}{{@{labels}}}{_RATE}))"


def _quantiles(name: str, labels: str = "") -> tuple[tuple[str, str], ...]:
    summed = _rate(f"{name}_bucket", "le", labels)
    return tuple(
        (f"histogram_quantile({share}, {summed})", f"p{share * 100:g}")
        for share in (0.5, 0.95, 0.99)
    )


_OF_MODELS: Final = f",{ASKED}"
_NOW: Final = Section(
    "Now",
    (
        _number(
            "Requests",
            "Requests for models a second.",
            "reqps",
            f"sum(rate(headrace_requests_total{{@{_OF_MODELS}}}{_RATE}))",
        ),
        _number(
            "Errors",
            "Share that failed by a fault of the gateway or a provider; above 1 % somebody is "
            "woken.",
            "percentunit",
            f"(sum(rate({ANSWERED}{{@,{FAILED}}}{_RATE})) or vector(0)) / "
            f"sum(rate({ANSWERED}{{@,{JUDGED}}}{_RATE}))",
        ),
        _number(
            "From memory",
            "Share of the requests that asked the cache and were answered by it.",
            "percentunit",
            f'avg({HIT_RATIO}5m{{job=~"$job"}})',
        ),
        _number(
            "Under way", "Requests being worked on.", "short", "sum(headrace_inflight_requests{@})"
        ),
        _number(
            "Spent an hour",
            "US dollars that calls cost, at the rate of the last hour.",
            "currencyUSD",
            "sum(rate(headrace_spent_usd_total{@}[1h])) * 3600",
        ),
        _number(
            "Workers", "Worker processes of all gateways.", "short", "sum(headrace_workers{@})"
        ),
    ),
)
_TRAFFIC: Final = Section(
    "Requests",
    (
        _lines(
            "By status",
            "Requests a second by the status of their answer.",
            "reqps",
            (_rate("headrace_requests_total", "status"), "{{status}}"),
        ),
        _lines(
            "How long they take",
            "From the first byte of a request to the last of its answer.",
            "s",
            *_quantiles("headrace_request_duration_seconds", _OF_MODELS),
        ),
        _lines(
            "How long until a stream begins",
            "From the first byte of a request to the first of its stream.",
            "s",
            *_quantiles("headrace_stream_start_seconds", _OF_MODELS),
        ),
        _lines(
            "Where the time goes",
            "Seconds a second spent in each stage: what grows is what holds requests up.",
            "short",
            (_rate("headrace_stage_duration_seconds_sum", "stage"), "{{stage}}"),
        ),
        _lines(
            "Stages that took too long",
            "Stages beyond what is declared for them.",
            "ops",
            (_rate("headrace_stage_overruns_total", "stage"), "{{stage}}"),
        ),
        _lines(
            "Refused",
            "Requests a second that were refused, by why.",
            "reqps",
            (_rate("headrace_rate_limited_total", "limit"), "limit {{limit}}"),
            (_rate("headrace_bad_requests_total", "reason"), "bad {{reason}}"),
            (_rate("headrace_shed_calls_total", "priority"), "shed {{priority}}"),
            (_rate("headrace_budget_refusals_total", "period"), "budget of the {{period}}"),
        ),
    ),
)
_CACHE: Final = Section(
    "Cache and money",
    (
        _lines(
            "Where answers come from",
            "Requests a second by the tier that answered them.",
            "reqps",
            (_rate("headrace_requests_total", "cache", _OF_MODELS), "{{cache}}"),
        ),
        _lines(
            "Saved an hour",
            "US dollars that were not spent, by what spared them.",
            "currencyUSD",
            (f"{_rate('headrace_saved_usd_total', 'by')} * 3600", "{{by}}"),
        ),
        _lines(
            "Spent an hour",
            "US dollars by provider, and what the cache spent on its own account.",
            "currencyUSD",
            (f"{_rate('headrace_spent_usd_total', 'provider')} * 3600", "{{provider}}"),
            (f"{_rate('headrace_cache_spent_usd_total', 'for')} * 3600", "cache: {{for}}"),
        ),
        _lines(
            "Tokens",
            "Tokens a second as providers report them.",
            "short",
            (_rate("headrace_tokens_total", "type"), "{{type}}"),
        ),
        _lines(
            "Memory of the cache",
            "Bytes of the answers kept in memory.",
            "bytes",
            ("sum by (instance) (headrace_cache_bytes{@})", "{{instance}}"),
        ),
        _lines(
            "Budgets",
            "Share of each budget that is spent; above 90 % there is a ticket.",
            "percentunit",
            (
                "max by (budget, period) (headrace_budget_used_ratio{@})",
                "{{budget}}, {{period}}",
            ),
        ),
    ),
)
_PROVIDERS: Final = Section(
    "Providers",
    (
        _lines(
            "Answers",
            "Answers a second by provider and class of status.",
            "reqps",
            (
                _rate("headrace_upstream_requests_total", "provider, status_class"),
                "{{provider}} {{status_class}}",
            ),
        ),
        _lines(
            "Calls without an answer",
            "Calls a second that were not answered, by what went wrong.",
            "ops",
            (_rate("headrace_upstream_errors_total", "provider, kind"), "{{provider}} {{kind}}"),
        ),
        _lines(
            "How long calls take (p95)",
            "Time of calls to each provider.",
            "s",
            (
                "histogram_quantile(0.95, "
                f"{_rate('headrace_upstream_duration_seconds_bucket', 'provider, le')})",
                "{{provider}}",
            ),
        ),
        _lines(
            "Connections",
            "Open connections by state.",
            "short",
            (
                "sum by (provider, state) (headrace_upstream_connections{@})",
                "{{provider}} {{state}}",
            ),
        ),
        _lines(
            "Who waits for a turn",
            "Calls that wait: above 0 for long, the limit or the quota is too small.",
            "short",
            ("sum by (provider) (headrace_waiting_calls{@})", "{{provider}}"),
        ),
        _lines(
            "Passed over",
            "Workers that pass a provider over, and models whose circuit is open.",
            "short",
            ("sum by (provider) (headrace_providers_out{@})", "{{provider}} out"),
            ("sum by (provider) (headrace_circuits_open{@})", "{{provider}} circuits"),
        ),
    ),
)
_BEHIND: Final = Section(
    "Jobs and the store",
    (
        _lines(
            "Jobs",
            "Jobs that wait and that are being done.",
            "short",
            ("max by (job) (headrace_jobs_waiting{@})", "waiting"),
            ("max by (job) (headrace_jobs_running{@})", "running"),
        ),
        _lines(
            "Oldest job",
            "How long the oldest job has waited; above five minutes there is a ticket.",
            "s",
            ("max by (job) (headrace_jobs_oldest_seconds{@})", "oldest"),
        ),
        _lines(
            "Messages",
            "Of the broker, by what became of them, each second; and those under way.",
            "short",
            (_rate("headrace_amqp_messages_total", "outcome"), "{{outcome}}"),
            (f"sum(rate(headrace_amqp_published_total{{@}}{_RATE}))", "published"),
            ("sum(headrace_amqp_inflight{@})", "under way"),
        ),
        _lines(
            "Connections of the store",
            "In use, and who waits for one.",
            "short",
            ("sum by (instance, state) (headrace_store_connections{@})", "{{instance}} {{state}}"),
        ),
        _lines(
            "Standbys",
            "How late each standby is.",
            "s",
            (
                "max by (instance, standby) (headrace_standby_lag_seconds{@})",
                "{{instance}} {{standby}}",
            ),
        ),
        _lines(
            "Slowest queries",
            "Seconds a second spent in queries, the ten that take most.",
            "short",
            (f"topk(10, {_rate('headrace_store_query_seconds_total', 'query')})", "{{query}}"),
        ),
        _lines(
            "Ledger",
            "Bytes of the journal that the store has not taken.",
            "bytes",
            ("sum by (instance) (headrace_ledger_pending_bytes{@})", "{{instance}}"),
        ),
    ),
)
_MACHINE: Final = Section(
    "Processes",
    (
        _lines(
            "Processor",
            "Cores that all workers of a gateway use.",
            "cores",
            (
                f"rate(process_cpu_seconds_total{{@}}{_RATE}) and on (job, instance) "
                "headrace_workers",
                "{{instance}}",
            ),
        ),
        _lines(
            "Memory",
            "Resident memory of all workers of a gateway.",
            "bytes",
            (
                "process_resident_memory_bytes{@} and on (job, instance) headrace_workers",
                "{{instance}}",
            ),
        ),
        _lines(
            "Lateness of the loop",
            "Time by which timers were late: above 250 ms everything waits.",
            "s",
            *_quantiles("headrace_loop_lag_seconds"),
        ),
    ),
)


_REACTIONS: Final = (
    _lines(
        "Budget left",
        "Share of each budget that is left, as the gateway itself has seen; below 0 it is "
        "overdrawn.",
        "percentunit",
        ("min by (slo) (headrace_slo_budget_left_ratio{@})", "{{slo}}"),
    ),
    _lines(
        "What gives way",
        "Share of the calls that can wait that gives way while a budget burns.",
        "percentunit",
        ("max by (instance, slo) (headrace_slo_reaction_share{@})", "{{instance}} {{slo}}"),
    ),
    _lines(
        "Calls that gave way",
        "Calls a second that were refused, answered by a cheaper model or by a text.",
        "reqps",
        (_rate("headrace_slo_reactions_total", "slo, action"), "{{slo}} {{action}}"),
    ),
)


def sections_for(slos: tuple[Slo, ...]) -> tuple[Section, ...]:
    """The whole dashboard.

    Args:
        slos: the service levels whose budgets are shown.
    """
    return (_NOW, *_levels(slos), _TRAFFIC, _CACHE, _PROVIDERS, _BEHIND, _MACHINE)


def _levels(slos: tuple[Slo, ...]) -> tuple[Section, ...]:
    if not slos:
        return ()
    panels = tuple(
        _lines(
            f"How fast the budget of {slo.name} burns",
            f"Share of bad answers, in multiples of the {slo.budget:.4%} that may be: at 1 the "
            f"budget lasts {slo.window_days} days.",
            "short",
            *(
                (f'{RATIO}{window}{{slo="{slo.name}",job=~"$job"}} / {slo.budget:.6g}', window)
                for window in ("5m", "1h", "6h")
            ),
        )
        for slo in slos
    )
    return (Section("Service levels", (*panels, *_REACTIONS)),)
