"""Every metric Headrace has, as data: names, help, labels with their finite values, buckets."""

import msgspec

from headrace.observe.cells import SLO_NAMES_MAX
from headrace.observe.family import OTHER, PROVIDER, Family, Label
from headrace.observe.gen_ai_families import GEN_AI
from headrace.observe.stage_budgets import STREAM_START
from headrace.observe.verdicts import COUNTED
from headrace.settings.slos import MODEL_ROUTES, REQUEST_S
from headrace.version import __version__

ROUTE = Label(
    "route",
    (
        *("chat", "embeddings", "messages", "responses", "models", "api", "admin", "metrics"),
        *("health", OTHER),
    ),
)
STATUS = Label(
    "status",
    (
        *("200", "400", "401", "402", "403", "404", "405", "408", "409", "413", "429", "431"),
        *("499", "500", "502", "503", "504", OTHER),
    ),
)
CACHE = Label("cache", ("l1", "l2", "l3", "semantic", "joined", "miss", "bypass", "none"))
MODEL_ROUTE = Label("route", MODEL_ROUTES)
COUNTED_AS = Label("verdict", COUNTED)
BY = Label("by", ("l1", "l2", "l3", "semantic", "joined"))
FOR = Label(
    "for",
    ("refresh", "prefetch", "revalidate", "embed", "verify", "compare", "warm", "summary"),
)
TIER = Label("tier", ("l2", "l3"))
LOOK_UP = Label("outcome", ("hit", "miss", "fault", "invalid"))
MEANING = Label("outcome", ("hit", "trial", "miss", "fault"))
VERDICT = Label("verdict", ("same", "different"))
WRITE = Label("outcome", ("written", "failed", "dropped"))
LEDGER = Label("outcome", ("written", "dropped", "stored", "damaged"))
PRESSURE = Label("signal", ("lag", "cpu", "memory"))
SHED = Label("priority", ("low", "batch"))
STEP = Label("step", ("compressed", "fitted", "marked"))
STAGE = Label(
    "stage",
    (
        *("authenticate", "validate", "aim", "route", "prepare", "look_up", "tiers", "semantic"),
        *("turn", "join", "shape", "schedule", "send", "relay", "settle"),
    ),
)
OVERRUN = Label("stage", (*STAGE.values, STREAM_START))
STATUS_CLASS = Label("status_class", ("2xx", "3xx", "4xx", "5xx", OTHER))
UPSTREAM_ERROR = Label(
    "kind",
    (
        *("connect", "tls", "timeout_connect", "timeout_first_byte", "timeout_idle"),
        *("timeout_total", "reset", "cut", "garbage", "too_large"),
    ),
)
KEYS_MAX = 8
KEY = Label("key", (*map(str, range(1, KEYS_MAX + 1)), OTHER))
QUOTA = Label("kind", ("requests", "tokens", "input_tokens", "output_tokens"))
HEDGE = Label("outcome", ("won", "lost", "failed", "cancelled", "refused", "blocked"))
CONNECTION_STATE = Label("state", ("idle", "active"))
CHECK = Label("outcome", ("passed", "failed"))
TOKEN_TYPE = Label("type", ("input", "output", "cached", "cache_write"))
TEMPLATE = Label("outcome", ("rendered", "refused", "unknown"))
STALE = Label("why", ("while-revalidate", "if-error"))
EVICTION = Label("reason", ("capacity", "expired", "purged", "removed"))
CONTINUATION = Label("outcome", ("ended", "failed"))
PREFETCHED = Label("outcome", ("used", "wasted", "failed"))
NOT_PREFETCHED = Label("why", ("budget", "value", "busy"))
REFUSAL = Label(
    "reason",
    (
        *("status", "error", "incomplete", "truncated", "filtered", "empty"),
        *("tool_calls", "too_large", "shape", "unsafe", "not_worth", OTHER),
    ),
)
BAD_REQUEST = Label(
    "reason",
    (
        *("protocol", "headers_too_large", "body_too_large", "too_slow", "json", "field"),
        *("method", "route", "model", "key", OTHER),
    ),
)
CHOSEN_TIER = Label("tier", ("cheap", "standard", "strong"))
CHOICE_WHY = Label("why", ("score", "near", "cold", "unread", "session"))
MODE = Label("mode", ("active", "shadow"))
# 0 is for intents without a route of their own.
INTENT_ROUTE = Label("route", tuple(map(str, range(65))))
FAMILIAR = Label("intent", ("known", "unknown"))
ARM = Label("arm", tuple(map(str, range(1, 17))))
BUDGETS_MAX = 16
BUDGET = Label("budget", tuple(map(str, range(1, BUDGETS_MAX + 1))))
PERIOD = Label("period", ("day", "month"))
JOB = Label("outcome", ("succeeded", "failed", "cancelled"))
AMQP = Label("outcome", ("consumed", "acknowledged", "returned", "dead_lettered"))
LINE = Label("outcome", ("answered", "failed", "invalid", "expired"))
# The names of queries are those of the store's files, which stand lower: see `families_with`.
QUERY = Label("query", (OTHER,))
STORE_ERROR = Label("kind", ("busy", "timeout", "full", "lost", "closed", OTHER))
STORE_CONNECTION = Label("state", ("used", "waiting"))
STANDBYS_MAX = 8
STANDBY = Label("standby", tuple(map(str, range(1, STANDBYS_MAX + 1))))
STANDBY_READ = Label("outcome", ("at_once", "waited", "in_vain", "nobody", "failed"))
SLO = Label("slo", tuple(map(str, range(SLO_NAMES_MAX + 1))), slotted="slo")
SLO_WINDOW = Label("window", ("5m", "1h", "6h"))
SPAN = Label("outcome", ("exported", "dropped", "failed"))
SIGNAL = Label("signal", ("traces", "metrics"))
SENT = Label("outcome", ("taken", "failed"))
PRIORITY = Label("priority", ("high", "normal", "low", "batch"))
GAVE_WAY = Label("priority", ("normal", "low", "batch"))
ACTION = Label("action", ("shed", "degrade", "template"))
RATE_LIMIT = Label("limit", ("requests", "tokens", "concurrent", "too_small", "address"))

STAGE_S = (
    *(1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4),
    *(1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)
LAG_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def _counter(name: str, help_: str, *labels: Label) -> Family:
    return Family(f"headrace_{name}_total", help_, "counter", labels)


def _alarm(name: str, help_: str, *labels: Label) -> Family:
    """A counter of what should not be: all its series are there from the start."""
    return Family(f"headrace_{name}_total", help_, "counter", labels, is_whole=True)


def _gauge(name: str, help_: str, *labels: Label) -> Family:
    return Family(f"headrace_{name}", help_, "gauge", labels)


def _worst(name: str, help_: str, *labels: Label) -> Family:
    """A gauge of which the highest worker's value counts, and nothing is not told."""
    return Family(f"headrace_{name}", help_, "gauge", labels, merge="max", is_sparse=True)


def _of_all(name: str, help_: str, *labels: Label) -> Family:
    """A gauge of the whole gateway: one worker tells it, in the rows of the others it is 0. For a
    moment two may, where one takes over from another that was held up."""
    return Family(f"headrace_{name}", help_, "gauge", labels, merge="max")


def _seconds(name: str, help_: str, buckets: tuple[float, ...], *labels: Label) -> Family:
    return Family(f"headrace_{name}_seconds", help_, "histogram", labels, buckets)


_TRAFFIC = (
    _counter("requests", "Requests answered.", ROUTE, STATUS, CACHE),
    _seconds(
        "request_duration",
        "Time from the first byte of a request to the last byte of its answer.",
        REQUEST_S,
        ROUTE,
        CACHE,
    ),
    _seconds(
        "time_to_first_byte",
        "Time from the first byte of a request to the first byte of its answer.",
        REQUEST_S,
        ROUTE,
        CACHE,
    ),
    _seconds(
        "stream_start",
        "Time from the first byte of a request to the first byte of its stream, or to its end.",
        REQUEST_S,
        MODEL_ROUTE,
        COUNTED_AS,
    ),
    _seconds(
        "answer",
        "The same to the last byte of the answer, of models, by how it counts for service levels.",
        REQUEST_S,
        MODEL_ROUTE,
        COUNTED_AS,
    ),
    _seconds("stage_duration", "Time a request spends in a stage.", STAGE_S, STAGE),
    _counter("stage_overruns", "Stages that took longer than is declared for them.", OVERRUN),
    _gauge("inflight_requests", "Requests being worked on."),
    _gauge("connections", "Client connections open."),
    _counter("connections_refused", "Client connections refused at the bound."),
    _counter("client_aborts", "Requests whose client went away before the answer was complete."),
    _counter("bad_requests", "Requests refused as invalid, by what was wrong.", BAD_REQUEST),
    _counter("rate_limited", "Requests refused for a limit of their caller.", RATE_LIMIT),
    _counter("templates", "Requests that named a template, by what became of it.", TEMPLATE),
    _counter("flights_joined", "Requests that shared the upstream call of an identical one."),
)
_UPSTREAM = (
    _counter("upstream_requests", "Answers of providers.", PROVIDER, STATUS_CLASS),
    _counter("upstream_errors", "Calls that providers did not answer.", PROVIDER, UPSTREAM_ERROR),
    _counter("upstream_retries", "Calls sent again.", PROVIDER),
    _counter("fallback_texts", "Answers that were the fallback text of a model."),
    _counter("streams_continued", "Broken streams that went on in another call.", CONTINUATION),
    _counter("upstream_limited", "Answers with status 429, by the key they met.", PROVIDER, KEY),
    _worst(
        "quota_used_ratio",
        "Share of a key's quota in use, of the fullest model and worker.",
        PROVIDER,
        KEY,
        QUOTA,
    ),
    _counter("hedges", "Second calls for what has no answer yet, by outcome.", PROVIDER, HEDGE),
    _counter("hedge_tokens", "Input tokens of calls cancelled for a faster one, about.", PROVIDER),
    _counter("hedge_spent_usd", "US dollars of calls cancelled for a faster one, about.", PROVIDER),
    _counter("circuit_openings", "Circuit breakers that opened or failed to close.", PROVIDER),
    _counter("provider_ejections", "Providers that were ejected as outliers.", PROVIDER),
    _counter("health_checks", "Questions to providers whether they are well.", PROVIDER, CHECK),
    _gauge("providers_out", "Workers that pass a provider over.", PROVIDER),
    _gauge("limited_models", "Models of a provider whose calls at once are limited.", PROVIDER),
    _gauge("waiting_calls", "Calls that wait for their turn at a provider.", PROVIDER),
    _gauge("circuits_open", "Models of a provider that are not asked, or on probation.", PROVIDER),
    _gauge("upstream_connections", "Connections to providers.", PROVIDER, CONNECTION_STATE),
    _counter("upstream_connects", "Connections opened to providers.", PROVIDER),
    _seconds("upstream_duration", "Time of calls to providers.", REQUEST_S, PROVIDER),
    _counter("tokens", "Tokens as providers report them.", PROVIDER, TOKEN_TYPE),
    _counter("spent_usd", "US dollars the calls to providers cost.", PROVIDER),
    _counter("spend_beyond_usd", "US dollars that calls cost beyond what was held for them."),
    _counter("budget_refusals", "Calls that a budget had no room for.", PERIOD),
    _counter("budget_unknown", "Calls refused because the store had not said what is left."),
    _counter("budget_cheaper", "Requests for which a cheaper model was asked, for a budget."),
    Family(
        "headrace_keys_unseen_seconds",
        "For how long the store has not told of keys.",
        "gauge",
        merge="max",
    ),
    Family(
        "headrace_budgets_unshared_seconds",
        "For how long the store has not told what others spend.",
        "gauge",
        merge="max",
    ),
    _worst(
        "budget_used_ratio",
        "Share of a budget that is spent, or held for calls under way.",
        BUDGET,
        PERIOD,
    ),
    _counter("estimated_usd", "US dollars of calls whose tokens were not told, about.", PROVIDER),
    _counter("prompt_cache_saved_usd", "US dollars saved by providers' prompt caches."),
    _counter("prompt_cache_fees_usd", "US dollars paid for writing to them."),
)
_AIM = (
    _counter("model_choices", "Choices among tiers.", CHOSEN_TIER, CHOICE_WHY, MODE),
    _counter("model_choice_saved_usd", "US dollars saved against the strong tier, about.", MODE),
    _counter("model_choice_extra_usd", "US dollars spent beyond the strong tier's, about.", MODE),
    _counter(
        "model_choice_unpriced", "Choices among tiers whose saving is not known for want of prices."
    ),
    _counter("intents", "Requests whose intent was told, by route.", FAMILIAR, INTENT_ROUTE),
    _counter("arm_requests", "Requests by arm of an experiment.", ARM),
    _counter("arm_calls", "Calls to providers by arm of an experiment.", ARM),
    _counter("arm_errors", "Calls that failed or were answered by an error, by arm.", ARM),
    _counter("arm_spent_usd", "US dollars that calls cost, by arm.", ARM),
    _counter("arm_seconds", "Seconds that calls took that were answered, by arm.", ARM),
)
_CACHE = (
    _gauge("cache_entries", "Answers kept in memory."),
    _gauge("cache_bytes", "Bytes of the answers kept in memory."),
    _counter("cache_evictions", "Answers that left the memory, by why.", EVICTION),
    _counter("cache_stores", "Answers put into memory."),
    _counter("cache_refusals", "Answers that were not kept, by why.", REFUSAL),
    _counter("saved_calls", "Upstream calls that were not needed.", BY),
    _counter("saved_tokens", "Tokens that were not bought.", BY, TOKEN_TYPE),
    _counter("saved_usd", "US dollars that were not spent.", BY),
    _counter("saved_seconds", "Seconds of waiting for providers that were not waited.", BY),
    _counter(
        "cache_calls",
        "Calls made for the cache itself, or for a summary, and not for a caller.",
        FOR,
    ),
    _counter(
        "cache_spent_usd", "US dollars spent on calls for the cache itself, or for a summary.", FOR
    ),
    _counter("cache_stale", "Stale answers given, by why.", STALE),
    _counter("prefetched", "Answers asked for ahead, by what became of them.", PREFETCHED),
    _counter("prefetch_refusals", "Answers not asked for ahead, by why.", NOT_PREFETCHED),
    _counter("prefetch_wasted_usd", "US dollars of answers asked for ahead that were of no use."),
    _counter("prefetch_saved_seconds", "Seconds of waiting spared by answers asked for ahead."),
    _gauge("semantic_entries", "Questions that may answer others that mean the same."),
    _counter("semantic_lookups", "Questions compared with others by meaning.", MEANING),
    _counter("semantic_judged", "Sampled answers by meaning, compared with new ones.", VERDICT),
    _counter("cache_purges", "Purges that this worker was asked for."),
    _counter("tier_lookups", "Look-ups in the tiers below memory.", TIER, LOOK_UP),
    _seconds("tier_lookup_duration", "Time of look-ups in the tiers below memory.", STAGE_S, TIER),
    _counter("tier_writes", "Answers written to the tiers below memory.", TIER, WRITE),
    _gauge("tier_queue", "Answers that wait to be written to a tier.", TIER),
    _gauge("tiers_out", "Workers that go without a tier that is set.", TIER),
    Family(
        "headrace_tier_up",
        "Whether any worker asks a tier; 0 while it is left alone or not there.",
        "gauge",
        (TIER,),
        merge="min",
    ),
)
_STORE = (
    _counter("store_queries", "Queries and transactions, by the name of the first.", QUERY),
    _counter("store_query_seconds", "Seconds that they took, with all waiting.", QUERY),
    _alarm("store_errors", "Queries and transactions that failed.", STORE_ERROR),
    _gauge("store_connections", "Connections in use, and who waits for one.", STORE_CONNECTION),
    _counter("standby_reads", "Reads that a standby might answer, by outcome.", STANDBY_READ),
    _worst("standby_lag_seconds", "How late a standby is.", STANDBY),
    _worst("standby_out", "Whether a standby is left out, by any worker.", STANDBY),
)
_SELF = (
    _seconds("loop_lag", "Time by which a timer of the event loop was late.", LAG_S),
    _of_all("slo_burn_rate", "How fast the budget of a service level burns.", SLO, SLO_WINDOW),
    _of_all("slo_budget_used_ratio", "Share of the budget of a service level that is used.", SLO),
    _of_all("slo_budget_left_ratio", "Share of it that is left; below 0 it is overdrawn.", SLO),
    _of_all("slo_reaction_share", "Share of the calls that can wait that gives way for it.", SLO),
    _counter("slo_reactions", "Calls that gave way for it.", SLO, ACTION, GAVE_WAY),
    _counter("slo_calls", "Calls to be made, where service levels have reactions.", PRIORITY),
    _gauge("process_pressure", "Workers that have too much to do, by what tells it.", PRESSURE),
    _counter("prompts_shaped", "Prompts that were changed before they were sent.", STEP),
    _counter("prompt_tokens_removed", "Tokens that prompts were made shorter by, about.", STEP),
    _alarm("shed_calls", "Calls refused by workers that had too much to do.", SHED),
    _alarm("ledger_rows", "Rows of the ledger, by what became of them.", LEDGER),
    _gauge("ledger_pending_bytes", "Bytes of the ledger's journal that the store has not taken."),
    _counter("spans", "Spans that were over, by what became of them.", SPAN),
    _counter("telemetry_exports", "Exports to a collector, by what became of them.", SIGNAL, SENT),
    _counter("log_lines_dropped", "Log lines lost because the log could not keep up."),
    _counter("log_write_errors", "Writes to a log that failed; each is tried again."),
    Family("process_resident_memory_bytes", "Resident memory of all workers.", "gauge"),
    Family("process_cpu_seconds_total", "User and system time of all workers.", "counter"),
    Family(
        "process_start_time_seconds",
        "Start of the oldest worker, seconds since the epoch.",
        "gauge",
        merge="min",
    ),
    Family(
        "headrace_build_info",
        "Always 1; the version is the label.",
        "gauge",
        (Label("version", (__version__,)),),
        merge="max",
    ),
    _gauge("workers", "Worker processes."),
    _alarm("worker_restarts", "Workers that died, and whose places others took."),
)

_WORK = (
    _gauge("batches_running", "Batches that a worker runs."),
    _counter("batch_lines", "Lines of batches that have their result.", LINE),
    _counter("batch_retries", "Lines of batches that were asked again."),
    _counter("jobs_submitted", "Jobs that were taken."),
    _alarm("jobs_ended", "Jobs that have ended, whoever did them.", JOB),
    _gauge("jobs_waiting", "Jobs that wait for a worker."),
    _gauge("jobs_running", "Jobs that are being done."),
    _gauge("jobs_oldest_seconds", "How long the oldest job that waits has waited."),
)

_BROKER = (
    _alarm("amqp_messages", "Messages of a broker, by what became of them.", AMQP),
    _counter("amqp_published", "Messages that told of jobs, and that a broker has confirmed."),
    _counter("amqp_connects", "Connections made to a broker."),
    _counter("amqp_connections_lost", "Connections to a broker that broke or were not made."),
    _gauge("amqp_inflight", "Messages that came and are not answered for yet."),
    Family(
        "headrace_amqp_away_seconds",
        "For how long a worker of jobs has been without its broker.",
        "gauge",
        merge="max",
    ),
)

_GATEWAY = (*_TRAFFIC, *_UPSTREAM, *_AIM, *_CACHE, *_WORK, *_STORE, *_SELF)
FAMILIES: tuple[Family, ...] = (*_GATEWAY, *_BROKER)


def families_with(queries: tuple[str, ...], *, gen_ai: bool = False) -> tuple[Family, ...]:
    """All families of a gateway, with a series for each query of the store.

    Of brokers, workers of jobs tell.

    Args:
        queries: their names.
        gen_ai: whether those of OpenTelemetry's conventions for generative AI are among them.
    """
    label = Label(QUERY.name, (*queries, OTHER))
    return tuple(
        msgspec.structs.replace(family, labels=(label,)) if QUERY in family.labels else family
        for family in (*_GATEWAY, *(GEN_AI if gen_ai else ()))
    )
