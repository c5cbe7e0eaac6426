"""How calls to providers flow, as plain data for the console."""

from collections.abc import Callable
from typing import Any

import msgspec

from headrace.flow.hedging import Hedges
from headrace.gateway.calls.shedding import Shedding
from headrace.gateway.calls.targets import Targets
from headrace.gateway.gates.gate import Gate
from headrace.gateway.plan import Lane, Plan


class FlowDesk:
    """Tells of limits, queues and circuit breakers.

    Args:
        plan: gives the settings in force.
        shedding: knows how loaded this process is.
        targets: knows the targets of models.
    """

    def __init__(self, plan: Callable[[], Plan], shedding: Shedding, targets: Targets) -> None:
        self._plan = plan
        self._shedding = shedding
        self._targets = targets

    def told(self) -> dict[str, Any]:
        """This worker, and each provider with its models that were asked for as it sees them."""
        plan = self._plan()
        aim = (
            {"intents": {}, "tiers": {}, "experiments": {}} if plan.aim is None else plan.aim.told()
        )
        return {
            "process": self._shedding.told(),
            "providers": {
                name: _provider(lane) | self._targets.wellness.told(name)
                for name, lane in plan.lanes.items()
            },
            "models": self._targets.told(),
            **aim,
        }


def _provider(lane: Lane) -> dict[str, Any]:
    gates = lane.gates
    budget = gates.budget
    return {
        "retries": {"spent": budget.spent, "refused": budget.refused},
        "keys": [] if gates.keys is None else gates.keys.told(),
        "models": {model: _model(gate) for model, gate in gates},
    }


def _model(gate: Gate) -> dict[str, Any]:
    told: dict[str, Any] = {
        "circuit": {"state": gate.breaker.state.value, "opened": gate.breaker.opened},
        "inflight": gate.inflight,
        "limit": None,
        "queue": None,
        "hedges": None if gate.hedges is None else _hedges(gate.hedges),
    }
    if gate.turns is not None:
        told["inflight"] = gate.turns.limiter.inflight
        told["limit"] = msgspec.to_builtins(gate.turns.limiter.stats())
        told["queue"] = msgspec.to_builtins(gate.turns.scheduler.snapshot())
        told["queue"]["waiting"] = gate.turns.waiting
    return told


def _hedges(hedges: Hedges) -> dict[str, Any]:
    return {
        "requests": hedges.budget.requests,
        "made": hedges.budget.spent,
        "outcomes": dict(hedges.outcomes),
        "estimated_input_tokens": hedges.input_tokens,
        "estimated_usd": hedges.usd,
    }
