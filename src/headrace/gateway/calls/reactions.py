"""Calls that can wait give way while the budget of a service level burns.

How much gives way is decided elsewhere, once for all workers; here it is gone by. Calls of high
priority never do, nor those that others have joined; what is stored, or under way already, is given
to everybody. Callers are told by `x-headrace-slo`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from headrace.dialects.base import Operation
from headrace.errors import HeadraceError, Overloaded
from headrace.flow.scheduler import Priority
from headrace.gateway.flight import Flight
from headrace.gateway.order import Order
from headrace.observe.metrics import Metrics
from headrace.observe.slo_council import Shares
from headrace.observe.verdicts import TEMPLATED
from headrace.settings.slos import ReactionAction, Slo


class Acting(NamedTuple):
    """One reaction that is under way.

    Attributes:
        name: of its service level.
        slot: where that is counted.
        model: the cheaper one of `degrade`; empty for the tier below.
        retry_after_s: when it is worth while to try again.
        shares: how much gives way.
    """

    name: str
    slot: int
    action: ReactionAction
    model: str
    retry_after_s: float
    shares: Shares


class Reactions:
    """Goes by what is decided. Belongs to one event loop.

    Args:
        uniform: draws numbers from 0 to 1.
        metrics: counts.
    """

    def __init__(self, uniform: Callable[[], float], metrics: Metrics) -> None:
        self._uniform = uniform
        self._calls, self._acted = metrics.slo_calls, metrics.slo_reactions
        self._cells = tuple(self._calls.at(each.name.lower()) for each in Priority)
        self._idle: tuple[Acting, ...] = ()
        self._acting: tuple[Acting, ...] = ()

    def adopt(self, slos: tuple[Slo, ...], slots: Mapping[str, int]) -> None:
        """Go by other settings.

        Args:
            slos: those declared.
            slots: where they are counted, by name.
        """
        self._acting = ()
        self._idle = tuple(
            Acting(slo.name, slots[slo.name], each.action, each.model or "", each.look_s, Shares())
            for slo in slos
            if (each := slo.reaction) is not None
        )

    def renew(self, shares: Callable[[int], Shares]) -> None:
        """Take in what is decided.

        Args:
            shares: tells how much gives way, by slot.
        """
        self._acting = tuple(
            each._replace(shares=now) for each in self._idle if (now := shares(each.slot)).share > 0
        )

    def react(self, order: Order) -> bool:
        """Let a call set out, or have it give way.

        Returns:
            that it goes on, be it elsewhere.

        Raises:
            Overloaded: it gives way, and is refused or answered by a text.
        """
        priority = Priority.BATCH if order.purpose else order.call.hints.priority
        self._calls.add(self._cells[priority])
        if self._acting and priority is not Priority.HIGH and not _is_shared(order):
            lot = self._uniform()
            for each in self._acting:
                share = each.shares.normal if priority is Priority.NORMAL else each.shares.low
                if lot < share and _ACTS[each.action](each, order):
                    self._count(each, order, priority)
                    break
        return True

    def _count(self, each: Acting, order: Order, priority: Priority) -> None:
        name, action = priority.name.lower(), each.action
        if action == "template" and priority is Priority.BATCH:
            action = "shed"  # who asks again later must not take a text for the answer
        self._acted.add(self._acted.at(each.slot, action, name))
        order.remark("slo", f"{action};level={each.name}")
        if action == "degrade":
            return
        if action == "template":
            raise Overloaded("Answered by a text.", code=TEMPLATED)  # which takes its place
        raise Overloaded(
            f"The budget of service level '{each.name}' burns too fast, so calls of priority "
            f"'{name}' give way for now; try again later, or ask with a higher "
            "x-headrace-priority.",
            code="slo_shed",
            retry_after_s=each.retry_after_s,
        )


class _Acts(Protocol):
    def __call__(self, each: Acting, order: Order, /) -> Any: ...


def _shed(each: Acting, order: Order) -> bool:  # noqa: ARG001
    return True


def _degrade(each: Acting, order: Order) -> bool:
    """Turn to the cheaper model, where there is one that can be asked for the same."""
    flight, plan = order.relay, order.plan
    model = each.model or (order.aimed.cheaper if order.aimed is not None else "")
    is_chat = order.call.grammar.operation is not Operation.EMBEDDINGS
    if not (model and is_chat) or order.purpose or plan is None or not isinstance(flight, Flight):
        return False
    try:
        targets = plan.directory.resolve(model, order.call.dialect.name)
    except HeadraceError:  # it speaks another dialect, or a reload has taken it away
        return False
    if targets[0] == order.targets[0]:
        return False
    flight.closed()  # who asks for the same later may not have to give way
    order.divert(targets)
    return True


def _template(each: Acting, order: Order) -> bool:  # noqa: ARG001
    """Answer by the text of the model, where there is one."""
    is_chat = order.call.grammar.operation is not Operation.EMBEDDINGS
    texts = {} if order.plan is None else order.plan.fallback_texts
    return bool(order.purpose) or (is_chat and order.view.model in texts)


_ACTS: Final[Mapping[ReactionAction, _Acts]] = {
    "shed": _shed,
    "degrade": _degrade,
    "template": _template,
}


def _is_shared(order: Order) -> bool:
    """Whether others wait for the same, perhaps with a higher priority."""
    return isinstance(order.relay, Flight) and order.relay.followers > 0
