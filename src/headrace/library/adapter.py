"""The library face: the engine of the gateway in the caller's own event loop."""

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from headrace.cache.key import repeat_key
from headrace.clock import SystemClock
from headrace.errors import HeadraceError, NotRunning
from headrace.gateway.call import Hints, make_call
from headrace.gateway.engine import Engine
from headrace.gateway.reader import Source
from headrace.gateway.stock.meaning_parts import EmbedTexts
from headrace.library.batching import AskBatch, BatchSender, read_terms
from headrace.library.counts import Counts
from headrace.library.home import Home
from headrace.library.journal import tell_bug, tell_event, tell_tier, tell_unreachable
from headrace.library.listener import Listener
from headrace.library.names import model_names
from headrace.library.question import Prompt, Question, Texts, ask_embeddings, ask_model
from headrace.library.results import Completion, Embeddings, read_completion, read_embeddings
from headrace.library.stream import Stream
from headrace.library.traced import CallSpans, open_spans
from headrace.library.wishes import read_hints, read_scope
from headrace.model import CacheResult
from headrace.routing.directory import Directory
from headrace.settings import SettingsSource, read_settings

# Turns of the loop in which aborted connections tell that they are gone.
_FAREWELL_TURNS = 3
_TOO_EARLY = "The adapter was closed before the answer was complete."

Write = Callable[[Directory], Question]


class Adapter:
    """Asks models through the engine of the gateway, without the HTTP hop.

    Identical requests are answered from memory, and those in flight at the same time share one
    call. It belongs to the event loop it was started in: `async with Adapter() as adapter:`, or
    `await adapter.start()` and `await adapter.close()`. It starts once.

    Args:
        settings: `Settings`, the path of a settings file, a mapping of the file's schema, or
            `None` for the providers of the environment, as `headrace serve` finds them.
        max_tokens: sent to providers that insist on it (Anthropic's) with plain prompts and lists
            of messages that do not set it; a whole request has to bring its own.
        warm_up_timeout_s: the start waits this long for the first connections, and goes on
            without those that are not open by then.
        close_timeout_s: the end waits this long for calls under way.
        embed: makes the vectors for `cache.semantic`, from a list of texts to a row of numbers for
            each; async, or done within a millisecond.
        batch: answers whatever `generate` asks with `use_batching`, in place of the provider: from
            a list of requests that differ in their messages only to a reply for each.
        batch_size: most requests of a batch; 5 where there is a `batch`.
        batch_wait_ms: how long one waits for others while a batch is on its way; 50 likewise.

    Raises:
        SettingsInvalid: the settings cannot be used.
        ValueError: there are bounds of batches, and nothing to batch with.
    """

    def __init__(
        self,
        settings: SettingsSource = None,
        *,
        max_tokens: int = 4096,
        warm_up_timeout_s: float = 2.0,
        close_timeout_s: float = 10.0,
        embed: EmbedTexts | None = None,
        batch: AskBatch | None = None,
        batch_size: int | None = None,
        batch_wait_ms: float | None = None,
    ) -> None:
        self._settings = read_settings(settings)
        self._max_tokens = max_tokens
        self._warm_up_timeout_s = warm_up_timeout_s
        self._close_timeout_s = close_timeout_s
        self._embed = embed
        self._terms = read_terms(batch, batch_size, batch_wait_ms)
        self._batches: BatchSender | None = None
        self._clock = SystemClock()
        self._now = self._clock.monotonic_s
        self._counts = Counts(list(self._settings.providers), self._clock)
        self._engine: Engine | None = None
        self._home: Home | None = None
        self._spans: CallSpans | None = None
        self._is_closing = False
        self._live: set[Listener] = set()
        self._is_quiet = asyncio.Event()

    # Its life.

    async def start(self) -> None:
        """Open the first connections and be ready.

        Raises:
            NotRunning: it was started before.
            SettingsInvalid: a file named in the settings cannot be used.
        """
        if self._engine is not None:
            raise NotRunning(
                "The adapter was started before and starts only once: make another one.",
                code="already_started",
            )
        self._engine = Engine(
            self._settings,
            clock=self._clock,
            metrics=self._counts.metrics,
            on_bug=tell_bug,
            on_unreachable=tell_unreachable,
            on_tier=tell_tier,
            say=tell_event,
            embed=self._embed,
        )
        if self._terms is not None:
            pipeline, providers = self._engine.pipeline, self._settings.providers
            self._batches = pipeline.sender = BatchSender(
                pipeline.sender,
                self._terms,
                timeout_s=lambda name: providers[name].total_timeout_s,
                on_bug=tell_bug,
                clock=self._clock,
            )
        self._home = Home()
        is_ready = False
        try:
            self._spans = open_spans(self._settings.telemetry, self._clock)
            self._engine.start()
            await self._engine.warm_up(self._warm_up_timeout_s)
            is_ready = True
        finally:
            if not is_ready:
                await self.close()

    async def close(self) -> None:
        """Finish the calls under way, up to the limit, and close every connection.

        Streams that the closing task itself left unfinished end at once. Calls that are not
        finished in time raise `NotRunning`. Closing twice does nothing.

        Raises:
            NotRunning: it lives in another loop or process.
        """
        if self._engine is None or self._is_closing:
            return
        self._at_home()
        self._is_closing = True
        closer = asyncio.current_task()
        for listener in list(self._live):
            if listener.task is closer:
                listener.leave(_closed(_TOO_EARLY))
        try:
            if self._live:
                self._is_quiet.clear()
                async with asyncio.timeout(self._close_timeout_s):
                    await self._is_quiet.wait()
        except TimeoutError:
            pass
        finally:
            for listener in list(self._live):
                listener.leave(_closed(_TOO_EARLY))
            await self._engine.close()
            if self._batches is not None:
                await self._batches.close()
            if self._spans is not None:
                await self._spans.close()
            for _ in range(_FAREWELL_TURNS):
                await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # What it is asked.

    async def generate(
        self,
        prompt: Prompt,
        /,
        *,
        model: str | None = None,
        use_cache: bool = True,
        use_batching: bool = True,
        tenant: str = "default",
        ttl_s: float | None = None,
        tags: Sequence[str] = (),
        **fields: Any,
    ) -> Completion:
        """The whole answer of a model.

        Args:
            prompt: a text, a list of messages, or a whole request in the dialect of the model's
                provider, which is sent as it is. A text works for every provider.
            model: its name, such as `gpt-4o-mini`, `provider/model` or one from the settings.
            use_cache: whether a stored answer will do and this one may be stored. A call that
                does not use the cache is always made, and made for itself.
            use_batching: whether identical calls in flight are joined (single-flight), and
                different ones go to `batch` together, where there is one; where not, this call is
                made on its own, to the provider.
            tenant: whose cache to use; tenants share nothing.
            ttl_s: how long the answer is stored, in seconds; the settings' time by default.
            tags: names that the stored answer can be purged by, as in `x-headrace-tags`.
            fields: further fields of the request, such as `temperature`.

        Raises:
            InvalidRequest: the request cannot be understood; `param` names the field.
            NotFound: nobody serves the model.
            UpstreamRefused: the provider answered with an error.
            UpstreamBroken: it could not be reached, or broke off.
            BatchFailed: the batch function raised something, or gave what is no reply.
            NotRunning: the adapter is not running here.
            HeadraceError: base of all of these.
        """
        write = functools.partial(
            ask_model,
            prompt,
            {**fields, "model": model},
            max_tokens=self._max_tokens,
            streams=False,
        )
        hints = read_hints(use_cache=use_cache, use_batching=use_batching, ttl_s=ttl_s, tags=tags)
        listener = self._ask(write, hints, tenant, streams=False)
        answer = await listener.outcome()
        call = listener.call
        return read_completion(answer, _source(listener), call.dialect, call.grammar.operation)

    def stream(
        self,
        prompt: Prompt,
        /,
        *,
        model: str | None = None,
        use_cache: bool = True,
        use_batching: bool = True,
        tenant: str = "default",
        ttl_s: float | None = None,
        tags: Sequence[str] = (),
        **fields: Any,
    ) -> Stream:
        """The answer of a model as events, while it is being written.

        Takes what `generate` takes. The request is made when the first event is asked for, and
        that is where its errors are raised; see `Stream`. A stored answer comes as events too.

        Raises:
            NotRunning: the adapter is not running here.
        """
        write = functools.partial(
            ask_model,
            prompt,
            {**fields, "model": model},
            max_tokens=self._max_tokens,
            streams=True,
        )
        hints = read_hints(use_cache=use_cache, use_batching=use_batching, ttl_s=ttl_s, tags=tags)
        self._running()
        ask = functools.partial(self._ask, write, hints, tenant, streams=True)
        return Stream(ask, asyncio.get_running_loop())

    async def embed(
        self,
        texts: Texts,
        /,
        *,
        model: str | None = None,
        use_cache: bool = True,
        use_batching: bool = True,
        tenant: str = "default",
        ttl_s: float | None = None,
        tags: Sequence[str] = (),
        **fields: Any,
    ) -> Embeddings:
        """The vectors of one text or several, in their order.

        Takes what `generate` takes and raises what it raises; `texts` may be a whole request too.
        """
        write = functools.partial(ask_embeddings, texts, {**fields, "model": model})
        hints = read_hints(use_cache=use_cache, use_batching=use_batching, ttl_s=ttl_s, tags=tags)
        listener = self._ask(write, hints, tenant, streams=False)
        answer = await listener.outcome()
        call = listener.call
        return read_embeddings(answer, _source(listener), call.dialect, call.grammar.operation)

    async def models(self) -> tuple[str, ...]:
        """The names of models that `generate` takes: the configured ones, or the providers' own.

        Raises:
            UpstreamBroken: no provider can say.
            NotRunning: the adapter is not running here.
        """
        return await model_names(
            self._running(),
            dict.fromkeys(provider.dialect for provider in self._settings.providers.values()),
        )

    async def purge(self, scope: str) -> Mapping[str, Any]:
        """Forget stored answers, and those of calls under way, wherever the same tiers are shared.

        Args:
            scope: `all`, `tag:NAME`, `model:PROVIDER/MODEL`, `tenant:NAME` or `key:HEX`.

        Returns:
            What was `purged`, and its `reach` in words.

        Raises:
            InvalidRequest: there is no such scope.
            NotRunning: the adapter is not running here.
        """
        return await self._running().desk.purge(read_scope(scope))

    # What it tells.

    def metrics(self) -> dict[str, Any]:
        """What was asked, saved and spent so far, as plain data; also after the end."""
        return self._counts.told(self._engine, len(self._live))

    def metrics_text(self) -> str:
        """All metrics in Prometheus text format 0.0.4, as the gateway's `/metrics`."""
        return self._counts.text(self._engine, len(self._live))

    def clear_cache(self) -> int:
        """Forget every stored answer; returns how many there were.

        Raises:
            NotRunning: the adapter is not running here.
        """
        return self._running().cache.clear()

    # The inside.

    def _ask(self, write: Write, hints: Hints, tenant: str, *, streams: bool) -> Listener:
        engine, began_s = self._running(), self._now()
        try:
            question = write(engine.pipeline.plan.directory)
        except HeadraceError as error:
            self._counts.refused(error.status, began_s)
            raise
        dialect = engine.dialects[question.dialect]
        call = make_call(dialect, question.operation, tenant, hints, ())
        listener = Listener(call, self._now, keeps=streams, on_over=self._over)
        self._live.add(listener)
        if self._spans is not None:
            self._spans.begin(listener)
        answer = engine.pipeline.repeat(call, repeat_key(call.repeat_scope, question.body), began_s)
        if answer is not None:
            listener.placed(Source(CacheResult.L1, answer.provider, answer.model))
            listener.watch.passed("look_up")
            listener.answer(answer)
            return listener
        try:
            engine.pipeline.handle(call, question.body, listener, listener.watch)
        except HeadraceError as error:
            listener.fail(error)
        return listener

    def _over(self, listener: Listener) -> None:
        self._live.discard(listener)
        self._counts.over(listener)
        if self._spans is not None:
            self._spans.over(listener)
        if not self._live:
            self._is_quiet.set()

    def _running(self) -> Engine:
        if self._engine is None:
            raise NotRunning(
                "The adapter is not started: use `async with adapter:` or `await adapter.start()`.",
                code="not_started",
            )
        self._at_home()
        if self._is_closing:
            raise _closed("The adapter is closed: make another one.")
        return self._engine

    def _at_home(self) -> None:
        if self._home is not None:
            self._home.check()


def _source(listener: Listener) -> Source:
    assert listener.source is not None  # noqa: S101  # an answer has a source
    return listener.source


def _closed(message: str) -> NotRunning:
    return NotRunning(message, code="closed")
