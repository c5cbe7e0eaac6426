"""Metrics that raise alarms by themselves: their limits, and the words for each."""

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from headrace.console.alarm_words import Wording, counted, gib, minutes, share
from headrace.observe.export import limits

_FIVE_MINUTES_S: Final = 300.0
_QUARTER_S: Final = 900.0


class Watched(msgspec.Struct, frozen=True):
    """A metric that raises an alarm by itself, each of its series alone.

    Attributes:
        family: the metric.
        way: `above` it is more than `limit` now, `lasting` it was so all the time, `grown` it grew
            by more in that time.
        told: how.
        limit: see above.
        window_s: see above, in seconds.
        only: labels of which a series has to have one; empty for all.
        shown: a value as words.
    """

    family: str
    way: Literal["above", "lasting", "grown"]
    told: Wording
    limit: float = 0.0
    window_s: float = 0.0
    only: frozenset[str] = frozenset()
    shown: Callable[[float], str] = counted


_OUT_TODO: Final = (
    "Ask it by hand (its base_url), then see its state under Flow and in the log: "
    "provider_unreachable, circuit_open. It is asked again by itself once it answers."
)
_STANDBY_TODO: Final = (
    "Reads go to the primary meanwhile. See replica_out in the log for why, and the server's own "
    "replication."
)
_STORE_TODO: Final = (
    "Known keys stay known, and leased budgets are spent. See whether the store can be reached "
    "(store.url): headrace db status."
)

WATCHED: Final[tuple[Watched, ...]] = (
    Watched(
        "headrace_connections_refused_total",
        "grown",
        Wording(
            "HeadraceConnectionsRefused",
            "page",
            "Connections were refused in the last five minutes ({value}).",
            "There are as many clients as listen.connections_max allows: raise it, add workers, "
            "or find the client that opens connections and keeps them.",
        ),
        window_s=_FIVE_MINUTES_S,
    ),
    Watched(
        "headrace_shed_calls_total",
        "grown",
        Wording(
            "HeadraceSheds",
            "ticket",
            "Calls of priority {0} were refused in the last five minutes, for workers had too "
            "much to do ({value}).",
            "See This worker under Flow for what there is too much of. Add workers or machines.",
        ),
        window_s=_FIVE_MINUTES_S,
    ),
    Watched(
        "headrace_worker_restarts_total",
        "grown",
        Wording(
            "HeadraceWorkersRestart",
            "ticket",
            "Workers died in the last quarter of an hour, and others took their places ({value}).",
            "The log says worker_ended with exit_code: -9 is mostly the system short of memory "
            "(lower cache.memory_mb or listen.workers); before others stands why, as bug.",
        ),
        window_s=_QUARTER_S,
    ),
    Watched(
        "process_resident_memory_bytes",
        "above",
        Wording(
            "HeadraceMemory",
            "ticket",
            "The workers take {value} of memory together.",
            "Lower cache.memory_mb, or find out what grows: headrace profile.",
        ),
        limit=limits.MEMORY_BYTES,
        shown=gib,
    ),
    Watched(
        "headrace_providers_out",
        "above",
        Wording(
            "HeadraceProviderOut",
            "ticket",
            "Provider {0} is passed over (workers: {value}).",
            _OUT_TODO,
        ),
    ),
    Watched(
        "headrace_circuits_open",
        "above",
        Wording(
            "HeadraceProviderOut",
            "ticket",
            "Circuit breakers of provider {0} are open (models: {value}).",
            _OUT_TODO,
        ),
    ),
    Watched(
        "headrace_waiting_calls",
        "lasting",
        Wording(
            "HeadracePoolFull",
            "ticket",
            "Calls to provider {0} have been waiting for a turn for five minutes, {value} at the "
            "least.",
            "The provider takes no more at once: see its limit under Flow. Add a key or a target, "
            "or ask for less at a time.",
        ),
        window_s=_FIVE_MINUTES_S,
    ),
    Watched(
        "headrace_quota_used_ratio",
        "above",
        Wording(
            "HeadraceQuotaNearlyUsed",
            "ticket",
            "{value} of the {2} that provider {0} allows key {1} in a minute are used.",
            "Add a key (providers.NAME.api_keys), a target at another provider, or have the "
            "provider raise the quota.",
        ),
        limit=limits.QUOTA_SHARE,
        shown=share,
    ),
    Watched(
        "headrace_tiers_out",
        "above",
        Wording(
            "HeadraceTierAway",
            "ticket",
            "Workers go without the tier {0} of the cache ({value}).",
            "Answers cost more meanwhile. l2 is cache.shared, l3 the store: see whether they "
            "can be reached.",
        ),
    ),
    Watched(
        "headrace_standby_lag_seconds",
        "above",
        Wording("HeadraceStandbyLate", "ticket", "Standby {0} is {value} late.", _STANDBY_TODO),
        limit=limits.STANDBY_LATE_S,
        shown=minutes,
    ),
    Watched(
        "headrace_standby_out",
        "above",
        Wording("HeadraceStandbyLate", "ticket", "Standby {0} is left out.", _STANDBY_TODO),
    ),
    Watched(
        "headrace_store_connections",
        "lasting",
        Wording(
            "HeadraceStorePoolFull",
            "ticket",
            "Queries have been waiting for a connection of the store for five minutes, {value} at "
            "the least.",
            "headrace db status says which queries take long; store.pool_size allows more at once.",
        ),
        window_s=_FIVE_MINUTES_S,
        only=frozenset(("waiting",)),
    ),
    Watched(
        "headrace_store_errors_total",
        "grown",
        Wording(
            "HeadraceStoreErrors",
            "ticket",
            "Queries of the store failed in the last five minutes: {0} ({value}).",
            "headrace db status says how the store is; slow_query in the log, which ones are slow.",
        ),
        limit=limits.STORE_ERRORS_PER_S * _FIVE_MINUTES_S,
        window_s=_FIVE_MINUTES_S,
    ),
    Watched(
        "headrace_keys_unseen_seconds",
        "above",
        Wording(
            "HeadraceKeysUnseen",
            "ticket",
            "The store has not told of keys for {value}.",
            _STORE_TODO,
        ),
        limit=limits.UNSEEN_S,
        shown=minutes,
    ),
    Watched(
        "headrace_budgets_unshared_seconds",
        "above",
        Wording(
            "HeadraceKeysUnseen",
            "ticket",
            "The store has not told what other gateways spend for {value}.",
            _STORE_TODO,
        ),
        limit=limits.UNSEEN_S,
        shown=minutes,
    ),
    Watched(
        "headrace_budget_refusals_total",
        "grown",
        Wording(
            "HeadraceBudgetRefuses",
            "page",
            "A budget of the {0} had no room for calls of the last five minutes ({value}).",
            "Spend says how budgets stand. Raise one (budgets) and reload, name a cheaper model "
            "for it, or wait until the {0} is over.",
        ),
        window_s=_FIVE_MINUTES_S,
    ),
    Watched(
        "headrace_ledger_rows_total",
        "grown",
        Wording(
            "HeadraceLedgerLost",
            "page",
            "Rows of the ledger were lost in the last quarter of an hour: {0} ({value}).",
            "dropped: the journal is full or the disk is, bring the store back. damaged: the log "
            "says which file (ledger_journal_damaged, ledger_row_refused).",
        ),
        window_s=_QUARTER_S,
        only=frozenset(("dropped", "damaged")),
    ),
    Watched(
        "headrace_ledger_pending_bytes",
        "lasting",
        Wording(
            "HeadraceLedgerBehind",
            "ticket",
            "The store has taken no rows of the ledger to the end for five minutes; {value} bytes "
            "of journal wait.",
            "Calls are written down meanwhile, up to ledger.journal_mb_max. See whether the store "
            "can be reached: headrace db status.",
        ),
        window_s=_FIVE_MINUTES_S,
    ),
    Watched(
        "headrace_jobs_oldest_seconds",
        "above",
        Wording(
            "HeadraceQueueOld",
            "ticket",
            "The oldest job has been waiting for {value}.",
            "There are too few workers, or they are stuck: see Jobs, and start more by "
            "headrace jobs work.",
        ),
        limit=limits.QUEUE_OLD_S,
        shown=minutes,
    ),
    Watched(
        "headrace_jobs_ended_total",
        "grown",
        Wording(
            "HeadraceJobsFail",
            "ticket",
            "Jobs failed for good in the last quarter of an hour ({value}).",
            "Jobs, state failed, says why of each, and tries it again.",
        ),
        window_s=_QUARTER_S,
        only=frozenset(("failed",)),
    ),
    Watched(
        "headrace_log_lines_dropped_total",
        "grown",
        Wording(
            "HeadraceLogLost",
            "ticket",
            "Lines of the log were lost in the last quarter of an hour ({value}).",
            "What takes the log is slower than what writes it: log to a local disk, or raise "
            "log.level.",
        ),
        window_s=_QUARTER_S,
    ),
)
