"""Budgets as the settings say them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from headrace.identity.budgets import Terms
from headrace.identity.keys import ANONYMOUS
from headrace.settings import Settings
from headrace.settings.spend import owners

_UTC = "UTC"
_EACH = "*"
# No name holds it.
_PARTED = "\n"


def zone_of(name: str) -> tzinfo:
    """A time zone, by a name that was checked; that of UTC needs no database."""
    return UTC if name == _UTC else ZoneInfo(name)


def zones_of(settings: Settings) -> Mapping[str, tzinfo]:
    """Where the days and months of tenants begin."""
    return {tenant: zone_of(name) for tenant, name in settings.spend.time_zones.items()}


def terms_of(settings: Settings) -> Iterator[Terms]:
    """The budgets, those that stand for several as several."""
    keys = tuple((key.shown_name, key.tenant) for key in settings.keys)
    keys = keys or ((ANONYMOUS.key_name, ANONYMOUS.tenant),)
    tenants = dict(keys)
    spend = settings.spend
    for budget in settings.budgets:
        is_each = _EACH in (budget.key, budget.tenant)
        for name, key, tenant in owners(budget, keys):
            whose = tenant or tenants.get(key or "", "")
            zone = budget.time_zone or spend.time_zones.get(whose, spend.time_zone)
            yield Terms(
                name=name,
                key=key,
                tenant=tenant,
                model=budget.model,
                intent=budget.intent,
                day_usd=budget.day_usd,
                month_usd=budget.month_usd,
                soft_share=budget.soft_share,
                cheaper=budget.cheaper or "",
                status=int(budget.status),
                zone=zone_of(zone),
                # Names of tenants and keys may hold what they are joined with for messages.
                row=_PARTED.join((budget.shown_name, key or "", tenant or "")) if is_each else "",
            )
