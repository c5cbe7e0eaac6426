"""The ways to the providers: those in force, and those that only finish the calls they carry."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from weakref import WeakSet

from headrace.cache.key import scope_digest
from headrace.clock import Clock
from headrace.dialects.base import Dialect
from headrace.errors import SettingsInvalid
from headrace.flow.breaker import State
from headrace.flow.budget import ShareBudget
from headrace.flow.retry import Backoff
from headrace.gateway.gates.gate import Gates
from headrace.gateway.gates.lane_keys import inherit, make_keys, secrets_of
from headrace.gateway.gates.lane_terms import gate_terms
from headrace.gateway.plan import Lane
from headrace.model import DialectName
from headrace.observe.metrics import Metrics
from headrace.observe.provider_metrics import ProviderMetrics
from headrace.settings import ProviderSettings
from headrace.upstream.endpoint import Endpoint, check_http2, tls_context
from headrace.upstream.pool import Spawn

OnCircuit = Callable[[str, str, State], None]


class Lanes:
    """The lanes of one engine, through reloads.

    Args:
        dialects: the grammars, by name.
        metrics: counts.
        spawn: starts the task that opens a connection.
        clock: the time.
        uniform: draws numbers from 0 to 1.
        on_circuit: told the provider and the model whose circuit breaker changed, and how it is.

    Attributes:
        retired: lanes that a reload took away and that still carry calls.
    """

    def __init__(
        self,
        dialects: Mapping[DialectName, Dialect],
        metrics: Metrics,
        spawn: Spawn,
        clock: Clock,
        uniform: Callable[[], float],
        on_circuit: OnCircuit,
    ) -> None:
        self.retired: list[Lane] = []
        self._dialects = dialects
        self._metrics = metrics
        self._spawn = spawn
        self._clock = clock
        self._uniform = uniform
        self._on_circuit = on_circuit
        self._in_force: dict[str, tuple[ProviderSettings, Lane]] = {}
        # Whoever was routed before a reload may still look elsewhere, and set out only later.
        self._let_go_of: WeakSet[Lane] = WeakSet()

    def __iter__(self) -> Iterator[Lane]:
        for _, lane in self._in_force.values():
            yield lane
        yield from self.retired

    @property
    def calls(self) -> int:
        """Calls under way."""
        self._take_back()
        return sum(lane.endpoint.pool.active + lane.gates.waiting for lane in self)

    def change(
        self, providers: Mapping[str, ProviderSettings], workers: int = 1
    ) -> dict[str, Lane]:
        """Go by other settings; lanes whose settings are the same keep their connections.

        Files of authorities are read again, and count for connections yet to be opened.

        Args:
            providers: by name.
            workers: processes that share the quotas of providers.

        Returns:
            The lanes in force, by the provider's name.

        Raises:
            SettingsInvalid: a file of authorities cannot be used, or HTTP/2 is not installed;
                nothing has changed.
        """
        for name, settings in providers.items():
            if settings.http == "2":
                check_http2(name)
        trust = Trust()
        contexts = {name: trust.context(name, settings) for name, settings in providers.items()}
        before, self._in_force = self._in_force, {}
        for name, settings in providers.items():
            known = before.get(name)
            if known is not None and known[0] == settings:
                known[1].endpoint.pool.trust(contexts[name])
                self._in_force[name] = before.pop(name)
            else:
                lane = self._lane(name, settings, contexts[name], workers)
                self._in_force[name] = (settings, lane)
                if known is not None:
                    inherit(lane.gates.keys, known[1].gates.keys)
        for name, (_, lane) in before.items():
            lane.endpoint.pool.close()
            self.retired.append(lane)
            if name not in self._in_force:
                lane.meter.gates_are(0, 0, 0)
                inherit(None, lane.gates.keys)
        self._let_go()
        return {name: lane for name, (_, lane) in self._in_force.items()}

    def sweep(self, now_s: float) -> None:
        """Keep the time limits of calls, and let go of what has nothing left to do."""
        self._take_back()
        for lane in self:
            lane.endpoint.pool.sweep(now_s)
            lane.gates.sweep()
        if self.retired:
            self._let_go()

    def turn_away(self) -> None:
        """Refuse every call that waits for its turn."""
        self._take_back()
        for lane in self:
            lane.gates.close()

    def close(self) -> None:
        """End every call and close every connection."""
        self.turn_away()
        for lane in self:
            lane.endpoint.pool.end()

    def refresh_gauges(self) -> None:
        """Count the connections to each provider, by whichever lane."""
        counts: dict[str, tuple[int, int]] = {}
        for lane in self:
            pool, name = lane.endpoint.pool, lane.endpoint.name
            idle, active = counts.get(name, (0, 0))
            counts[name] = (idle + pool.idle, active + pool.active)
        for lane in self:
            lane.meter.pool_is(*counts[lane.endpoint.name])
        for _, lane in self._in_force.values():
            gates = lane.gates
            lane.meter.gates_are(gates.not_closed, gates.limited, gates.waiting)
            if gates.keys is not None:
                gates.keys.refresh_gauges()

    def _take_back(self) -> None:
        """Look after lanes again that carry calls after all."""
        for lane in [lane for lane in self._let_go_of if _is_needed(lane)]:
            self._let_go_of.discard(lane)
            self.retired.append(lane)

    def _let_go(self) -> None:
        for lane in self.retired:
            if not _is_needed(lane):
                lane.meter.pool_is(0, 0)
                self._let_go_of.add(lane)
        self.retired = [lane for lane in self.retired if _is_needed(lane)]

    def _lane(
        self, name: str, settings: ProviderSettings, tls: ssl.SSLContext | None, workers: int
    ) -> Lane:
        dialect = self._dialects[settings.dialect]
        meter = ProviderMetrics(self._metrics, name)
        headers = tuple(
            (header.lower().encode(), value.reveal().encode())
            for header, value in settings.headers.items()
        )
        endpoint = Endpoint(
            name,
            dialect,
            settings.origin,
            headers=headers,
            credentials=tuple(
                () if secret is None else dialect.credential_headers(secret.reveal())
                for secret in secrets_of(settings)
            ),
            defaults=dialect.default_headers,
            limits=settings,
            tls=tls,
            meter=meter,
            spawn=self._spawn,
            http2=settings.http == "2",
        )

        def changed(model: str, state: State) -> None:
            if state is State.OPEN:
                meter.opened()
            self._on_circuit(name, model, state)

        gates = Gates(
            gate_terms(settings),
            backoff=Backoff(
                tries_max=settings.retry.tries_max,
                max_s=settings.retry.wait_s_max,
                retry_after_s_max=settings.retry.retry_after_s_max,
            ),
            budget=ShareBudget(
                share=settings.retry.budget_share, floor=settings.retry.budget_floor
            ),
            clock=self._clock,
            uniform=self._uniform,
            on_change=changed,
            keys=make_keys(name, settings, workers, self._clock, meter),
        )
        scope = scope_digest(name.encode(), endpoint.base_url.encode())
        return Lane(endpoint, meter, scope, gates)


def _is_needed(lane: Lane) -> bool:
    """Whether calls are under way there, or wait for their turn."""
    return bool(lane.endpoint.pool.active or lane.gates.waiting)


class Trust:
    """How to verify providers; those that trust the same authorities share one context."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[bool, str | None], ssl.SSLContext] = {}

    def context(self, name: str, settings: ProviderSettings) -> ssl.SSLContext | None:
        """How to verify a provider, `None` for plain HTTP.

        Raises:
            SettingsInvalid: its file of authorities cannot be used.
        """
        if not settings.origin.is_tls:
            return None
        key = (settings.verify, settings.ca_file)
        if key not in self._contexts:
            try:
                self._contexts[key] = tls_context(verify=key[0], ca_file=key[1])
            except OSError as error:
                raise SettingsInvalid(
                    f"providers.{name}.ca_file cannot be used: {error}"
                ) from error
        return self._contexts[key]
