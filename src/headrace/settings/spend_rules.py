"""What budgets demand of one another, and of keys and models."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final

from headrace.settings.document import shown
from headrace.settings.intents import IntentRuleSettings, IntentsSettings
from headrace.settings.keys import KeySettings
from headrace.settings.reader import Path, Reader
from headrace.settings.schema import Settings
from headrace.settings.spend import BudgetSettings

_EACH: Final = "*"
# Who callers are while no keys are set.
_KEY_OF_ALL, _TENANT_OF_ALL = "anonymous", "default"
_UNKNOWN: Final = "unknown"


def check_budgets(reader: Reader) -> None:
    """Report budgets that bound nothing, or nobody."""
    keys = [found.value for path, found in reader.found.items() if _is_key(path)]
    usable = [key for key in keys if isinstance(key, KeySettings) and (key.key or key.digest)]
    names = {key.shown_name for key in usable} or {_KEY_OF_ALL}
    tenants = {key.tenant for key in usable} or {_TENANT_OF_ALL}
    models = {path[1] for path in reader.places if path[:1] == ("models",) and path[1:]}
    intents = _intents(reader)
    first: dict[str, int] = {}
    for path, found in list(reader.found.items()):
        match path, found.value:
            case ("budgets", int(at)), BudgetSettings() as budget:
                _check_amounts(reader, path, budget)
                _check_spelling(reader, (*path, "key"), budget.key, names, "key")
                _check_spelling(reader, (*path, "tenant"), budget.tenant, tenants, "tenant")
                if intents:
                    _check_name(reader, (*path, "intent"), budget.intent, intents, "intent")
                _check_cheaper(reader, path, budget, {str(name) for name in models})
                same = first.setdefault(budget.shown_name, at)
                if same != at:
                    reader.complain(path, f"the same name as budgets[{same}]; give it one (name)")
            case ("spend", "time_zones", str(tenant)), str():
                _check_spelling(reader, path, tenant, tenants, "tenant")
            case _:
                pass


def doubtful_owners(settings: Settings) -> Iterator[str]:
    """Budgets for keys and tenants that only the store could have; a sentence each."""
    keys = {key.shown_name for key in settings.keys}
    tenants = {key.tenant for key in settings.keys}
    for at, budget in enumerate(settings.budgets):
        for what, name, known in (("key", budget.key, keys), ("tenant", budget.tenant, tenants)):
            if name and name not in (_EACH, *(known or (_KEY_OF_ALL, _TENANT_OF_ALL))):
                yield (
                    f"budgets[{at}] is for the {what} {shown(name)}, which is not in the settings: "
                    f"it counts something only if the store has {what}s of this name."
                )


def doubtful_intents(settings: Settings) -> Iterator[str]:
    """Budgets for intents that only weights could tell; a sentence each."""
    if all(each.weights is None for each in settings.intents.values()):
        return  # what is not told then is refused, or has no effect
    told = {_UNKNOWN}
    for each in settings.intents.values():
        told.update(each.routes, (rule.intent for rule in each.rules))
    for at, budget in enumerate(settings.budgets):
        if budget.intent is not None and budget.intent not in told:
            yield (
                f"budgets[{at}] is for the intent {shown(budget.intent)}, which no rule or route "
                "names: it counts something only if the weights tell that intent."
            )


def _intents(reader: Reader) -> set[str]:
    """The intents that are told; none where nobody can know, and where nothing tells any."""
    told: set[str] = set()
    for path, found in reader.found.items():
        match path, found.value:
            case ("intents", str()), IntentsSettings() as intents:
                if intents.weights is not None:
                    return set()
                told.update((_UNKNOWN, *intents.routes))
            case ("intents", str(), "rules", int()), IntentRuleSettings() as rule:
                told.add(rule.intent)
            case _:
                pass
    return told


def _is_key(path: Path) -> bool:
    return len(path) == 2 and path[0] == "keys"


def _check_amounts(reader: Reader, path: Path, budget: BudgetSettings) -> None:
    amounts = ((*path, "day_usd"), (*path, "month_usd"))
    is_broken = any(each in reader.places and each not in reader.found for each in amounts)
    if budget.day_usd is None and budget.month_usd is None and not is_broken:
        reader.complain(path, "expected day_usd, month_usd or both: what may be spent")


def _check_name(
    reader: Reader, path: Path, name: str | None, known: Iterable[str], what: str
) -> None:
    if name is None or name == _EACH or name in known:
        return
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known)[:10])}"
    reader.complain(path, f"unknown {what} {shown(name)}; {hint}")


def _check_spelling(
    reader: Reader, path: Path, name: str | None, known: Iterable[str], what: str
) -> None:
    """Report a name that is nearly one of the settings; others may be in the store."""
    if name is not None and get_close_matches(name, known, n=1):
        _check_name(reader, path, name, known, what)


def _check_cheaper(reader: Reader, path: Path, budget: BudgetSettings, models: set[str]) -> None:
    name, place = budget.cheaper, (*path, "cheaper")
    if name is None:
        return
    if name == budget.model:
        reader.complain(place, "expected another model than the budget is for")
    elif models and "/" not in name:
        _check_name(reader, place, name, models, "model")
