"""What somebody should hear of besides service levels, and the series that those rules read."""

from typing import Final

from headrace.observe.export import limits
from headrace.observe.export.rule import Alert, Group, Record
from headrace.observe.export.slo_rules import ANSWERED, ASKED, FAILED, JUDGED
from headrace.settings.slos import BAD_LEAST

HIT_RATIO: Final = "job:headrace_cache_hits:ratio_rate"
SPENT: Final = "job:headrace_spent_usd:rate1h"
_HITS: Final = f'{ASKED},cache=~"l1|l2|l3|semantic|joined"'
_LOOKED: Final = f'{ASKED},cache=~"l1|l2|l3|semantic|joined|miss"'


def hit_ratio(window: str) -> str:
    """PromQL: the share of requests that memory answered of those that asked it, by job."""
    hits, looked = (
        f"sum by (job) (rate(headrace_requests_total{{{which}}}[{window}]))"
        for which in (_HITS, _LOOKED)
    )
    return f"(\n  {hits}\n  or\n  0 * {looked}\n)\n/\n{looked}"


def _asked(window: str) -> str:
    return f"sum by (job) (rate(headrace_requests_total{{{ASKED}}}[{window}]))"


def _grew(series: str, window: str) -> str:
    """PromQL: a counter that grew within the window, or was first seen in it above zero."""
    return f"increase({series}[{window}]) > 0\nor\n({series} > 0 unless {series} offset {window})"


RECORDS: Final = (
    *(Record(f"{HIT_RATIO}{window}", hit_ratio(window)) for window in ("5m", "1h")),
    Record(SPENT, "sum by (job) (rate(headrace_spent_usd_total[1h]))"),
)

_SERVING: Final = (
    Alert(
        "HeadraceGone",
        "absent(headrace_workers)",
        "2m",
        "page",
        "No gateway tells its metrics: it is down, or cannot be reached",
    ),
    Alert(
        "HeadraceInstanceGone",
        # Jobs that had a gateway within a week: which ones are Headrace's, nobody else tells.
        "up == 0\nand on (job)\nmax_over_time(headrace_workers[7d])",
        "2m",
        "page",
        "{{ $labels.instance }} of {{ $labels.job }} tells no metrics: it is down, or cannot be "
        "reached",
    ),
    Alert(
        "HeadraceErrors",
        f"sum by (job) (rate({ANSWERED}{{{FAILED}}}[5m]))\n/\n"
        f"sum by (job) (rate({ANSWERED}{{{JUDGED}}}[5m]))\n> {limits.ERROR_SHARE}\nand\n"
        f"sum by (job) (increase({ANSWERED}{{{FAILED}}}[15m])) >= {BAD_LEAST}",
        "5m",
        "page",
        "{{ $value | humanizePercentage }} of the requests of {{ $labels.job }} fail",
    ),
    Alert(
        "HeadraceConnectionsRefused",
        _grew("headrace_connections_refused_total", "5m"),
        "5m",
        "page",
        "{{ $labels.instance }} has as many clients as it takes, and refuses others",
    ),
    Alert(
        "HeadraceWorkersRestart",
        _grew("headrace_worker_restarts_total", "15m"),
        "0m",
        "ticket",
        "Workers of {{ $labels.instance }} have died, and were started again",
    ),
    Alert(
        "HeadraceSheds",
        "sum by (job, instance, priority) (rate(headrace_shed_calls_total[5m])) > 0",
        "5m",
        "ticket",
        "{{ $labels.instance }} has too much to do and refuses calls of priority "
        "{{ $labels.priority }}",
    ),
    Alert(
        "HeadraceGivesWay",
        "headrace_slo_reaction_share > 0",
        "1m",
        "ticket",
        "{{ $value | humanizePercentage }} of the calls of {{ $labels.instance }} that can wait "
        "give way for {{ $labels.slo }}",
    ),
    Alert(
        "HeadraceLoopLate",
        "histogram_quantile(0.99, sum by (job, instance, le) "
        f"(rate(headrace_loop_lag_seconds_bucket[5m]))) > {limits.LOOP_LATE_S}",
        "10m",
        "ticket",
        "Timers of {{ $labels.instance }} are {{ $value | humanizeDuration }} late",
    ),
    Alert(
        "HeadraceCpu",
        "rate(process_cpu_seconds_total[5m])\n/ on (job, instance)\nheadrace_workers\n"
        f"> {limits.CPU_SHARE}",
        "10m",
        "ticket",
        "Workers of {{ $labels.instance }} use {{ $value | humanizePercentage }} of a core each",
    ),
    Alert(
        "HeadraceMemory",
        f"process_resident_memory_bytes > {limits.MEMORY_BYTES}\n"
        "and on (job, instance)\nheadrace_workers",
        "10m",
        "ticket",
        "{{ $labels.instance }} takes {{ $value | humanize1024 }}B of memory",
    ),
)
_PROVIDERS: Final = (
    Alert(
        "HeadraceProviderErrors",
        "sum by (job, provider) (\n"
        '  rate(headrace_upstream_requests_total{status_class="5xx"}[5m])\n'
        "  or\n"
        "  rate(headrace_upstream_errors_total[5m])\n"
        ")\n/\n"
        "sum by (job, provider) (\n"
        "  rate(headrace_upstream_requests_total[5m])\n"
        "  or\n"
        "  rate(headrace_upstream_errors_total[5m])\n"
        f")\n> {limits.PROVIDER_ERROR_SHARE}",
        "5m",
        "ticket",
        "{{ $value | humanizePercentage }} of the calls to {{ $labels.provider }} fail",
    ),
    Alert(
        "HeadraceProviderOut",
        "headrace_providers_out > 0 or headrace_circuits_open > 0",
        "5m",
        "ticket",
        "{{ $labels.instance }} passes {{ $labels.provider }} over",
    ),
    Alert(
        "HeadracePoolFull",
        "min_over_time(headrace_waiting_calls[5m]) > 0",
        "5m",
        "ticket",
        "Calls to {{ $labels.provider }} have been waiting for a turn for ten minutes",
    ),
    Alert(
        "HeadraceQuotaNearlyUsed",
        f"headrace_quota_used_ratio > {limits.QUOTA_SHARE}",
        "10m",
        "ticket",
        "{{ $value | humanizePercentage }} of a quota of {{ $labels.provider }} is used: "
        "{{ $labels.kind }} of key {{ $labels.key }}",
    ),
)
_MONEY: Final = (
    Alert(
        "HeadraceHitRateFell",
        f"{HIT_RATIO}1h < {limits.HITS_FELL_TO} * {HIT_RATIO}1h offset 1d\nand\n"
        f"{_asked('1h')} > {limits.HITS_ASKED_PER_S}",
        "30m",
        "ticket",
        "The cache of {{ $labels.job }} answers {{ $value | humanizePercentage }}, less than half "
        "of yesterday",
    ),
    Alert(
        "HeadraceTierAway",
        "headrace_tiers_out > 0",
        "5m",
        "ticket",
        "{{ $labels.instance }} goes without the tier {{ $labels.tier }} of its cache",
    ),
    Alert(
        "HeadraceCostSpike",
        # Less than a dollar an hour is no spike, whatever it is a multiple of. The week ends a day
        # ago, or a spike would soon be measured by itself; and it has to have a day in it.
        f"{SPENT} > {limits.SPIKE_FACTOR:g} * max_over_time({SPENT}[6d] offset 1d)\nand\n"
        f"{SPENT} * 3600 > {limits.SPIKE_USD_PER_H:g}\nand\n"
        f"max_over_time({SPENT}[5d] offset 2d) > 0",
        "15m",
        "page",
        "{{ $labels.job }} spends {{ $value }} USD a second, three times what it did in any hour "
        "of the week before",
    ),
    Alert(
        "HeadraceBudgetNearlySpent",
        f"headrace_budget_used_ratio > {limits.BUDGET_SHARE}",
        "5m",
        "ticket",
        "{{ $value | humanizePercentage }} of budget {{ $labels.budget }} of this "
        "{{ $labels.period }} is spent",
    ),
)
_STORE: Final = (
    Alert(
        "HeadraceStandbyLate",
        f"headrace_standby_lag_seconds > {limits.STANDBY_LATE_S:g} or headrace_standby_out > 0",
        "5m",
        "ticket",
        "Standby {{ $labels.standby }} of {{ $labels.instance }} is late, or left out",
    ),
    Alert(
        "HeadraceStorePoolFull",
        'min_over_time(headrace_store_connections{state="waiting"}[5m]) > 0',
        "5m",
        "ticket",
        "Queries of {{ $labels.instance }} have been waiting for a connection for ten minutes",
    ),
    Alert(
        "HeadraceStoreErrors",
        "sum by (job, instance, kind) (rate(headrace_store_errors_total[5m])) > "
        f"{limits.STORE_ERRORS_PER_S}",
        "5m",
        "ticket",
        "Queries of {{ $labels.instance }} fail: {{ $labels.kind }}",
    ),
    Alert(
        "HeadraceKeysUnseen",
        f"headrace_keys_unseen_seconds > {limits.UNSEEN_S:g} or "
        f"headrace_budgets_unshared_seconds > {limits.UNSEEN_S:g}",
        "5m",
        "ticket",
        "The store has not told {{ $labels.instance }} of keys or budgets for "
        "{{ $value | humanizeDuration }}",
    ),
    Alert(
        "HeadraceLedgerLost",
        _grew('headrace_ledger_rows_total{outcome=~"dropped|damaged"}', "15m"),
        "0m",
        "page",
        "{{ $labels.instance }} has lost rows of the ledger: {{ $labels.outcome }}",
    ),
)
_WORK: Final = (
    Alert(
        "HeadraceQueueOld",
        f"headrace_jobs_oldest_seconds > {limits.QUEUE_OLD_S:g}",
        "5m",
        "ticket",
        "The oldest job has been waiting for {{ $value | humanizeDuration }}",
    ),
    Alert(
        "HeadraceJobsFail",
        _grew('headrace_jobs_ended_total{outcome="failed"}', "15m"),
        "0m",
        "ticket",
        "Jobs of {{ $labels.job }} have failed for good",
    ),
    Alert(
        "HeadraceMessagesRefused",
        _grew('headrace_amqp_messages_total{outcome="dead_lettered"}', "15m"),
        "0m",
        "ticket",
        "{{ $labels.instance }} has put messages aside that are no jobs",
    ),
    Alert(
        "HeadraceBrokerAway",
        "headrace_amqp_away_seconds > 60",
        "2m",
        "page",
        "{{ $labels.instance }} has had no broker for {{ $value | humanizeDuration }}",
    ),
    Alert(
        "HeadraceLogLost",
        _grew("headrace_log_lines_dropped_total", "15m"),
        "0m",
        "ticket",
        "{{ $labels.instance }} has lost lines of its log",
    ),
)
ALERTS: Final = (*_SERVING, *_PROVIDERS, *_MONEY, *_STORE, *_WORK)


def alert_groups() -> tuple[Group, ...]:
    """The rules that do not depend on settings."""
    return (Group("headrace-sums", RECORDS), Group("headrace-alerts", ALERTS))
