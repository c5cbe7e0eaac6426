"""What can be set of how providers are asked: limits, retries, circuit breakers."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from headrace.settings import values
from headrace.settings.bounded import Count, Credential, Seconds

Share = Annotated[float, Meta(ge=0, le=1)]
Milliseconds = Annotated[float, Meta(gt=0, le=60_000)]
Rate = Annotated[float, Meta(gt=0, le=1)]
PerMinute = Annotated[float, Meta(gt=0, le=1_000_000_000_000)]
Burst = Annotated[float, Meta(gt=0, le=60)]
KeyName = Annotated[str, Meta(extra={"check": values.key_name_problem})]


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Embeddings of many callers in one call to their provider.

    Attributes:
        enabled: whether they are merged.
        items_max: most inputs of one call.
        tokens_max: most tokens of one call, estimated where they are not counted.
        wait_ms_max: how long one may wait for company, while another call is on its way.
    """

    enabled: bool = True
    items_max: Annotated[int, Meta(ge=1, le=2048)] = 100
    tokens_max: Count = 50_000
    wait_ms_max: Annotated[float, Meta(ge=0, le=1000)] = 50.0


class ProcessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a worker itself has too much to do, and refuses what can wait.

    Attributes:
        lag_ms_max: how late its event loop may be.
        busy_lag_ms_max: and while it uses its processor to the full.
        memory_mb_max: resident memory of a worker, in MiB; `None` for no bound.
    """

    lag_ms_max: Milliseconds = 1000.0
    busy_lag_ms_max: Milliseconds = 500.0
    memory_mb_max: Annotated[int, Meta(ge=1, le=16_777_216)] | None = None


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls of a model run at once, and how many wait.

    Attributes:
        algorithm: how the number is found: by what the provider refuses (`cubic`, `aimd`), by how
            long first tokens take as well (`gradient`), or `fixed` as `inflight_max`.
        inflight_max: never more than these, and to begin with; `None`: as `connections_max`.
        inflight_min: never fewer.
        waiting_max: calls that wait for their turn.
    """

    algorithm: Literal["cubic", "aimd", "gradient", "fixed"] = "cubic"
    inflight_max: Count | None = None
    inflight_min: Count = 1
    waiting_max: Count = 1024


class QuotaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider lets a key use in a minute; what is `None`, its answers' headers may tell.

    Attributes:
        requests_per_minute: calls.
        tokens_per_minute: input and output together, as OpenAI and Azure count.
        input_tokens_per_minute: as Anthropic and Google count.
        output_tokens_per_minute: as Anthropic counts.
        per_model: whether each model has a quota of its own, as with all of these.
        burst_s: how many seconds' worth may be used at once.
        headroom: what part of that stays unused, for calls that overtake each other.
        share: how much of the key each process may use; `None`: an equal part for each worker.
        retry_after_s_max: a `retry-after` above this shuts the key for this long.
        refunds: whether `tokens` count as they were used in the end, and not as asked for.
        learn: whether headers set limits where there are none, and lower those there are.
    """

    requests_per_minute: PerMinute | None = None
    tokens_per_minute: PerMinute | None = None
    input_tokens_per_minute: PerMinute | None = None
    output_tokens_per_minute: PerMinute | None = None
    per_model: bool = True
    burst_s: Burst = 60.0
    headroom: Annotated[float, Meta(ge=0, le=0.5)] = 0.05
    share: Rate | None = None
    retry_after_s_max: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    refunds: bool = False
    learn: bool = True


class ApiKeySettings(msgspec.Struct, frozen=True, kw_only=True):
    """One of several keys of a provider.

    Attributes:
        key: sent in the dialect's own header.
        name: what pages and logs call it, beside its number; never the key itself.
        quota: its own, in place of the provider's.
    """

    key: Credential
    name: KeyName | None = None
    quota: QuotaSettings | None = None


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often a call that failed is tried again at the same provider.

    Attributes:
        tries_max: tries of one call, the first included; 1 is none again.
        budget_share: tries again for each call of the last ten seconds.
        budget_floor: tries again in ten seconds that need no calls.
        wait_s_max: the longest wait before a try, where the provider asks for none.
        retry_after_s_max: a provider that asks for a longer wait is not tried again.
    """

    tries_max: Annotated[int, Meta(ge=1, le=10)] = 3
    budget_share: Share = 0.1
    budget_floor: Annotated[int, Meta(ge=0, le=1000)] = 3
    wait_s_max: Seconds = 8.0
    retry_after_s_max: Seconds = 60.0


class BreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a model of a provider is left alone for a while.

    Attributes:
        enabled: whether it ever is.
        failure_rate: share of its calls that failed.
        slow_s: an answer that takes longer to begin is slow; `None`: none is.
        slow_rate: share of its calls that were slow.
        calls_min: fewer calls than these say nothing.
        row_max: so many failures in a row are enough all the same.
        window_s: calls of so many seconds count.
        open_s: how long it is left alone at first.
        open_s_max: and at most, as that doubles.
    """

    enabled: bool = True
    failure_rate: Rate = 0.5
    slow_s: Seconds | None = None
    slow_rate: Rate = 0.8
    calls_min: Count = 20
    row_max: Count = 10
    window_s: Seconds = 30.0
    open_s: Seconds = 5.0
    open_s_max: Seconds = 120.0


class AddressLimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often an address may ask, whoever it says it is.

    Attributes:
        requests_per_minute: of one address; `None`: as often as it likes.
        burst_s: how many seconds' worth of them may come at once.
        addresses_max: addresses that are told apart.
    """

    requests_per_minute: PerMinute | None = None
    burst_s: Burst = 10.0
    addresses_max: Count = 10_000


class LimitsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the gateway at most, beside what each key may ask."""

    address: AddressLimitSettings = AddressLimitSettings()


class HedgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a call that has not begun to be answered is made a second time, elsewhere.

    Attributes:
        enabled: whether it ever is.
        share_max: second calls for each call of the last `window_s`.
        quantile: the share of calls like it that have begun to be answered by then.
        after_ms_min: and no sooner than that.
        samples_min: so many answers of its like have to be known.
        window_s: calls of so many seconds count.
        same_target: whether it may be made twice at the one target there is.
    """

    enabled: bool = False
    share_max: Rate = 0.02
    quantile: Annotated[float, Meta(ge=0.5, le=0.9999)] = 0.95
    after_ms_min: Annotated[float, Meta(ge=1, le=600_000)] = 20.0
    samples_min: Count = 50
    window_s: Seconds = 60.0
    same_target: bool = False
