"""From a provider's settings to its keys and their quotas."""

from headrace.clock import Clock
from headrace.flow.quota.key import QuotaLimits
from headrace.gateway.gates.quotas import Key, KeyMeter, Keys
from headrace.settings import ProviderSettings, Secret
from headrace.settings.flow import ApiKeySettings, QuotaSettings


def make_keys(
    name: str, settings: ProviderSettings, workers: int, clock: Clock, meter: KeyMeter
) -> Keys | None:
    """A provider's keys; None where there is one, and nothing is counted.

    Args:
        name: the provider's.
        settings: the provider's.
        workers: processes that share the keys.
        clock: the time.
        meter: told what happens to keys.
    """
    several = settings.api_keys
    if not several and settings.quota is None:
        return None
    usual = settings.quota or QuotaSettings()
    if not several:
        limits = quota_limits(usual, workers)
        only = Key(1, "", settings.api_key, limits, per_model=usual.per_model)
        return Keys(name, (only,), clock, meter)
    return Keys(
        name,
        tuple(_key(at, each, usual, workers) for at, each in enumerate(several, 1)),
        clock,
        meter,
    )


def secrets_of(settings: ProviderSettings) -> tuple[Secret | None, ...]:
    """A provider's keys, in their order; of one that wants none, there is one that is None."""
    return tuple(each.key for each in settings.api_keys) or (settings.api_key,)


def quota_limits(quota: QuotaSettings, workers: int) -> QuotaLimits:
    """What a key may use, from its settings."""
    return QuotaLimits(
        requests_per_minute=quota.requests_per_minute,
        tokens_per_minute=quota.tokens_per_minute,
        input_tokens_per_minute=quota.input_tokens_per_minute,
        output_tokens_per_minute=quota.output_tokens_per_minute,
        burst_s=quota.burst_s,
        headroom=quota.headroom,
        share=quota.share or 1 / workers,
        retry_after_s_max=quota.retry_after_s_max,
        is_refunding=quota.refunds,
        is_learning=quota.learn,
    )


def inherit(keys: Keys | None, before: Keys | None) -> None:
    """Let keys go on from where they stood before a reload."""
    if before is not None:
        before.meter.keys_used({})  # those that are gone use nothing
    if keys is not None and before is not None:
        keys.inherit(before)


def _key(number: int, each: ApiKeySettings, usual: QuotaSettings, workers: int) -> Key:
    quota = each.quota or usual
    limits = quota_limits(quota, workers)
    return Key(number, each.name or "", each.key, limits, per_model=quota.per_model)
