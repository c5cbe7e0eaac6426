"""What one worker counts of one provider."""

from collections.abc import Mapping

from headrace.model import Usage
from headrace.observe.families import KEYS_MAX, QUOTA
from headrace.observe.family import OTHER
from headrace.observe.metrics import Metrics


class ProviderMetrics:
    """What is counted of one provider, with every index found beforehand.

    Args:
        metrics: the worker's metrics.
        provider: its name.
    """

    def __init__(self, metrics: Metrics, provider: str) -> None:
        slot = metrics.slot(provider)
        self._metrics = metrics
        self._slot = slot
        self._duration = metrics.upstream_duration.at(slot)
        self._retries = metrics.upstream_retries.at(slot)
        self._openings = metrics.circuit_openings.at(slot)
        self._open = metrics.circuits_open.at(slot)
        self._limited = metrics.limited_models.at(slot)
        self._waiting = metrics.waiting_calls.at(slot)
        self._connects = metrics.upstream_connects.at(slot)
        self._idle = metrics.upstream_connections.at(slot, "idle")
        self._active = metrics.upstream_connections.at(slot, "active")
        self._tokens = metrics.tokens.at(slot, "input")
        self._spent = metrics.spent_usd.at(slot)
        count = metrics.upstream_requests
        classes = {hundred: count.at(slot, f"{hundred}xx") for hundred in range(2, 6)}
        self._classes = classes | {1: count.at(slot, OTHER)}

    def done(self, status: int, seconds: float) -> None:
        """Count an answer with its HTTP status and the seconds from sending to its end."""
        metrics = self._metrics
        index = self._classes.get(status // 100, self._classes[1])
        metrics.upstream_requests.add(index)
        metrics.upstream_duration.observe(self._duration, seconds)

    def failed(self, kind: str) -> None:
        """Count a call that got no whole answer.

        Raises:
            ValueError: `kind` is not one of the label's values.
        """
        errors = self._metrics.upstream_errors
        errors.add(errors.at(self._slot, kind))

    def retried(self) -> None:
        """Count a call that is sent again."""
        self._metrics.upstream_retries.add(self._retries)

    def refused(self, key: int) -> None:
        """Count an answer with status 429 to one of the provider's keys, numbered from 1."""
        limited = self._metrics.upstream_limited
        limited.add(limited.at(self._slot, key))

    def keys_used(self, shares: Mapping[tuple[int, str], float]) -> None:
        """Say what share of each key's quotas is in use, by number and kind; others are not."""
        gauge = self._metrics.quota_used
        for key in range(1, KEYS_MAX + 1):
            for kind in QUOTA.values:
                share = shares.get((key, kind), 0.0)
                gauge.set_at(gauge.at(self._slot, key, kind), share)

    def hedged(self, outcome: str) -> None:
        """Count a second call, or that there was none, by one of the label's values."""
        self._metrics.hedges.add(self._metrics.hedges.at(self._slot, outcome))

    def hedge_spent(self, input_tokens: int, usd: float) -> None:
        """Count what a call that was cancelled for a faster one may have cost in US dollars."""
        metrics = self._metrics
        metrics.hedge_tokens.add(metrics.hedge_tokens.at(self._slot), input_tokens)
        metrics.hedge_spent_usd.add(metrics.hedge_spent_usd.at(self._slot), usd)

    def opened(self) -> None:
        """Count a circuit breaker that opened."""
        self._metrics.circuit_openings.add(self._openings)

    def ejected(self) -> None:
        """Count an ejection."""
        ejections = self._metrics.provider_ejections
        ejections.add(ejections.at(self._slot))

    def checked(self, *, passed: bool) -> None:
        """Count a health check."""
        checks = self._metrics.health_checks
        checks.add(checks.at(self._slot, "passed" if passed else "failed"))

    def out(self, is_out: bool) -> None:
        """Say whether the provider is passed over."""
        gauge = self._metrics.providers_out
        gauge.set_at(gauge.at(self._slot), float(is_out))

    def gates_are(self, not_closed: int, limited: int, waiting: int) -> None:
        """Say how many circuit breakers are not closed, models limited, and calls waiting."""
        self._metrics.circuits_open.set_at(self._open, not_closed)
        self._metrics.limited_models.set_at(self._limited, limited)
        self._metrics.waiting_calls.set_at(self._waiting, waiting)

    def connected(self) -> None:
        """Count a connection that was opened."""
        self._metrics.upstream_connects.add(self._connects)

    def pool_is(self, idle: int, active: int) -> None:
        """Say how many connections wait and how many work."""
        gauge = self._metrics.upstream_connections
        gauge.set_at(self._idle, idle)
        gauge.set_at(self._active, active)

    def spent(self, usage: Usage, usd: float) -> None:
        """Count what a call used and cost in US dollars."""
        tokens = self._metrics.tokens
        tokens.add(self._tokens, usage.input_tokens)
        tokens.add(self._tokens + 1, usage.output_tokens)
        if usage.cached_tokens:
            tokens.add(self._tokens + 2, usage.cached_tokens)
        if written := usage.cache_write_tokens + usage.cache_write_1h_tokens:
            tokens.add(self._tokens + 3, written)
        self._metrics.spent_usd.add(self._spent, usd)

    def estimated(self, usd: float) -> None:
        """Count what a call probably cost in US dollars, whose tokens the provider did not tell."""
        self._metrics.estimated_usd.add(self._metrics.estimated_usd.at(self._slot), usd)
