"""One run through a file of prompts: what is not stored and fresh is asked for, within a budget."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from headrace.cache.entry import Answer, Shape
from headrace.cache.key import decode_document
from headrace.cache.rules import Body, request_cacheable, store_refusal
from headrace.cache.warm_file import Prompt
from headrace.dialects.base import Dialect
from headrace.errors import HeadraceError, InvalidRequest, UpstreamBroken
from headrace.gateway.call import Call, Hints, Stopwatch, make_call
from headrace.gateway.order import Order
from headrace.gateway.pipeline import Pipeline
from headrace.gateway.plan import Plan
from headrace.gateway.reader import Stale
from headrace.gateway.waiter import Waiter
from headrace.model import DialectName, Price
from headrace.routing.directory import Target
from headrace.settings.schema import WarmSettings

WARM = "warm"


class Tally(msgspec.Struct):
    """How a run has gone so far.

    Attributes:
        asked: requests that a provider has answered, and whose answers are stored now.
        there: those whose answers were stored already, or on their way.
        not_stored: those that a provider has answered, in vain: the answer may not be stored.
        failed: those that nobody has answered.
        left: those that were not tried, for want of money.
        usd: what it cost.
        ended: why it ended.
        trouble: what went wrong first.
    """

    asked: int = 0
    there: int = 0
    not_stored: int = 0
    failed: int = 0
    left: int = 0
    usd: float = 0.0
    ended: str = "stopped"
    trouble: str = ""

    def wrong(self, prompt: Prompt, why: str) -> None:
        """Keep the first thing that went wrong, with its line."""
        self.trouble = self.trouble or f"line {prompt.line}: {why}"


class WarmRun:
    """Asks the requests of a file, a bounded number at once. Belongs to one event loop.

    Args:
        prompts: what to ask, in order.
        warm: how much, how many at once, and for whom.
        pipeline: who answers.
        dialects: the grammars, by name.
        now_s: the time, monotonic seconds.

    Attributes:
        tally: how it has gone so far.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        warm: WarmSettings,
        *,
        pipeline: Pipeline,
        dialects: Mapping[DialectName, Dialect],
        now_s: Callable[[], float],
    ) -> None:
        self.tally = Tally()
        self._prompts: Iterator[Prompt] = iter(prompts)
        self._warm = warm
        self._pipeline = pipeline
        self._dialects = dialects
        self._now_s = now_s
        self._knows_cost = True

    async def run(self) -> None:
        """Ask until there is no more, or no money left; who is cancelled gives up its calls."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._warm.concurrency):
                group.create_task(self._work())
        if not self._knows_cost:
            self.tally.ended = "cost_unknown"
        else:
            self.tally.ended = "budget" if self.tally.left else "done"

    async def _work(self) -> None:
        for prompt in self._prompts:
            if self._may_spend:
                await self._try(prompt)
            else:
                self.tally.left += 1

    @property
    def _may_spend(self) -> bool:
        usd_max = self._warm.usd_max
        return self._knows_cost and (usd_max is None or self.tally.usd < usd_max)

    async def _try(self, prompt: Prompt) -> None:
        try:
            await self._ask(prompt)
        except HeadraceError as error:
            self.tally.failed += 1
            self.tally.wrong(prompt, error.message)

    async def _ask(self, prompt: Prompt) -> None:
        plan = self._pipeline.plan
        dialect, target = self._way(prompt, plan)
        body, operation = prompt.body(dialect.name), prompt.operation(dialect.name)
        view = dialect.read_request(operation, decode_document(body))
        if not request_cacheable(view, plan.temperature_max):
            raise InvalidRequest("Its temperature is above cache.temperature_max.")
        if self._warm.usd_max is not None and _price(plan, target) is None:
            raise InvalidRequest(
                f"No price of '{prompt.model}' is known, so that usd_max could not be kept: set "
                "models.NAME.price, or usd_max to null."
            )
        hints = self._hints(prompt, plan)
        call = make_call(dialect, operation, self._warm.tenant, hints, dialect.default_headers)
        await self._send(prompt, call, body)

    def _way(self, prompt: Prompt, plan: Plan) -> tuple[Dialect, Target]:
        """The first of the dialects in which the model can be reached."""
        refusal = InvalidRequest("There is no dialect to ask it in.")
        for name in prompt.dialects:
            try:
                return self._dialects[name], plan.directory.resolve(prompt.model, name)[0]
            except InvalidRequest as error:
                refusal = error
        raise refusal

    def _hints(self, prompt: Prompt, plan: Plan) -> Hints:
        age_s_max = None
        if self._warm.ahead_s or plan.stale_s:
            # What is stale, or will be soon, is not good enough.
            age_s_max = max(0.0, plan.ttl(prompt.ttl_s) - self._warm.ahead_s)
        return Hints(age_s_max=age_s_max, ttl_s=prompt.ttl_s, tags=prompt.tags)

    async def _send(self, prompt: Prompt, call: Call, body: bytes) -> None:
        waiter, now_s = Waiter(), self._now_s
        order = Order(call, body, waiter, Stopwatch(now_s, now_s()), purpose=WARM)
        self._pipeline.handle_all([order])
        if order.error is not None:
            raise order.error
        answer = await waiter.outcome()
        source = waiter.source
        assert source is not None  # noqa: S101  # an answer has a source
        if source.stale is Stale.ERROR:
            raise UpstreamBroken(f"Provider '{source.provider}' failed; the answer kept is stale.")
        if source.fallback is not None:
            raise UpstreamBroken(f"Provider '{source.provider}' failed; there is only a text.")
        if answer.status != 200:
            raise UpstreamBroken(f"Provider '{source.provider}' answered {answer.status}.")
        if source.is_free:
            self.tally.there += 1
        else:
            self._book(prompt, call, answer)

    def _book(self, prompt: Prompt, call: Call, answer: Answer) -> None:
        tally = self.tally
        tally.usd += answer.cost_usd or 0.0
        self._knows_cost &= answer.cost_usd is not None or self._warm.usd_max is None
        body = Body(
            len(answer.body),
            is_kept=True,
            is_as_asked=answer.shape is Shape.WHOLE,
            whole=lambda: answer.body,
        )
        facts = call.dialect.read_reply(call.grammar.operation, answer.body)
        refusal = store_refusal(facts, answer.status, self._pipeline.plan.rules, body)
        if refusal is None:
            tally.asked += 1
        else:
            tally.not_stored += 1
            tally.wrong(prompt, f"the answer may not be stored: {refusal.value}")


def _price(plan: Plan, target: Target) -> Price | None:
    return plan.price(plan.lanes[target.provider], target.model)
