"""The routes that are neither the data plane nor the console: health, metrics, model lists."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol
from urllib.parse import unquote

import msgspec

from headrace.errors import HeadraceError, NotFound
from headrace.model import DialectName
from headrace.observe.exposition import CONTENT_TYPE
from headrace.server.exchange import Exchange
from headrace.server.places import MODEL_PREFIX, Route
from headrace.server.replies import JSON_LINE

Handler = Callable[[Exchange, bytes], None]
Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Models(Protocol):
    """Who knows which models there are."""

    async def page(self, dialect: DialectName, allowed: tuple[str, ...]) -> bytes: ...
    async def item(self, dialect: DialectName, model: str, allowed: tuple[str, ...]) -> bytes: ...


class Operations:
    """Answers `/healthz`, `/readyz`, `/metrics` and `/v1/models`.

    Args:
        is_ready: whether new requests are welcome.
        expose: renders the metrics; runs on a thread, since it may take milliseconds.
        models: gives the model list of the settings in force.
        spawn: starts the task of a request.
        tiers: how the tiers of the cache are, `up`, `read-only` or `down`.
    """

    def __init__(
        self,
        *,
        is_ready: Callable[[], bool],
        expose: Callable[[], Callable[[], bytes]],
        models: Callable[[], Models],
        spawn: Spawn,
        tiers: Callable[[], Mapping[str, str]],
    ) -> None:
        self._is_ready = is_ready
        self._expose = expose
        self._models = models
        self._spawn = spawn
        self._tiers = tiers

    @property
    def handlers(self) -> Mapping[Route, Handler]:
        """Who answers which route."""
        return {
            Route.HEALTH: self._health,
            Route.METRICS: self._metrics,
            Route.MODELS: self._list_models,
        }

    def _health(self, exchange: Exchange, body: bytes) -> None:  # noqa: ARG002
        if exchange.head.path == "/readyz" and not self._is_ready():
            exchange.send(503, JSON_LINE + b"retry-after: 1\r\n", b'{"status":"draining"}')
        else:
            exchange.send(200, JSON_LINE, msgspec.json.encode(self._health_told(exchange)))

    def _health_told(self, exchange: Exchange) -> dict[str, object]:
        # A tier that is down makes answers slower, not impossible: the gateway is still ready.
        tiers = self._tiers() if exchange.head.path == "/readyz" else None
        return {"status": "ok", **({"tiers": tiers} if tiers else {})}

    def _metrics(self, exchange: Exchange, body: bytes) -> None:  # noqa: ARG002
        self._spawn(self._expose_to(exchange))

    async def _expose_to(self, exchange: Exchange) -> None:
        text = await asyncio.to_thread(self._expose())
        exchange.send(200, f"content-type: {CONTENT_TYPE}\r\n".encode(), text)

    def _list_models(self, exchange: Exchange, body: bytes) -> None:  # noqa: ARG002
        self._spawn(self._models_to(exchange))

    async def _models_to(self, exchange: Exchange) -> None:
        head = exchange.head
        dialect, path = head.dialect.name, head.path
        allowed = head.principal.models if head.principal else ()
        try:
            if path.startswith(MODEL_PREFIX) and path != MODEL_PREFIX:
                model = unquote(path[len(MODEL_PREFIX) :])
                page = await self._models().item(dialect, model, allowed)
            elif path == MODEL_PREFIX:
                raise NotFound("Name the model: GET /v1/models/{id}.", code="unknown_route")
            else:
                page = await self._models().page(dialect, allowed)
        except HeadraceError as error:
            exchange.fail(error)
        else:
            exchange.send(200, JSON_LINE, page)
