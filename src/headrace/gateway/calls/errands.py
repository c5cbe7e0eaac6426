"""Calls to providers that Headrace makes on its own account, each one booked."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from headrace.clock import Clock
from headrace.dialects.base import Operation
from headrace.dialects.openai_bound import output_bound
from headrace.errors import UpstreamBroken
from headrace.gateway.ledger.ledger import Ledger
from headrace.gateway.plan import Lane, Plan
from headrace.gateway.spend.spending import Spending
from headrace.model import Usage
from headrace.observe.metrics import Metrics
from headrace.upstream.fetch import fetch

# A verdict is one word; Anthropic's API insists on a bound.
_VERDICT_TOKENS_MAX: Final = 16


class Errands:
    """Asks models for what Headrace itself wants to know. Belongs to one event loop.

    Args:
        plan: what the settings say at the moment.
        clock: tells the time.
        metrics: counts.
        spending: holds what they may cost and books what they do, where that is wanted.

    Attributes:
        ledger: has a row for each, where that is wanted.
    """

    def __init__(
        self,
        plan: Callable[[], Plan],
        clock: Clock,
        metrics: Metrics,
        spending: Callable[[], Spending | None],
    ) -> None:
        self.ledger: Ledger | None = None
        self._spending = spending
        self._plan = plan
        self._now_s = clock.monotonic_s
        self._metrics = metrics

    async def embed(self, target: str, body: bytes) -> bytes:
        """Have a provider embed.

        Args:
            target: `PROVIDER/MODEL`.
            body: of a `/v1/embeddings` request.

        Returns:
            The body of the answer.

        Raises:
            HeadraceError: there is no such provider, it was not reached, or it refused.
        """
        lane, model = self._way(target)
        return await self._ask(lane, model, Operation.EMBEDDINGS, body, "embed")

    async def complete(
        self,
        target: str,
        prompt: str,
        purpose: str,
        tokens_max: int | None = None,
        tenant: str = "",
    ) -> str:
        """What a model says to a prompt.

        Args:
            target: `PROVIDER/MODEL`.
            prompt: what it is told.
            purpose: what the call is booked as.
            tokens_max: most tokens of what it says; by default it is bound only where its API
                insists on it.
            tenant: who pays, if it is for one.

        Raises:
            HeadraceError: as for `embed`.
        """
        lane, model = self._way(target)
        document: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
        }
        dialect, operation = lane.endpoint.dialect, Operation.CHAT
        if dialect.name == "anthropic":
            operation = Operation.MESSAGES
            document["max_tokens"] = tokens_max or _VERDICT_TOKENS_MAX
        elif tokens_max is not None:
            document |= output_bound(model, tokens_max)
        body = msgspec.json.encode(document)
        said = await self._ask(lane, model, operation, body, purpose, tenant)
        return dialect.reply_text(operation, said)

    def _way(self, target: str) -> tuple[Lane, str]:
        provider, _, model = target.partition("/")
        lane = self._plan().lanes.get(provider)
        if lane is None:  # a reload has taken it away
            raise UpstreamBroken(f"There is no provider '{provider}' any more.")
        return lane, model

    async def _ask(
        self,
        lane: Lane,
        model: str,
        operation: Operation,
        body: bytes,
        purpose: str,
        tenant: str = "",
    ) -> bytes:
        spending = self._spending()
        if spending is None:
            return (await self._fetch(lane, model, operation, body, purpose, tenant))[0]
        has_output = operation is not Operation.EMBEDDINGS
        with spending.errand(lane, model, body, has_output=has_output, tenant=tenant) as spent:
            said, usage, cost_usd = await self._fetch(lane, model, operation, body, purpose, tenant)
            spent(cost_usd, usage)
        return said

    async def _fetch(
        self,
        lane: Lane,
        model: str,
        operation: Operation,
        body: bytes,
        purpose: str,
        tenant: str,
    ) -> tuple[bytes, Usage | None, float]:
        endpoint = lane.endpoint
        began_s = self._now_s()
        path = endpoint.dialect.grammars[operation].path
        turns = None if lane.gates.keys is None else lane.gates.of(model).turns
        allowance = None if turns is None else turns.allowance
        if allowance is None:
            status, _, said = await fetch(endpoint, path, body=body)
        else:
            with allowance.errand(body, has_output=operation is not Operation.EMBEDDINGS) as key:
                status, _, said = await fetch(endpoint, path, body=body, key=key)
        lane.meter.done(status, self._now_s() - began_s)
        if status != 200:
            raise UpstreamBroken(f"Provider '{endpoint.name}' answered {status}.")
        usage = endpoint.dialect.read_reply(operation, said).usage
        price = self._plan().price(lane, model) if usage else None
        cost_usd = price.cost_usd(usage) if price and usage else 0.0
        if usage:
            lane.meter.spent(usage, cost_usd)
        self._metrics.cache_spent(purpose, cost_usd)
        if self.ledger is not None:
            target, took_s = (endpoint.name, model), self._now_s() - began_s
            usd = cost_usd if price else None
            self.ledger.errand(purpose, (tenant, ""), operation, target, usage, usd, took_s)
        return said, usage, cost_usd
