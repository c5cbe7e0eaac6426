"""What can be set: the settings file as frozen structs, with every default and bound.

Durations are seconds (`_s`), sizes say their unit, `_max` is the largest value allowed.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from headrace.model import DialectName
from headrace.settings import values
from headrace.settings.batches import BatchApiSettings, BatchesSettings, FileSettings
from headrace.settings.bounded import (
    BaseUrl,
    CorsOrigin,
    Count,
    Credential,
    CronFields,
    Duration,
    EmbedderName,
    Filled,
    FilledSecret,
    HeaderName,
    HeaderValue,
    JudgeName,
    ModelName,
    Port,
    ProviderName,
    Seconds,
    Target,
)
from headrace.settings.console import ConsoleSettings
from headrace.settings.conversations import ConversationSettings
from headrace.settings.counting import CountingSettings
from headrace.settings.cron import Cron, Every, parse_cron
from headrace.settings.flow import (
    ApiKeySettings,
    BatchSettings,
    BreakerSettings,
    HedgeSettings,
    LimitSettings,
    LimitsSettings,
    ProcessSettings,
    QuotaSettings,
    RetrySettings,
)
from headrace.settings.intents import Intents
from headrace.settings.jobs import JobsSettings
from headrace.settings.keys import KeySettings
from headrace.settings.ledger import LedgerSettings
from headrace.settings.log import LogSettings
from headrace.settings.prompt import PromptSettings
from headrace.settings.slos import Slo
from headrace.settings.spend import BudgetSettings, SpendSettings
from headrace.settings.stages import StageSettings
from headrace.settings.store import StoreSettings
from headrace.settings.targets import HealthSettings, ModelSettings, OutlierSettings
from headrace.settings.telemetry import TelemetrySettings
from headrace.settings.templates import TemplateSettings
from headrace.settings.tiers import ComplexitySettings, Experiments, Tiers
from headrace.settings.values import Origin


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The server's certificate chain and its key, as paths of PEM files."""

    cert: Filled
    key: Filled


class ListenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server listens and what one client may ask of it.

    Attributes:
        port: 0 takes a free one.
        write_timeout_s: how long a client may read nothing of its answer.
        requests_max: requests in flight.
        drain_timeout_s: how long running requests may take to finish after SIGTERM.
    """

    host: Filled = "127.0.0.1"
    port: Port = 8080
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    tls: TlsSettings | None = None
    cors_origins: tuple[CorsOrigin, ...] = ()
    header_bytes_max: Annotated[int, Meta(ge=1024, le=16_777_216)] = 32768
    header_count_max: Count = 100
    body_bytes_max: Annotated[int, Meta(ge=1, le=4_294_967_296)] = 33_554_432
    header_timeout_s: Seconds = 10.0
    body_timeout_s: Seconds = 60.0
    idle_timeout_s: Seconds = 75.0
    write_timeout_s: Seconds = 60.0
    connections_max: Count = 4096
    requests_max: Count = 2048
    drain_timeout_s: Annotated[float, Meta(ge=0, le=31_536_000)] = 30.0


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One provider: its grammar, its address and how patient to be with it.

    Attributes:
        api_key: sent in the dialect's own header; none for a provider that wants none.
        api_keys: several in its place; each call goes by the one with most room.
        headers: sent with every request besides; their values do not print.
        ca_file: PEM file of the authorities to trust instead of the system's.
        verify: whether the provider's certificate is checked.
        keepalive_s: how long an idle connection is kept.
        warm_connections: connections opened at start.
        idle_timeout_s: how long a started answer may send nothing.
        answer_mb_max: largest answer, in MiB.
        http: which HTTP it is spoken to in; `auto` is what was measured to be better.
        marks: whether its prompts are marked; `auto`: where its documents say that they may be.
        quota: what it lets a key use in a minute; `None`: nothing is counted.
        batches: how batches are handed to its own Batch API; `None`: they are not.
    """

    dialect: DialectName
    base_url: BaseUrl
    api_key: Credential | None = None
    api_keys: tuple[ApiKeySettings, ...] = ()
    headers: dict[HeaderName, HeaderValue] = {}
    ca_file: Filled | None = None
    verify: bool = True
    connections_max: Count = 2048
    keepalive_s: Seconds = 55.0
    warm_connections: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    connect_timeout_s: Seconds = 5.0
    first_byte_timeout_s: Seconds = 120.0
    idle_timeout_s: Seconds = 60.0
    total_timeout_s: Seconds = 600.0
    answer_mb_max: Annotated[int, Meta(ge=1, le=65536)] = 64
    http: Literal["auto", "1.1", "2"] = "auto"
    marks: Literal["auto", "on", "off"] = "auto"
    quota: QuotaSettings | None = None
    batches: BatchApiSettings | None = None
    limit: LimitSettings = LimitSettings()
    retry: RetrySettings = RetrySettings()
    breaker: BreakerSettings = BreakerSettings()
    health: HealthSettings = HealthSettings()
    hedge: HedgeSettings = HedgeSettings()

    @property
    def origin(self) -> Origin:
        """Where this provider listens, taken out of `base_url`.

        Raises:
            ValueError: `base_url` was not checked and cannot be used.
        """
        return values.parse_origin(self.base_url, self.dialect)


class SemanticSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Answers for requests that mean the same.

    Attributes:
        mode: `on` answers; `shadow` answers nothing, and tells how often it would be right.
        embedder: whose vectors: `PROVIDER/MODEL`, or `local:MODEL` for sentence-transformers.
        dimensions: length of the vectors.
        asks_dimensions: whether a provider is told it; for models with several.
        max_error: largest share of wrong ones among the answers given by meaning.
        similarity: from which on answers are given until labels have spoken.
        trusts_similarity: whether that is done before labels have confirmed it.
        explore_share: share of what could be answered that is asked all the same, to learn.
        judge: compares answers, to learn from: `PROVIDER/MODEL`, or `embedder`, which is rough.
        verifier: `PROVIDER/MODEL` that has the last word on two questions.
        turns_max: most messages of user and assistant together; 1 is a question and nothing else.
        temperature_max: requests above it are not compared; one that says nothing has 1.
        text_chars_max: longest question.
        entries_max: most questions of one scope.
        memory_mb: room for all questions, in MiB.
        embed_timeout_ms: how long an embedder may take over a question.
        verify_timeout_ms: how long a verifier may take.
    """

    enabled: bool = False
    mode: Literal["on", "shadow"] = "on"
    embedder: EmbedderName | None = None
    dimensions: Annotated[int, Meta(ge=2, le=8192)] = 384
    asks_dimensions: bool = False
    max_error: Annotated[float, Meta(gt=0, le=0.2)] = 0.02
    similarity: Annotated[float, Meta(ge=0.8, le=1)] = 0.92
    trusts_similarity: bool = True
    explore_share: Annotated[float, Meta(ge=0, le=1)] = 0.05
    judge: JudgeName | None = None
    verifier: Target | None = None
    turns_max: Annotated[int, Meta(ge=1, le=1000)] = 1
    temperature_max: Annotated[float, Meta(ge=0, le=1000)] = 1.0
    text_chars_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    entries_max: Count = 20_000
    memory_mb: Annotated[int, Meta(ge=1, le=16_777_216)] = 64
    embed_timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 250
    verify_timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 1000


class ReuseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What memory makes of the chance that an answer is used again.

    Attributes:
        enabled: whether a full memory takes in only what is worth its room.
        ttl_s_min: how long what will hardly be used stays in memory; with `ttl_s_max`.
        ttl_s_max: the longest that anything stays there.
    """

    enabled: bool = False
    ttl_s_min: Seconds | None = None
    ttl_s_max: Seconds | None = None


class PrefetchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Asking again, ahead of callers, for what expires and is likely to be used.

    Attributes:
        usd_per_hour: budget; 0 is off.
        chance_min: what is less likely to be used is left out.
        ahead_s: how long before its end an answer is considered.
        idle_inflight_max: calls to a provider at once beyond which it is not idle.
        memory_mb: room for the requests that may be asked again, in MiB.
    """

    usd_per_hour: Annotated[float, Meta(ge=0, le=1_000_000)] = 0.0
    chance_min: Annotated[float, Meta(ge=0, le=1)] = 0.25
    ahead_s: Seconds = 10.0
    idle_inflight_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 8
    memory_mb: Annotated[int, Meta(ge=1, le=16_777_216)] = 32


class AdaptiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Lifetimes that follow how often answers really change.

    Attributes:
        check_share: share of hits that are asked again in the background and compared; each is a
            paid call.
        checks_per_minute_max: no more of them in a minute, whatever the share.
        stale_share_max: share of hits that may be stale.
    """

    enabled: bool = False
    check_share: Annotated[float, Meta(ge=0, le=1)] = 0.01
    checks_per_minute_max: Count = 60
    stale_share_max: Annotated[float, Meta(gt=0, le=0.5)] = 0.05
    ttl_s_min: Seconds = 60.0
    ttl_s_max: Seconds = 86400.0


class WarmSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A file of prompts that the gateway asks by itself, so that callers find the answers.

    Attributes:
        file: a JSON request a line; read anew for each run.
        at: when, in cron's five fields, UTC.
        every_s: or how often.
        usd_max: what a run may cost, in US dollars; `None` for no bound.
        tenant: whose answers they are.
        concurrency: requests at once.
        ahead_s: an answer whose time ends sooner than this is asked for again.
    """

    file: Filled
    at: CronFields | None = None
    every_s: Annotated[float, Meta(ge=1, le=31_536_000)] | None = None
    usd_max: Annotated[float, Meta(ge=0, le=1_000_000)] | None = 1.0
    tenant: Filled = "default"
    concurrency: Annotated[int, Meta(ge=1, le=64)] = 4
    ahead_s: Duration = 0.0

    @property
    def timetable(self) -> Cron | Every:
        """When it is time.

        Raises:
            ValueError: neither is set, or the fields cannot be read.
        """
        return parse_cron(self.at or "") if self.every_s is None else Every(self.every_s)


class CacheSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept, how much and how long.

    Attributes:
        memory_mb: room of the memory cache, in MiB.
        policy: which answer leaves memory when it is full; `auto` tries all and takes the best.
        policy_score: what `auto` and `gdsf` are to save.
        stale_s: how long after its time an answer is given while it is asked for again.
        stale_if_error_s: how long after its time an answer is given where the provider fails.
        second_usd: what a second that nobody waits is worth, in US dollars, beside the price.
        temperature_max: requests above it are not cached; `None` caches every temperature.
        tool_calls: whether answers that call tools are cached.
        unsafe: answers that hold one of these words are not cached.
        ignore: request fields that do not count in the key, besides the built-in ones.
        shared: URL of a cache shared by several processes.
        shared_prefix: what the names of its keys begin with.
        durable: whether answers are kept in the store too, and outlive the process.
        durable_mb: room for them there, in MiB.
        tier_timeout_ms: how long a look-up in the shared or the durable cache may take.
        compress_above_kb: answers above it are compressed in both.
        warm: prompts that are asked ahead of callers, at set times.
    """

    enabled: bool = True
    memory_mb: Annotated[int, Meta(ge=1, le=16_777_216)] = 500
    entries_max: Count = 1_000_000
    policy: Literal["lru", "s3fifo", "gdsf", "auto"] = "lru"
    policy_score: Literal["dollars", "hits"] = "dollars"
    ttl_s: Seconds = 3600.0
    ttl_s_max: Seconds = 86400.0
    stale_s: Duration = 0.0
    stale_if_error_s: Duration = 0.0
    second_usd: Annotated[float, Meta(ge=0, le=1000)] = 0.0001
    entry_kb_max: Annotated[int, Meta(ge=1, le=4_194_304)] = 4096
    temperature_max: Annotated[float, Meta(ge=0, le=1000)] | None = None
    tool_calls: bool = True
    unsafe: tuple[Filled, ...] = ()
    ignore: tuple[Filled, ...] = ()
    shared: FilledSecret | None = None
    shared_prefix: Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$")] = "headrace"
    durable: bool = False
    durable_mb: Annotated[int, Meta(ge=1, le=1_073_741_824)] = 10240
    tier_timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 20
    compress_above_kb: Annotated[int, Meta(ge=1, le=1_048_576)] = 4
    reuse: ReuseSettings = ReuseSettings()
    prefetch: PrefetchSettings = PrefetchSettings()
    adaptive: AdaptiveSettings = AdaptiveSettings()
    semantic: SemanticSettings = SemanticSettings()
    warm: WarmSettings | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set."""

    listen: ListenSettings = ListenSettings()
    providers: Annotated[dict[ProviderName, ProviderSettings], Meta(min_length=1)]
    models: dict[ModelName, ModelSettings] = {}
    intents: Intents = {}
    tiers: Tiers = {}
    complexity: ComplexitySettings = ComplexitySettings()
    experiments: Experiments = {}
    outlier: OutlierSettings = OutlierSettings()
    cache: CacheSettings = CacheSettings()
    counting: CountingSettings = CountingSettings()
    batch: BatchSettings = BatchSettings()
    process: ProcessSettings = ProcessSettings()
    prompt: PromptSettings = PromptSettings()
    templates: TemplateSettings = TemplateSettings()
    store: StoreSettings = StoreSettings()
    files: FileSettings = FileSettings()
    batches: BatchesSettings = BatchesSettings()
    ledger: LedgerSettings = LedgerSettings()
    conversations: ConversationSettings = ConversationSettings()
    jobs: JobsSettings = JobsSettings()
    keys: tuple[KeySettings, ...] = ()
    limits: LimitsSettings = LimitsSettings()
    spend: SpendSettings = SpendSettings()
    budgets: tuple[BudgetSettings, ...] = ()
    stages: StageSettings = StageSettings()
    slos: tuple[Slo, ...] = ()
    console: ConsoleSettings = ConsoleSettings()
    log: LogSettings = LogSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    data_dir: Filled | None = None
