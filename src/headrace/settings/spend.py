"""What can be set of money: the books of what is spent, and budgets."""

from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from headrace.settings.bounded import Filled
from headrace.settings.flow import Share

_EACH = "*"


def time_zone_problem(text: str) -> str | None:
    """What keeps `text` from being a time zone."""
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        return "expected a time zone as the tz database names it, such as Europe/Berlin or UTC"
    return None


TimeZone = Annotated[str, Meta(extra={"check": time_zone_problem})]
Dollars = Annotated[float, Meta(ge=0, le=100_000_000)]


class SpendSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The books of what is spent.

    Attributes:
        enabled: whether they are kept; always where there are budgets.
        time_zone: where days and months begin.
        time_zones: where they do for single tenants, by tenant.
        unpriced: what becomes of calls whose price is not known, where a budget applies to them.
        durable: whether books and budgets stand in the store, and so outlive this gateway and are
            shared with others.
        lease_share: part of a budget that each gateway keeps for itself ahead of need.
        offline: what becomes of calls with a budget whose lease is used up while the store is away.
    """

    enabled: bool = False
    time_zone: TimeZone = "UTC"
    time_zones: dict[Filled, TimeZone] = {}
    unpriced: Literal["free", "refuse"] = "free"
    durable: bool = True
    lease_share: Annotated[float, Meta(ge=0, le=0.5)] = 0.05
    offline: Literal["allow", "refuse"] = "refuse"


class BudgetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What may be spent; it counts the calls to which all applies that it names.

    Attributes:
        name: what messages call it; by default what it is for.
        key: name of a key; `*`: each key has such a budget of its own.
        tenant: name of a tenant; `*`: each tenant has one of its own.
        model: a model, as callers name it, as the provider does, or as `provider/model`; every call
            that may go there counts.
        intent: an intent.
        day_usd: what may be spent in a day, in US dollars; 0 is nothing at all.
        month_usd: what may be spent in a month.
        soft_share: from which part of either on it is soft.
        cheaper: the model that is asked in its place while it is soft.
        status: of the answer, where it is used up.
        time_zone: where its days and months begin; by default where its tenant's do.
    """

    name: Filled | None = None
    key: Filled | None = None
    tenant: Filled | None = None
    model: Filled | None = None
    intent: Filled | None = None
    day_usd: Dollars | None = None
    month_usd: Dollars | None = None
    soft_share: Share = 0.8
    cheaper: Filled | None = None
    status: Literal["402", "429"] = "429"
    time_zone: TimeZone | None = None

    @property
    def shown_name(self) -> str:
        """What messages call it."""
        parts = [
            f"{what}={which}"
            for what in ("key", "tenant", "model", "intent")
            if (which := getattr(self, what)) is not None
        ]
        return self.name or " ".join(parts) or "all"


class Owner(NamedTuple):
    """One whom a budget is for, as far as it names keys or tenants."""

    name: str
    key: str | None
    tenant: str | None


def owners(budget: BudgetSettings, keys: tuple[tuple[str, str], ...]) -> tuple[Owner, ...]:
    """Each of those that a budget stands for.

    Args:
        budget: may name all keys, or all tenants.
        keys: name and tenant of each key.
    """
    key, tenant, name = budget.key, budget.tenant, budget.shown_name
    if _EACH not in (key, tenant):
        return (Owner(name, key, tenant),)
    if key == _EACH:
        return tuple(
            Owner(f"{name}/{whose}/{each}", each, whose)
            for each, whose in dict.fromkeys(keys)
            if tenant in (None, _EACH, whose)
        )
    tenants = dict.fromkeys(whose for each, whose in keys if key in (None, each))
    return tuple(Owner(f"{name}/{whose}", key, whose) for whose in tenants)
